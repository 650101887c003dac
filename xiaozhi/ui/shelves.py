"""The page's conversations, as the server lists them: each lies on one shelf. Draws nothing.

    recent ◄──► pinned        deleted ──► gone, after UNDO_FOR seconds
      ▲            ▲             ▲
      └──► archived ◄──► …       └── from any, and back

temporary: in no list (temporary.py).
All of it is in the threads' metadata (docs/extensions.md), so that another client sees the same.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st
from openai import APIConnectionError, APIError, BadRequestError, NotFoundError
from openai.pagination import SyncCursorPage
from openai.types.beta import Thread

from xiaozhi.ui.client import client, reader
from xiaozhi.ui.metadata_changes import change_thread, has_changed

log = logging.getLogger(__name__)

Shelf = Literal["recent", "pinned", "archived", "temporary", "deleted"]

UNSEEN = ("deleted", "temporary")  # the shelves that no list and no search shows
# The key in the metadata of a thread that only holds earlier versions; its value: whose
KEPT_FOR = "kept_for"
APP = "xiaozhi"  # the metadata `app` of what this page has begun
AT_ONCE = 30  # conversations that are read at first, and added each time that more are wanted
MOST = 100  # that the API gives at once
KEPT = 2_000  # threads of earlier versions that a conversation may have: two for a question
LONGEST_TITLE = 60  # characters
UNDO_FOR = 8.0  # s in which a deletion can be taken back
LINGERS = UNDO_FOR + 2  # s until it takes effect: who clicks in the last moment is heard
STALE_AFTER = 30.0  # s until another client's changes are looked for


class Listed(Thread):
    """A thread as the list has it."""

    last_activity_at: int
    snippet: str | None = None

    @property
    def title(self) -> str:
        return (self.metadata or {}).get("title", "")

    @property
    def shelf(self) -> str:
        return (self.metadata or {}).get("shelf", "")


@dataclass
class Listing:
    """Newest activity first. `has_more`: of the ones that are not pinned."""

    pinned: list[Listed] = field(default_factory=list[Listed])
    others: list[Listed] = field(default_factory=list[Listed])
    has_more: bool = False


class Listings:
    """What one page has read of the lists: a look at it costs a request only after a change."""

    def __init__(self) -> None:
        self._listing = Listing()
        self._what: object = None
        self._read_at = 0.0

    def look(self, *, words: str = "", archived: bool = False, count: int = AT_ONCE) -> Listing:
        """`words`: what is searched for; on every shelf. Raises openai.APIError."""
        what = (_changes().count, words, archived, count)
        if what != self._what or time.monotonic() - self._read_at > STALE_AFTER:
            self._listing = _read(words, archived, count)
            self._what, self._read_at = what, time.monotonic()
        return self._listing


def marks(question: str) -> dict[str, str]:
    """The metadata of a new conversation. It is called by its first words at first."""
    return {"app": APP, "shelf": "recent", "title": first_words(question)}


def first_words(question: str) -> str:
    line = " ".join(question.split())
    if len(line) <= LONGEST_TITLE:
        return line
    # Latin words stay whole; Chinese is cut anywhere.
    head, space, _rest = line[:LONGEST_TITLE].rpartition(" ")
    return (head if space and len(head) > LONGEST_TITLE // 2 else line[:LONGEST_TITLE]) + "…"


def changed() -> None:
    """Every open page reads its list anew when it is drawn the next time."""
    _changes().up()


def rename(thread_id: str, title: str) -> None:
    """Raises openai.APIError."""
    mark(thread_id, title=title)


def put(thread_id: str, shelf: Shelf) -> None:
    """Raises openai.APIError."""
    mark(thread_id, shelf=shelf)


def delete(thread_id: str) -> None:
    """Soon: until then `put` takes it back. Raises openai.APIError."""
    put(thread_id, "deleted")
    later(LINGERS, lambda: throw_away([thread_id]))


def archives() -> dict[str, list[str]]:
    """The ids of all threads of earlier versions, by the conversation whose they are.

    One look through all threads: to ask for those of one conversation after the other would be as
    many looks. Raises openai.APIError.
    """
    found: dict[str, list[str]] = {}
    for thread in _page(MOST, {}, order="asc"):
        if kept_for := (thread.metadata or {}).get(KEPT_FOR):
            found.setdefault(kept_for, []).append(thread.id)
    return found


def delete_at_once(thread_id: str, archives: Iterable[str] | None = None) -> None:
    """With its earlier versions, and nothing takes it back. One that is gone is no error.

    `archives`: the threads of its versions; None: they are looked for. Raises openai.APIError.
    """
    if archives is None:
        archives = [each.id for each in _listed(KEPT, {KEPT_FOR: thread_id})[0]]
    for id in (*archives, thread_id):
        # By another page, in this moment
        with suppress(NotFoundError):
            client().beta.threads.delete(id)


def everywhere() -> Iterator[Listed]:
    """The conversations on all shelves that a person sees, read as far as they are looked at.

    Raises openai.APIError.
    """
    for shelf in ("recent", "pinned", "archived"):
        # The oldest first: one that becomes active meanwhile is met again, and none is missed.
        yield from _page(MOST, {"app": APP, "shelf": shelf}, order="asc")


def retitle(thread_id: str, provisional: str, title: str) -> None:
    """Unless somebody has given it a name meanwhile. Raises openai.APIError."""
    try:
        change(thread_id, {"title": title}, only_if={"title": provisional})
    except BadRequestError as error:
        if not has_changed(error):
            raise


def mark(thread_id: str, **marks: str | None) -> None:
    """In its metadata; None takes a mark away. Raises openai.APIError."""
    change(thread_id, marks)


def change(
    thread_id: str, marks: Mapping[str, str | None], only_if: Mapping[str, str] | None = None
) -> None:
    """As `change_thread`; open pages read their lists anew. Raises as that."""
    change_thread(thread_id, marks, only_if)
    _changes().up()


def _read(words: str, archived: bool, count: int) -> Listing:
    _sweep()
    if words:
        # Which shelf does not matter to who searches, as long as it can be looked at.
        found, has_more = _listed(count, {"app": APP}, words)
        return Listing([], [thread for thread in found if thread.shelf not in UNSEEN], has_more)
    if archived:
        return Listing([], *_listed(count, {"app": APP, "shelf": "archived"}))
    return Listing(lying_on("pinned"), *_listed(count, {"app": APP, "shelf": "recent"}))


def _listed(count: int, metadata: dict[str, str], words: str = "") -> tuple[list[Listed], bool]:
    page = _page(count, metadata, **({"q": words} if words else {}))
    found = page.data
    while page.has_more and len(found) < count:
        page = page.get_next_page()
        found = found + page.data
    return found, bool(page.has_more)


def _page(count: int, metadata: dict[str, str], **more: str) -> SyncCursorPage[Listed]:
    """The first one; it goes on to the next ones where it is iterated over."""
    params: dict[str, object] = {"limit": min(count, MOST), "metadata": metadata, **more}
    return reader().get_api_list(
        "/threads",
        model=Listed,
        page=SyncCursorPage[Listed],
        options={"params": params},
    )


def lying_on(shelf: Shelf) -> list[Listed]:
    """The conversations there, as many as the API gives at once. Raises openai.APIError."""
    return _listed(MOST, {"app": APP, "shelf": shelf})[0]


def later(seconds: float, doing: Callable[[], None]) -> None:
    """On a thread of its own: it happens also when the page was closed meanwhile."""
    timer = threading.Timer(seconds, doing)
    timer.daemon = True
    timer.start()


def throw_away(thread_ids: Iterable[str], shelf: Shelf = "deleted") -> None:
    """Those of them that still lie on `shelf`, with their earlier versions.

    Takes its time. Where the server cannot be reached they stay, for the next sweep.
    """
    threads = client().beta.threads
    for thread_id in thread_ids:
        try:
            metadata = threads.retrieve(thread_id).metadata or {}
            if metadata.get("shelf") == shelf:
                delete_at_once(thread_id)
        except NotFoundError:
            continue
        except APIError as error:
            log_failed_deletion(error)
            return
    changed()


def log_failed_deletion(error: APIError) -> None:
    """A server that cannot be reached is going away, or coming: that needs no words."""
    if not isinstance(error, APIConnectionError):
        log.warning("Conversations stay until the next attempt to delete them: %s", error)


@st.cache_resource(show_spinner=False)
def _sweep() -> None:
    """Once a process: what was to be deleted when the last one ended."""
    # Both are made here, where there is a page: on a thread of its own Streamlit complains.
    client()
    _changes()
    later(0.0, _throw_away_what_is_left)


def _throw_away_what_is_left() -> None:
    try:
        left = lying_on("deleted")
    except APIError as error:
        log_failed_deletion(error)
        return
    # Another page of another process may be offering to take one back at this moment.
    time.sleep(LINGERS)
    throw_away([thread.id for thread in left])


class _Changes:
    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def up(self) -> None:
        with self._lock:
            self.count += 1


@st.cache_resource
def _changes() -> _Changes:
    return _Changes()
