"""The page, as Streamlit runs it: from the top, at every full look."""

import streamlit as st

from xiaozhi.ui.chat_bot import ChatBot, page_icon

st.set_page_config(page_title="小智·Zero", page_icon=page_icon(), layout="centered")

bot = ChatBot()
bot.bot_title()
bot.chat()
