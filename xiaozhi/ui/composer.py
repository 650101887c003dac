"""Where a person types: in the middle of the empty page, below a conversation afterwards."""

from collections.abc import Callable

import streamlit as st

from xiaozhi.ui.conversation import MOST_MESSAGES
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _

FIRST = "first"
NEXT = "composer"


def show_first(send: Callable[[Question], None]) -> None:
    """`send` gets what was typed."""
    with st.container(key="composer_box"):
        _restore_draft(FIRST)
        st.chat_input(_placeholder(), key=FIRST, height=72, on_submit=_pass_on, args=(FIRST, send))


def show(send: Callable[[Question], None], stop: Callable[[], None] | None) -> None:
    """`stop`: ends the answer that is growing; None while there is none."""
    with st.bottom, st.container(key="composer_box", gap="xxsmall"):
        if stop:
            st.button(_("Stop"), icon=":material/stop_circle:", key="stop", on_click=stop)
        _restore_draft(NEXT)
        st.chat_input(_placeholder(), key=NEXT, on_submit=_pass_on, args=(NEXT, send))
        warning = _("Zero can make mistakes. Check important facts.")
        st.markdown(f":gray[:small[{warning}]]", text_alignment="center")


def show_end() -> None:
    """In its place, where a conversation can hold no more."""
    with st.bottom, st.container(key="composer_box", gap="xxsmall"):
        st.info(
            _(
                "We have exchanged {count} messages here, which is as many as one conversation "
                "can hold. Thank you for talking to me! Please begin a new one.",
                count=f"{MOST_MESSAGES:,}",
            ),
            icon=":material/celebration:",
        )


def put_back(question: Question) -> None:
    """What could not be sent is where it was typed, to be sent again."""
    st.session_state.draft = question.words


def _restore_draft(key: str) -> None:
    if draft := st.session_state.pop("draft", None):
        st.session_state[key] = draft


def _pass_on(key: str, send: Callable[[Question], None]) -> None:
    send(Question(st.session_state[key]))


def _placeholder() -> str:
    return _("Hello, Zero!")
