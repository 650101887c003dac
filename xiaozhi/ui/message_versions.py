"""The versions of an answer, and of a question with all that followed it. Draws nothing.

The API gives the model every message of a thread, so a version that is not shown leaves the thread:
it lies in an archive, a thread of its own. Both happen in one request (docs/extensions.md,
"Messages change places"), in which the metadata that say so change too: a version is whole in the
conversation or whole in its archive, with everything that a message has. In a question's metadata

    versions: the archive of its answers · version: the shown one · versions_of: how many there are
    branches: the archive of the question · branch: which one this is · branches_of: how many

and an archived answer has its number as `version`. One archive holds the branches of a question
one behind the other, each from its question to the next one of these.

Up to November 2026 an archived answer was a copy: it has no run, but the run's id as `run`, its
time as `at`, and `model`, `tokens` and `seconds`. One that was shown stayed in the archive as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openai import BadRequestError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import conversation, shelves, waiting
from xiaozhi.ui.client import client
from xiaozhi.ui.shelves import KEPT_FOR
from xiaozhi.ui.transcript import text_of

PAGE = 100  # messages that the API gives at once, at most
NEWEST = 20  # messages among which the last question is looked for
THREAD_HAS_CHANGED = "thread_has_changed"  # the code of a refused exchange


class Answering(Exception):
    """An answer is under way: nothing changes places until it has ended."""


class Changed(Exception):
    """The conversation is not what it was when it was drawn: nothing was done."""


@dataclass
class Answer:
    """`messages`: what one run or more said to `question`, oldest first."""

    question: Message | None
    messages: list[Message] = field(default_factory=list[Message])
    run: Run | None = None

    @property
    def text(self) -> str:
        return "\n\n".join(text for message in self.messages if (text := text_of(message)))

    @property
    def version(self) -> int:
        return _number(self.question, "version")

    @property
    def versions(self) -> int:
        return _number(self.question, "versions_of")


def metadata_of(message: Message | None) -> dict[str, str]:
    return dict(message.metadata or {}) if message else {}


def run_of(message: Message) -> str:
    """The id of the run that said it; "" where there is none."""
    return message.run_id or metadata_of(message).get("run", "")


def took(answer: Answer) -> dict[str, str]:
    """Who answered and what it cost, as far as it is known: `model`, `tokens`, `seconds`."""
    run = answer.run
    if run is None:
        kept = metadata_of(answer.messages[-1]) if answer.messages else {}
        return {key: kept[key] for key in ("model", "tokens", "seconds") if key in kept}
    known = {"model": run.model}
    if run.usage:
        known["tokens"] = str(run.usage.completion_tokens)
    ended = run.completed_at or run.cancelled_at or run.failed_at
    if ended and run.started_at:
        known["seconds"] = str(ended - run.started_at)
    return known


def branch(question: Message) -> int:
    return _number(question, "branch")


def branches(question: Message) -> int:
    return _number(question, "branches_of")


# --- answers


def ask_again(question: Message, model: str | None) -> None:
    """The last question once more; the answer that stands there now goes into the archive.

    Raises Answering, Changed, openai.APIError.
    """
    shown = _as_it_is(question)
    assert shown.question is not None, "it is the one that was given"
    if any(message.content for message in shown.messages):
        archive = _archive(shown.question, "versions")
        count = str(max(shown.versions, shown.version) + 1)
        marks = {"versions": archive, "version": count, "versions_of": count}
        patches = {shown.question.id: marks} | _marked(shown, archive)
        _exchange(shown, archive, message_metadata=patches)
    conversation.answer(question.thread_id, model)


def bring_back(question: Message, version: int) -> bool:
    """That answer takes the place of the one that stands there; False where it is gone.

    Raises Answering, Changed, openai.APIError.
    """
    shown = _as_it_is(question)
    assert shown.question is not None, "it is the one that was given"
    if shown.version == version and shown.messages:
        return True
    archive = metadata_of(shown.question).get("versions")
    wanted = _archived(archive, version) if archive else []
    if not archive or not wanted:
        return False
    # One that came to no word is not archived, and was the newest.
    count = shown.versions if shown.messages else shown.versions - 1
    marks = {"version": str(version), "versions_of": str(count)}
    _exchange(
        shown,
        archive,
        messages=[message.id for message in wanted],
        message_metadata={shown.question.id: marks} | _marked(shown, archive),
    )
    return True


def _as_it_is(question: Message) -> Answer:
    """What answers `question` now: another tab may have brought back or made a version since.

    Raises Changed where it is not the last question.
    """
    threads = client().beta.threads
    said: list[Message] = []
    for message in threads.messages.list(question.thread_id, limit=NEWEST).data:
        if message.id == question.id:
            return Answer(message, said[::-1])
        if message.role == "user":
            break
        said.append(message)
    raise Changed


def _marked(shown: Answer, archive: str) -> dict[str, dict[str, str | None]]:
    """The changes of metadata with which `shown` goes into its archive."""
    marks: dict[str, dict[str, str | None]] = {
        message.id: {"version": str(shown.version)} for message in shown.messages
    }
    if any(not message.run_id for message in shown.messages):
        # It may be a copy, of which the archive still has the original: this one comes back.
        for message in _archived(archive, shown.version):
            marks[message.id] = {"version": None}
    return marks


def _archived(archive: str, version: int) -> list[Message]:
    """That version's messages, oldest first; none where it is gone."""
    return [message for message in _messages(archive) if _number(message, "version", 0) == version]


