"""The list of conversations in the sidebar, and what is done to one of them there.

A fragment of its own: a search or a menu draws nothing else anew, also while an answer grows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from openai import APIError

from xiaozhi.ui import days, export, shelves, titles
from xiaozhi.ui.shelves import AT_ONCE, UNDO_FOR, Listed, Listing, Listings, Shelf
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _

KEY = "history"
WORDS = 8  # that a search may have
LONGEST_SEARCH = 100  # characters; what is typed behind them counts for nothing
LONGEST_NAME = 120  # characters; metadata hold 512
TITLE_TICK = 1.5  # s between two looks for a title that is being made


@dataclass
class Deleted:
    """What can be taken back for a moment."""

    thread: Listed
    was_open: bool
    until: float


@dataclass
class View:
    """The list as one page looks at it. `naming`, `exporting`: the id of a conversation."""

    listings: Listings = field(default_factory=Listings)
    count: int = AT_ONCE
    archived: bool = False
    naming: str | None = None
    exporting: str | None = None
    deleted: Deleted | None = None
    problem: str | None = None


@st.fragment(key=KEY)
def show() -> None:
    """Into the sidebar."""
    view = _view()
    label = _("Search conversations")
    st.text_input(
        label,
        key="search",
        type="search",
        live=True,
        placeholder=label,
        label_visibility="collapsed",
        on_change=_begin_at_the_top,
    )
    with st.container(key="history", gap=None):
        _show_deleted(view)
        if view.problem:
            st.caption(f":red[{literally(view.problem)}]")
            view.problem = None
        try:
            listing = _listing(view)
        except APIError:
            st.caption(_("The list of conversations cannot be read at the moment."))
            st.button(_("Try again"), key="history_again", type="tertiary")
            return
        _show_listing(view, listing)


def _show_listing(view: View, listing: Listing) -> None:
    words = _words()
    if view.archived and not words:
        st.caption(_("Archived"))
    if not listing.pinned and not listing.others and (words or view.archived):
        st.caption(_("Nothing found") if words else _("Nothing is archived"))
    if listing.pinned:
        st.caption(_("Pinned"))
        _show_rows(view, listing.pinned)
    if words or view.archived:
        _show_rows(view, listing.others)
    else:
        for name, threads in days.grouped(listing.others, datetime.now(_zone())):
            st.caption(_age(name))
            _show_rows(view, threads)
    if listing.has_more:
        st.button(_("More conversations"), key="history_more", type="tertiary", on_click=_more)
    if not words:
        icon = ":material/arrow_back:" if view.archived else ":material/archive:"
        label = _("Back to the conversations") if view.archived else _("Archive")
        st.button(label, icon=icon, key="shelf", type="tertiary", on_click=_change_shelf)


def _show_rows(view: View, threads: Sequence[Listed]) -> None:
    for thread in threads:
        if view.naming == thread.id:
            _show_naming(thread)
        elif _will_be_named(thread):
            _show_row_again_and_again(thread)
        else:
            _show_row(thread)
        if view.exporting == thread.id:
            _show_export(thread)


def _will_be_named(thread: Listed) -> bool:
    """Soon. What is open is drawn anew when its answer is there, which comes before its title."""
    is_open = st.query_params.get("c") == thread.id
    return titles.is_being_made(thread.id) if is_open else titles.is_coming(thread.id)


@st.fragment(run_every=TITLE_TICK)
def _show_row_again_and_again(thread: Listed) -> None:
    """Until its title is there: then this is no more than a row, and is drawn as one next time."""
    try:
        listing = _listing(_view())
    except APIError:
        listing = Listing()
    found = (new for new in (*listing.pinned, *listing.others) if new.id == thread.id)
    _show_row(next(found, thread))


def _show_row(thread: Listed) -> None:
    is_open = st.query_params.get("c") == thread.id
    title = literally(_title(thread))
    label = f"{title}  \n:gray[:small[{literally(thread.snippet)}]]" if thread.snippet else title
    key = f"row_{thread.id}" + ("_on" if is_open else "")
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap=None):
        st.button(
            label,
            key=f"rowopen_{thread.id}",
            type="tertiary",
            width="stretch",
            wrap=False,
            on_click=go,
            args=(thread.id,),
        )
        st.menu_button(
            _("What to do with “{title}”", title=title),
            _actions(thread),
            icon=":material/more_horiz:",
            type="tertiary",
            key=f"rowmenu_{thread.id}",
            format_func=partial(_action, thread.shelf),
            on_click=_act,
            args=(thread,),
        )


def _show_naming(thread: Listed) -> None:
    key = f"naming_{thread.id}"
    with st.container(key="naming", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.text_input(
            _("New name"),
            thread.title,
            key=key,
            label_visibility="collapsed",
            on_change=_rename,
            args=(thread.id, key),
        )
        st.button(
            _("Cancel"),
            icon=":material/close:",
            key="rowicon_cancel",
            type="tertiary",
            on_click=_leave_alone,
        )


def _show_export(thread: Listed) -> None:
    title = _title(thread)
    speakers = {"user": _("You"), "assistant": "小智·Zero"}
    read = partial(export.markdown, thread.id, title, speakers, _zone())
    raw = partial(export.as_json, thread.id)
    kinds: list[tuple[str, Callable[[], str], str, str]] = [
        ("Markdown", read, "md", "text/markdown"),
        ("JSON", raw, "json", "application/json"),
    ]
    with st.container(key="export", horizontal=True, vertical_alignment="center", gap="xsmall"):
        for kind, content, ending, mime in kinds:
            st.download_button(
                kind,
                content,
                export.file_name(title, ending),
                mime,
                key=f"export_{ending}",
                icon=":material/download:",
                on_click="ignore",
            )
        st.button(
            _("Close"),
            icon=":material/close:",
            key="rowicon_close",
            type="tertiary",
            on_click=_leave_alone,
        )


def _show_deleted(view: View) -> None:
    """It goes away by itself (zero.css): no look at the page is needed for that."""
    gone = view.deleted
    if gone is None or time.monotonic() > gone.until:
        return
    key = f"deleted_{gone.thread.id}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="xsmall"):
        title = literally(_title(gone.thread))
        st.markdown(_("Deleted: {title}", title=title), width="stretch")
        st.button(f"**:primary[{_('Undo')}]**", key="undo", type="tertiary", on_click=_undo)


# --- what a person does


def go(thread_id: str | None) -> None:
    """Opens a conversation, or the empty page: all of it is drawn anew.

    Also where the browser has told the click together with words typed into the search, which
    draw the list alone.
    """
    open_conversation(thread_id)
    st.rerun()


def open_conversation(thread_id: str | None) -> None:
    """None: a new one. What belonged to the last one is left behind."""
    for key in ("window", "problem", "draft", "held"):
        st.session_state.pop(key, None)
    if thread_id is None:
        st.query_params.clear()
    else:
        # Nothing else stays in the address: another page is left.
        st.query_params.from_dict({"c": thread_id})


def _act(thread: Listed) -> None:
    view = _view()
    view.naming = view.exporting = None
    action = cast("str | None", st.session_state[f"rowmenu_{thread.id}"])
    if action == "rename":
        view.naming = thread.id
    elif action == "export":
        view.exporting = thread.id
    elif action == "delete":
        _delete(view, thread)
    elif action is not None:
        _put(thread, cast("Shelf", action))
    st.rerun(KEY)


def _actions(thread: Listed) -> list[str]:
    """Besides shelves: what else there is to be done."""
    elsewhere = {
        "recent": ["pinned", "archived"],
        "pinned": ["recent", "archived"],
        "archived": ["recent"],
    }
    return ["rename", *elsewhere.get(thread.shelf, []), "export", "delete"]


def _action(shelf: str, name: str) -> str:
    """`shelf`: where it lies now."""
    icon, words = {
        "rename": ("edit", _("Rename")),
        "pinned": ("keep", _("Pin")),
        "archived": ("archive", _("Put into the archive")),
        "recent": ("keep_off", _("Unpin")) if shelf == "pinned" else ("unarchive", _("Put back")),
        "export": ("download", _("Export")),
        "delete": ("delete", _("Delete")),
    }[name]
    return f":material/{icon}: " + (f":red[{words}]" if name == "delete" else words)


def _delete(view: View, thread: Listed) -> None:
    was_open = st.query_params.get("c") == thread.id
    try:
        shelves.delete(thread.id)
    except APIError:
        _say_not_done(view)
        return
    view.deleted = Deleted(thread, was_open, time.monotonic() + UNDO_FOR)
    if was_open:
        go(None)


def _undo() -> None:
    view = _view()
    gone, view.deleted = view.deleted, None
    if gone is not None:
        _put(gone.thread, cast("Shelf", gone.thread.shelf or "recent"))
        if gone.was_open and view.problem is None:
            go(gone.thread.id)
    st.rerun(KEY)


def _put(thread: Listed, shelf: Shelf) -> None:
    try:
        shelves.put(thread.id, shelf)
    except APIError:
        _say_not_done(_view())


def _rename(thread_id: str, key: str) -> None:
    view = _view()
    view.naming = None
    if name := " ".join(str(st.session_state[key]).split())[:LONGEST_NAME]:
        try:
            shelves.rename(thread_id, name)
        except APIError:
            _say_not_done(view)


def _leave_alone() -> None:
    view = _view()
    view.naming = view.exporting = None


def _begin_at_the_top() -> None:
    _view().count = AT_ONCE


def _more() -> None:
    _view().count += AT_ONCE


def _change_shelf() -> None:
    view = _view()
    view.archived = not view.archived
    view.count = AT_ONCE


def _say_not_done(view: View) -> None:
    view.problem = _("That did not work. Please try again.")


# --- what there is


def _view() -> View:
    view = st.session_state.get("history_view")
    if view is None:
        view = st.session_state.history_view = View()
    return cast("View", view)


def _listing(view: View) -> Listing:
    return view.listings.look(words=_words(), archived=view.archived, count=view.count)


def _words() -> str:
    """What is searched for, as far as the server takes it."""
    typed = str(st.session_state.get("search") or "")[:LONGEST_SEARCH]
    return " ".join(typed.split()[:WORDS])


def _title(thread: Listed) -> str:
    return thread.title or _("Without a title")


def _zone() -> tzinfo:
    """The browser's."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _age(name: days.Age) -> str:
    return {
        "today": _("Today"),
        "yesterday": _("Yesterday"),
        "week": _("Last 7 days"),
        "older": _("Older"),
    }[name]
