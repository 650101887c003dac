"""A conversation that leaves nothing behind: it is in no list, and deleted when it is left.

It has the shelf `temporary` and no title, and `seen`, the time in s at which a page had it open.
Pages renew that; one that nobody has had open for a while (a closed tab, a crash) is deleted by
whichever process comes by. One that is left is deleted when no other page of this process has it
open; of pages of other processes nothing is known (a balancer keeps a person at one of them).
"""

import time
from uuid import uuid4

import streamlit as st
from openai import APIError
from openai.types.beta import Thread

from xiaozhi.ui import shelves, transcript
from xiaozhi.ui.client import client, explained
from xiaozhi.ui.open_pages import OpenPages
from xiaozhi.ui.texts import _

ADDRESS = "temporary"  # in the address of the empty page: the next conversation is one
SHELF = "temporary"
SEEN = "seen"
RENEWED = 300.0  # s between two times that an open page says so
COUNTS_AS_OPEN = 1.3 * RENEWED  # s; browsers let hidden pages wait up to a minute
KEPT = 1_800.0  # s behind the last one: a phone that was put away for a moment loses nothing
SWEPT = 600.0  # s between two looks for what nobody has open any more


def is_wanted() -> bool:
    """Whether the next new conversation is to be one."""
    return ADDRESS in st.query_params


def is_one(thread: Thread | None) -> bool:
    return thread is not None and (thread.metadata or {}).get("shelf") == SHELF


def marks() -> dict[str, str]:
    """The metadata of a new one."""
    return {"app": shelves.APP, "shelf": SHELF, SEEN: _now()}


def look(thread: Thread | None) -> None:
    """What a page shows from now on: the one that it has shown before is left."""
    before: str | None = st.session_state.get("temporary")
    now = thread.id if thread is not None and is_one(thread) else None
    st.session_state.temporary = now
    if before and before != now:
        _open_pages().leave(before, _page_id())
        _leave(before)
    if now:
        _open_pages().see(now, _page_id())
        _left().discard(now)


def show(thread: Thread | None) -> None:
    """At the right of the page's head: the way to begin one, or what this one is."""
    with st.container(
        key="temporary",
        horizontal=True,
        horizontal_alignment="right",
        vertical_alignment="center",
    ):
        if thread is not None and is_one(thread):
            st.caption(_("Temporary chat"), help=explained_here(), width="content")
            st.button(
                _("Keep"),
                icon=":material/bookmark_add:",
                key="temporary_keep",
                type="tertiary",
                on_click=_keep,
                args=(thread.id,),
            )
            _stay(thread)
        elif thread is None:
            st.button(
                _("Temporary chat"),
                icon=":material/visibility_off:",
                key="temporary_on" if is_wanted() else "temporary_off",
                type="tertiary",
                help=explained_here(),
                on_click=_change_mind,
            )


def explained_here() -> str:
    """What it is, in the page's language."""
    return _(
        "It is in no list and no search, and it is deleted when you leave it, or half an hour "
        "after its page was closed. The model still reads what you say."
    )


def _change_mind() -> None:
    if is_wanted():
        st.query_params.clear()
    else:
        st.query_params.from_dict({ADDRESS: "1"})


def _keep(thread_id: str) -> None:
    """It becomes a conversation like any other."""
    try:
        first = client().beta.threads.messages.list(thread_id, order="asc", limit=1).data
        words = transcript.text_of(first[0]) if first else ""
        title = shelves.first_words(words or _("A picture"))
        shelves.mark(thread_id, shelf="recent", title=title, seen=None)
    except APIError as error:
        st.session_state.problem = explained(error)


@st.fragment(run_every=RENEWED)
def _stay(thread: Thread) -> None:
    """As long as the page is open. Draws nothing."""
    _open_pages().see(thread.id, _page_id())
    if _open_until(thread) - KEPT + RENEWED / 2 > time.time():
        return
    try:
        shelves.mark(thread.id, seen=_now())
    except APIError:
        # There are several more times before it is given up.
        return


def _leave(thread_id: str) -> None:
    """Soon: who comes back at once finds it again."""
    left = _left()
    left.add(thread_id)

    pages = _open_pages()

    def throw_away() -> None:
        if thread_id not in left:
            return
        if seconds := pages.seconds_open(thread_id):
            # In another tab. Its own leaving, or its next sign of life, comes before that.
            shelves.later(seconds, throw_away)
            return
        left.discard(thread_id)
        shelves.throw_away([thread_id], SHELF)

    shelves.later(shelves.LINGERS, throw_away)


def _page_id() -> str:
    return st.session_state.setdefault("page_id", uuid4().hex)


@st.cache_resource
def _open_pages() -> OpenPages:
    return OpenPages(COUNTS_AS_OPEN)


@st.cache_resource
def _left() -> set[str]:
    """Those that will be deleted in a moment. Made once a process, as is the look for old ones."""
    client()
    shelves.later(0.0, _sweep_now_and_again)
    return set()


def sweep() -> None:
    """Deletes what nobody has had open for a while."""
    try:
        found = shelves.lying_on(SHELF)
    except APIError as error:
        shelves.log_failed_deletion(error)
        return
    shelves.throw_away([each.id for each in found if _open_until(each) < time.time()], SHELF)


def _sweep_now_and_again() -> None:
    sweep()
    shelves.later(SWEPT, _sweep_now_and_again)


def _open_until(thread: Thread) -> float:
    """In s: when it can be taken for left, unless a page renews that."""
    seen = (thread.metadata or {}).get(SEEN, "")
    # Another client may have written anything.
    return (int(seen) if seen.isdecimal() else 0) + KEPT


def _now() -> str:
    return str(int(time.time()))