# --- questions


def edit(question: Message, words: str) -> None:
    """`words` take the place of those of `question`, its pictures stay; nothing answers it yet.

    It is archived with all that followed it. Raises Answering, openai.APIError; NotFoundError where
    the question is not in the conversation (any more).
    """
    shown = _question_as_it_is(question)
    archive = _archive(shown, "branches")
    count = str(branches(shown) + 1)
    marks = {"branches": archive, "branch": count, "branches_of": count}
    changed: dict[str, Any] = {
        "role": "user",
        "content": _content(shown, words),
        "metadata": marks,
    }
    if shown.attachments:
        changed["attachments"] = [attachment.to_dict() for attachment in shown.attachments]
    _exchange(
        shown,
        archive,
        additional_messages=[changed],
        message_metadata={shown.id: {"branches": archive, "branch": str(branch(shown))}},
    )


def turn_to(question: Message, wanted: int) -> bool:
    """That branch takes the place of the one of `question`; False where it is gone.

    Raises as `edit`.
    """
    shown = _question_as_it_is(question)
    archive = metadata_of(shown).get("branches")
    found = _archived_branch(archive, wanted) if archive else []
    if not archive or not found:
        return False
    _exchange(
        shown,
        archive,
        messages=[message.id for message in found],
        # It may be older than the newest of them.
        message_metadata={found[0].id: {"branches_of": str(branches(shown))}},
    )
    return True


def _question_as_it_is(question: Message) -> Message:
    """Another tab may have made branches of it since it was drawn."""
    return client().beta.threads.messages.retrieve(question.id, thread_id=question.thread_id)


def _content(question: Message, words: str) -> list[dict[str, Any]]:
    rest = [part.to_dict() for part in question.content if part.type != "text"]
    return [{"type": "text", "text": words}, *rest] if words else rest


def _archived_branch(archive: str, wanted: int) -> list[Message]:
    """The messages of that branch, oldest first; none where it is gone."""
    found: list[Message] = []
    is_wanted = False
    for message in _messages(archive):
        if metadata_of(message).get("branches") == archive:
            is_wanted = branch(message) == wanted
        if is_wanted:
            found.append(message)
    return found


# --- both


def _number(message: Message | None, key: str, otherwise: int = 1) -> int:
    """What another client has written there may be anything."""
    value = metadata_of(message).get(key, "")
    return int(value) if value.isdecimal() else otherwise


def _messages(archive: str) -> Iterable[Message]:
    return client().beta.threads.messages.list(archive, limit=PAGE, order="asc")


def _archive(question: Message, key: str) -> str:
    """The id of the thread that `question` names under `key`, or of a new one."""
    known = metadata_of(question).get(key)
    return known or client().beta.threads.create(metadata={KEPT_FOR: question.thread_id}).id


def _exchange(
    shown: Answer | Message,
    archive: str,
    *,
    message_metadata: Mapping[str, Mapping[str, str | None]],
    **coming: object,
) -> None:
    """`shown` and all behind it go into the archive; of an answer only if nothing is behind it."""
    if isinstance(shown, Message):
        thread_id, leaving = shown.thread_id, {"since": shown.id}
    else:
        assert shown.question is not None, "only what answers a question is exchanged"
        thread_id = shown.question.thread_id
        said = shown.messages
        leaving = {"until": (said[-1] if said else shown.question).id}
        if said:
            leaving["since"] = said[0].id
    body = {"other_thread_id": archive, "message_metadata": message_metadata, **leaving, **coming}
    try:
        client().post(
            f"/threads/{thread_id}/exchange",
            cast_to=Thread,
            body=body,
        )
    except NotFoundError as error:
        if isinstance(shown, Message):
            raise
        raise Changed from error
    except BadRequestError as error:
        if error.code == THREAD_HAS_CHANGED:
            raise Changed from error
        if waiting.holder(thread_id) is None:
            raise
        raise Answering from error
    shelves.changed()
