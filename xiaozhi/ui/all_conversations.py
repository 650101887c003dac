"""The way to delete all conversations, at the end of the settings.

It is asked for twice, then it goes on by itself; the page becomes the empty one.
"""

from dataclasses import dataclass
from itertools import islice

import streamlit as st
from openai import APIError

from xiaozhi.ui import history, shelves
from xiaozhi.ui.clearing import Clearing
from xiaozhi.ui.client import client
from xiaozhi.ui.texts import _

COUNTED = 1_000  # conversations; of more it is said that there are more
LOOK = 0.4  # s between two looks at how far it is


@dataclass
class Question:
    """Whether they are really to be deleted. `count`: None where they could not be counted."""

    count: int | None


def begin_anew() -> None:
    """Nothing is asked yet, whatever was asked before."""
    st.session_state.pop("clearing_question", None)


def show() -> None:
    """The way to it, or the question whether that is meant, or how far it is."""
    question: Question | None = st.session_state.get("clearing_question")
    with st.container(key="all_conversations", gap="small"):
        st.subheader(_("Conversations"), anchor=False)
        if "clearing" in st.session_state:
            _show_progress()
        elif question is None:
            st.button(
                _("Delete all conversations"),
                icon=":material/delete_sweep:",
                key="clear",
                on_click=_ask,
            )
        else:
            _show_question(question)


def show_going() -> None:
    """Into the sidebar: how far it is, where the dialog was closed; how it has ended, once."""
    if "clearing" in st.session_state:
        _show_progress()
    if told := st.session_state.pop("cleared", None):
        st.toast(told, icon=":material/delete_sweep:", duration="long")


def _show_question(question: Question) -> None:
    if question.count is None:
        st.error(_("The list of conversations cannot be read at the moment."))
        st.button(_("Try again"), key="clear_again", on_click=_ask)
        return
    if question.count == 0:
        st.markdown(_("There is no conversation to delete."))
        return
    number = f"{question.count:,}"
    if question.count > COUNTED:
        number = _("more than {count}", count=f"{COUNTED:,}")
    st.markdown(
        _(
            "Conversations to be deleted: **{number}**, pinned and archived ones among them. "
            "This cannot be taken back.",
            number=number,
        )
    )
    with st.container(horizontal=True, gap="small"):
        st.button(_("Delete all"), key="really_clear", type="primary", on_click=_begin)
        st.button(_("Keep them"), key="keep_all", on_click=begin_anew)


@st.fragment(run_every=LOOK)
def _show_progress() -> None:
    clearing: Clearing | None = st.session_state.get("clearing")
    if clearing is None:
        return
    if clearing.has_ended:
        del st.session_state.clearing
        # Again: where an answer grew meanwhile, the browser may have told the old address since.
        if st.query_params.get("c") in clearing.gone:
            history.open_conversation(None)
        _tell(clearing)
        st.rerun()
    if not clearing.total:
        st.markdown(_("Deleting the conversations…"))
        return
    words = _(
        "Deleting the conversations: {done} of {total}",
        done=f"{len(clearing.gone):,}",
        total=f"{clearing.total:,}",
    )
    st.progress(len(clearing.gone) / clearing.total, words)


def _tell(clearing: Clearing) -> None:
    """For the next look at the page."""
    if clearing.broke_off:
        st.session_state.problem = _(
            "Not all conversations could be deleted: {done} are gone, the others are still there. "
            "Please try again.",
            done=f"{len(clearing.gone):,}",
        )
    else:
        st.session_state.cleared = _("All conversations are deleted.")


def _ask() -> None:
    try:
        count = sum(1 for _each in islice(shelves.everywhere(), COUNTED + 1))
    except APIError:
        count = None
    st.session_state.clearing_question = Question(count)


def _begin() -> None:
    begin_anew()
    # Before it is gone itself: nothing of it can be asked then.
    is_open = _is_one(st.query_params.get("c"))
    st.session_state.clearing = Clearing()
    if is_open:
        history.open_conversation(None)
        # Where the dialog is closed before the end
        st.session_state.page_is_outdated = True


def _is_one(thread_id: str | None) -> bool:
    """Whether it is a conversation of the page, and no other program's thread."""
    if thread_id is None:
        return False
    try:
        metadata = client().beta.threads.retrieve(thread_id).metadata or {}
    except APIError:
        return False
    return metadata.get("app") == shelves.APP
