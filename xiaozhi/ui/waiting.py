"""Questions that were asked while an answer grew. Draws nothing.

The server keeps each beside the thread and adds it to it in the moment in which the run ends
(docs/extensions.md, "Messages that wait"): it is there after a reload, in another tab, and after
a restart. What says so is metadata, of the thread and of the message:

    waiting: the ids of the messages · waits: the run that it waited for, and none since answered
"""

import threading
from collections.abc import Callable

import streamlit as st
from openai import APIError, BadRequestError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run
from openai.types.shared_params import Metadata

from xiaozhi.ui import shelves
from xiaozhi.ui.client import client, or_default, reader
from xiaozhi.ui.follow import ACTIVE, Followed
from xiaozhi.ui.metadata_changes import has_changed
from xiaozhi.ui.question import Question

TRIES = 10  # to change the list of them, which others change at the same moment
MOST = 10  # questions that wait at a time; their ids must fit into the metadata
_IDS = "waiting"
_FOR = "waits"


class Full(Exception):
    """As many questions wait as can."""


def holder(thread_id: str) -> Run | None:
    """The run that has to end first, if there is one. Raises openai.APIError."""
    runs = client().beta.threads.runs.list(thread_id, limit=1).data
    return runs[0] if runs and runs[0].status in ACTIVE else None


def add(run: Run, question: Question) -> Message:
    """`question` will be asked in the thread of `run` when that has ended.

    Raises Full, openai.APIError.
    """
    threads = client().beta.threads
    if len(_ids(threads.retrieve(run.thread_id).metadata)) >= MOST:
        raise Full
    message = threads.messages.create(
        run.thread_id,
        role="user",
        content=question.parts(),
        metadata={_FOR: run.id},
        extra_headers={"Xiaozhi-When-Locked": "wait"},
    )
    _note(run.thread_id, lambda ids: [id for id in ids if id != message.id] + [message.id])
    return message


def still(thread: Thread, there: list[Message]) -> list[Message]:
    """Those that wait, oldest first. `there`: the thread's own. Raises openai.APIError."""
    known = {message.id for message in there}
    found: list[Message] = []
    for id in _ids(thread.metadata):
        if id in known:
            continue
        try:
            found.append(reader().beta.threads.messages.retrieve(id, thread_id=thread.id))
        except NotFoundError:
            # Taken back, in another tab
            continue
    return found


def take_back(message: Message) -> None:
    """As if it had never been asked. Raises openai.APIError; NotFoundError where it is too late."""
    client().beta.threads.messages.delete(message.id, thread_id=message.thread_id)
    _note(message.thread_id, lambda ids: [id for id in ids if id != message.id])


def answer_when_ended(followed: Followed, assistant: str, model: str | None) -> None:
    """Begins to wait for that; returns at once. The page may be closed meanwhile."""

    def wait() -> None:
        followed.join()
        try:
            answer_next(followed.run.thread_id, assistant, model)
        except APIError:
            # The next look at the conversation tries it again.
            return

    threading.Thread(target=wait, name=f"waiting {followed.run.id}", daemon=True).start()


def answer_next(thread_id: str, assistant: str, model: str | None) -> None:
    """Begin to answer what has waited, unless somebody else has.

    `assistant`: the id of the one that answers. Raises openai.APIError.
    """
    threads = client().beta.threads
    with _one_at_a_time():
        runs = threads.runs.list(thread_id, limit=1).data
        newest = threads.messages.list(thread_id, limit=MOST + 1).data
        if not is_due(newest[0] if newest else None, runs[0] if runs else None):
            return
        threads.runs.create(thread_id, assistant_id=assistant, model=or_default(model))
    there = {message.id for message in newest}
    _note(thread_id, lambda ids: [id for id in ids if id not in there])


def is_due(newest: Message | None, last_run: Run | None) -> bool:
    """Whether the `newest` message of a thread has waited for `last_run`, which has ended."""
    if newest is None or newest.role != "user" or last_run is None or last_run.status in ACTIVE:
        return False
    return (newest.metadata or {}).get(_FOR) == last_run.id


def _ids(metadata: Metadata | None) -> list[str]:
    return (metadata or {}).get(_IDS, "").split()


def _note(thread_id: str, change: Callable[[list[str]], list[str]]) -> None:
    """Raises openai.APIError, also where others are faster each time."""
    for attempt in range(1, TRIES + 1):
        before = (client().beta.threads.retrieve(thread_id).metadata or {}).get(_IDS, "")
        after = " ".join(change(before.split()))
        if after == before:
            return
        try:
            shelves.change(thread_id, {_IDS: after or None}, only_if={_IDS: before})
        except BadRequestError as error:
            # By another tab, or another process
            if attempt == TRIES or not has_changed(error):
                raise
        else:
            return


@st.cache_resource
def _one_at_a_time() -> threading.Lock:
    return threading.Lock()
