"""Whether an assistant is really to be deleted."""

import streamlit as st
from openai import APIError
from openai.types.beta import Assistant

from xiaozhi.ui import assistants, assistants_address
from xiaozhi.ui.client import explained
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _
from xiaozhi.ui.who_answers import called


def ask(assistant: Assistant) -> None:
    """In a dialog over the page."""
    name = literally(called(assistant))

    @st.dialog(_("Delete this assistant?"))
    def question() -> None:
        st.markdown(f"**{name}**")
        if assistant.id == assistants.id_of_own():
            words = _("It is this server's default: it is made anew, as it was at first.")
        else:
            words = _("Its conversations stay. The default assistant goes on in them.")
        st.markdown(words)
        with st.container(horizontal=True, gap="small"):
            wanted = st.button(_("Delete"), key="really_delete", type="primary")
            kept = st.button(_("Keep it"), key="keep_assistant")
        if wanted:
            try:
                assistants.delete(assistant.id)
            except APIError as error:
                st.error(explained(error), icon=":material/error:")
                return
            assistants_address.go()
        if wanted or kept:
            st.rerun()

    question()
