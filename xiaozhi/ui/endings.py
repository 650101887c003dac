"""How the last answer ended, where it is not whole: a sentence, and a way on."""

from collections.abc import Callable

import streamlit as st
from openai.types.beta.threads import Run

from xiaozhi.ui.conversation import Conversation
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _
from xiaozhi.ui.transcript import text_of, why_failed


def show(
    conversation: Conversation,
    run: Run,
    *,
    ask: Callable[[Conversation, Question], None],
    again: Callable[[Conversation, Run], None],
) -> None:
    """Nothing where `run` ended well, or something else stands in its place."""
    newest = conversation.messages[-1] if conversation.messages else None
    if newest is None or (newest.role == "assistant" and newest.run_id != run.id):
        return
    said = newest.role == "assistant" and bool(text_of(newest))
    broke_off = why_failed(run)
    if broke_off:
        st.error(broke_off, icon=":material/error:")
    elif run.status == "cancelled" and not said:
        st.caption("■ " + _("Stopped before the first word"))
    elif newest.role == "user" and run.required_action is None:
        # It took another's place and could not be answered, or came from another program.
        st.caption(_("Not answered yet"))
    elif run.status not in ("cancelled", "incomplete"):
        return
    with st.container(key="way_on", horizontal=True, gap="small"):
        if said:
            st.button(
                _("Continue"),
                key="continue",
                icon=":material/resume:",
                on_click=ask,
                # A question like any other: whatever model answers understands it.
                args=(conversation, Question(_("Please go on where you stopped."))),
            )
        if broke_off or not said:
            icon = ":material/refresh:"
            words = _("Try again")
            st.button(words, key="again", icon=icon, on_click=again, args=(conversation, run))
