"""The peer of our page: a chat as Streamlit's own tutorial writes it, straight on the model.

Run by Streamlit; the model's address is in MODEL_URL, how many messages there are in HISTORY.
"""

import os
from typing import Any

import streamlit as st
from openai import OpenAI

client: Any = OpenAI(base_url=os.environ["MODEL_URL"], api_key="x")
if "messages" not in st.session_state:
    count = int(os.environ.get("HISTORY", "0"))
    roles = ("user", "assistant")
    st.session_state.messages = [
        {"role": roles[number % 2], "content": f"Message {number} of a conversation."}
        for number in range(count)
    ]
for message in st.session_state.messages:
    with st.chat_message(message["role"]):
        st.markdown(message["content"])
if prompt := st.chat_input("Say something"):
    st.session_state.messages.append({"role": "user", "content": prompt})
    with st.chat_message("user"):
        st.markdown(prompt)
    with st.chat_message("assistant"):
        stream = client.chat.completions.create(
            model="scripted", messages=st.session_state.messages, stream=True
        )
        answer = str(st.write_stream(stream))
    st.session_state.messages.append({"role": "assistant", "content": answer})
