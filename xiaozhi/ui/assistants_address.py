"""Where the page of assistants is: `?page=assistants`, with `&a=` and the id of the one edited.

It stands in the address, so that it can be bookmarked and the browser's Back works. The address of
the conversation beside it stays, for the way back.
"""

import streamlit as st

PAGE = "assistants"
NEW = "new"  # in the place of an id: the one that is being made


def is_here() -> bool:
    return st.query_params.get("page") == PAGE


def edited() -> str | None:
    """An id, or NEW; None: all of them are listed."""
    return st.query_params.get("a")


def go(edited: str | None = None) -> None:
    which = {"a": edited} if edited else {}
    st.query_params.from_dict({**_conversation(), "page": PAGE, **which})


def leave() -> None:
    """To the conversation, or to a new one."""
    st.query_params.from_dict(_conversation())


def _conversation() -> dict[str, str]:
    thread_id = st.query_params.get("c")
    return {"c": thread_id} if thread_id else {}
