"""The earlier versions of a question, each with all that followed it: a branch. Draws nothing.

What is not shown is not in the conversation, as with answers (versions.py): it lies in a thread of
its own, which the question names in its metadata, as

    branches: that thread's id · branch: which one this is · branches_of: how many there are

There one branch lies behind the other, each from its question to the next one of these. A branch
takes the place of another in one request: it is whole in one thread or whole in the other.
"""

from typing import Any

from openai import BadRequestError
from openai.types.beta import Thread
from openai.types.beta.threads import Message

from xiaozhi.ui import shelves, waiting
from xiaozhi.ui.client import client
from xiaozhi.ui.shelves import KEPT_FOR
from xiaozhi.ui.versions import metadata_of, note

PAGE = 100  # messages that the API gives at once, at most


class Answering(Exception):
    """An answer is under way: nothing changes places until it has ended."""


def branch(question: Message) -> int:
    return int(metadata_of(question).get("branch", 1))


def branches(question: Message) -> int:
    return int(metadata_of(question).get("branches_of", 1))


def edit(question: Message, words: str) -> None:
    """`words` take the place of those of `question`, its pictures stay; nothing answers it yet.

    It is kept, with all that followed it. Raises Answering, openai.APIError; NotFoundError where
    the question is not in the conversation (any more).
    """
    shown = _as_it_is(question)
    if "branches" not in metadata_of(shown):
        beside = client().beta.threads.create(metadata={KEPT_FOR: shown.thread_id})
        note(shown, branches=beside.id, branch="1", branches_of="1")
    count = str(branches(shown) + 1)
    marks = {"branches": _beside(shown), "branch": count, "branches_of": count}
    changed = {"role": "user", "content": _content(shown, words), "metadata": marks}
    _exchange(shown, additional_messages=[changed])


def bring_back(question: Message, branch: int) -> bool:
    """That branch takes the place of the one of `question`; False where it is gone.

    Raises as `edit`.
    """
    shown = _as_it_is(question)
    wanted = _kept(shown, branch)
    if not wanted:
        return False
    # It may be older than the newest of them.
    note(wanted[0], branches_of=str(branches(shown)))
    _exchange(shown, messages=[message.id for message in wanted])
    return True


def _as_it_is(question: Message) -> Message:
    """Another tab may have made branches of it since it was drawn."""
    return client().beta.threads.messages.retrieve(question.id, thread_id=question.thread_id)


def _beside(question: Message) -> str:
    return metadata_of(question)["branches"]


def _content(question: Message, words: str) -> list[dict[str, Any]]:
    rest = [part.to_dict() for part in question.content if part.type != "text"]
    return [{"type": "text", "text": words}, *rest] if words else rest


def _kept(shown: Message, wanted: int) -> list[Message]:
    """The messages of that branch, oldest first; none where it is gone."""
    beside = _beside(shown)
    found: list[Message] = []
    is_wanted = False
    for message in client().beta.threads.messages.list(beside, limit=PAGE, order="asc"):
        if metadata_of(message).get("branches") == beside:
            is_wanted = branch(message) == wanted
        if is_wanted:
            found.append(message)
    return found


def _exchange(shown: Message, **coming: object) -> None:
    try:
        client().post(
            f"/threads/{shown.thread_id}/exchange",
            cast_to=Thread,
            body={"other_thread_id": _beside(shown), "since": shown.id, **coming},
            options={"headers": {"OpenAI-Beta": "assistants=v2"}},
        )
    except BadRequestError as error:
        if waiting.holder(shown.thread_id) is None:
            raise
        raise Answering from error
    shelves.changed()
