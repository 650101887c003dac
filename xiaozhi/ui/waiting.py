"""Questions that were asked while an answer grew. Draws nothing.

The server keeps each beside the thread and adds it to it in the moment in which the run ends
(docs/extensions.md, "Messages that wait"): it is there after a reload, in another tab, and after
a restart. What says so is metadata, of the thread and of the message:

    waiting: the ids of the messages · waits: the run that it waited for, and none since answered
"""

import threading

import streamlit as st
from openai import APIError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import shelves
from xiaozhi.ui.client import client, or_default
from xiaozhi.ui.follow import Followed
from xiaozhi.ui.question import Question

# While a run is one of these the thread takes no other.
ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
MOST = 10  # questions that wait at a time; their ids must fit into the metadata
_IDS = "waiting"
_FOR = "waits"


class Full(Exception):
    """As many questions wait as can."""


def add(thread_id: str, run: Run, question: Question) -> Message:
    """`question` will be asked when `run` has ended. Raises Full, openai.APIError."""
    threads = client().beta.threads
    thread = threads.retrieve(thread_id)
    ids = _ids(thread)
    if len(ids) >= MOST:
        raise Full
    message = threads.messages.create(
        thread_id,
        role="user",
        content=question.parts(),
        metadata={_FOR: run.id},
        extra_headers={"Xiaozhi-When-Locked": "wait"},
    )
    _note(thread.id, [*ids, message.id])
    return message


def still(thread: Thread, there: list[Message]) -> list[Message]:
    """Those that wait, oldest first. `there`: the thread's own. Raises openai.APIError."""
    known = {message.id for message in there}
    found: list[Message] = []
    for id in _ids(thread):
        if id in known:
            continue
        try:
            found.append(client().beta.threads.messages.retrieve(id, thread_id=thread.id))
        except NotFoundError:
            # Taken back, in another tab
            continue
    return found


def take_back(message: Message) -> None:
    """As if it had never been asked. Raises openai.APIError; NotFoundError where it is too late."""
    threads = client().beta.threads
    thread = threads.retrieve(message.thread_id)
    threads.messages.delete(message.id, thread_id=message.thread_id)
    _note(thread.id, [id for id in _ids(thread) if id != message.id])


def answer_when_ended(followed: Followed, assistant: str, model: str | None) -> None:
    """Begins to wait for that; returns at once. The page may be closed meanwhile."""

    def wait() -> None:
        while not followed.ended:
            followed.wait(len(followed.text), timeout=60)
        try:
            answer_next(followed.run.thread_id, assistant, model)
        except APIError:
            # The next look at the conversation tries it again.
            return

    threading.Thread(target=wait, name=f"waiting {followed.run.id}", daemon=True).start()


def answer_next(thread_id: str, assistant: str, model: str | None) -> Run | None:
    """The thread's last run, which now answers what has waited.

    `assistant`: the id of the one that answers. Raises openai.APIError.
    """
    threads = client().beta.threads
    with _one_at_a_time():
        runs = threads.runs.list(thread_id, limit=1).data
        newest = threads.messages.list(thread_id, limit=MOST + 1).data
        if not is_due(newest[0] if newest else None, runs[0] if runs else None):
            return runs[0] if runs else None
        run = threads.runs.create(thread_id, assistant_id=assistant, model=or_default(model))
    thread = threads.retrieve(thread_id)
    there = {message.id for message in newest}
    _note(thread.id, [id for id in _ids(thread) if id not in there])
    return run


def is_due(newest: Message | None, last_run: Run | None) -> bool:
    """Whether the `newest` message of a thread has waited for `last_run`, which has ended."""
    if newest is None or newest.role != "user" or last_run is None or last_run.status in ACTIVE:
        return False
    return (newest.metadata or {}).get(_FOR) == last_run.id


def _ids(thread: Thread) -> list[str]:
    return (thread.metadata or {}).get(_IDS, "").split()


def _note(thread_id: str, ids: list[str]) -> None:
    shelves.mark(thread_id, waiting=" ".join(ids) or None)


@st.cache_resource
def _one_at_a_time() -> threading.Lock:
    return threading.Lock()
