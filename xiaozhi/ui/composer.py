"""Where a person types: in the middle of the empty page, below a conversation afterwards."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from xiaozhi.ui import attached
from xiaozhi.ui.conversation import MOST_MESSAGES
from xiaozhi.ui.pictures import KINDS, LARGEST
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _

FIRST = "first"
NEXT = "composer"


def show_first(send: Callable[[Question], None]) -> None:
    """`send` gets what was typed."""
    with st.container(key="composer_box"):
        _show_input(FIRST, send, height=72)


def show(send: Callable[[Question], None], stop: Callable[[], None] | None) -> None:
    """`stop`: ends the answer that is growing; None while there is none."""
    with st.bottom, st.container(key="composer_box", gap="xxsmall"):
        if stop:
            st.button(_("Stop"), icon=":material/stop_circle:", key="stop", on_click=stop)
        _show_input(NEXT, send)
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
    attached.hold(question)


def _show_input(
    key: str, send: Callable[[Question], None], height: int | Literal["content"] = "content"
) -> None:
    attached.show_held(partial(_send, send, ""))
    _restore_draft(key)
    # Of what stands here, all but the placeholder and the height makes it another widget.
    st.chat_input(
        _placeholder(),
        key=key,
        height=height,
        accept_file="multiple",
        file_type=KINDS,
        max_upload_size=LARGEST,
        on_submit=_pass_on,
        args=(key, send),
    )
    attached.show_warnings()


def _restore_draft(key: str) -> None:
    if draft := st.session_state.pop("draft", None):
        st.session_state[key] = draft


def _pass_on(key: str, send: Callable[[Question], None]) -> None:
    given = st.session_state[key]
    _send(send, given.text, given.files)


def _send(send: Callable[[Question], None], words: str, files: Sequence[UploadedFile] = ()) -> None:
    question, problem = attached.taken(words, files)
    if problem is None:
        send(question)
    else:
        st.session_state.problem = problem
        put_back(question)


def _placeholder() -> str:
    return _("Hello, Zero!")
