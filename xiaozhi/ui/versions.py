"""The earlier answers to a question: kept beside the conversation, and brought back. Draws nothing.

The API gives the model every message of a thread. So an answer that is not shown leaves the thread:
it is copied into a thread of its own, which the question names in its metadata, as

    versions: that thread's id · version: which one is shown · versions_of: how many there are

and a copy has `version`, `at`, its run's id as `run`, and what that told (`model`, `tokens`,
`seconds`).
Each step leaves everything either in the conversation or in the copies.
"""

from dataclasses import dataclass, field

from openai.types.beta.threads import Message, Run

from xiaozhi.ui import conversation
from xiaozhi.ui.client import client
from xiaozhi.ui.shelves import KEPT_FOR
from xiaozhi.ui.transcript import text_of


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
        return int(metadata_of(self.question).get("version", 1))

    @property
    def versions(self) -> int:
        return int(metadata_of(self.question).get("versions_of", 1))


def metadata_of(message: Message | None) -> dict[str, str]:
    return dict(message.metadata or {}) if message else {}


def run_of(message: Message) -> str:
    """The id of the run that said it, also where it was brought back; "" where there is none."""
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


def ask_again(answer: Answer, model: str | None) -> None:
    """The question of the last `answer` once more; the answer is kept.

    Raises openai.APIError.
    """
    assert answer.question is not None, "there is something to answer"
    _keep(answer)
    if answer.text:
        count = answer.versions + 1
        note(answer.question, version=str(count), versions_of=str(count))
    _take_away(answer)
    conversation.answer(answer.question.thread_id, model)


def bring_back(answer: Answer, version: int) -> bool:
    """`version` takes the place of the last `answer`, which is kept; False where it is gone.

    Raises openai.APIError.
    """
    question = answer.question
    assert question is not None, "it has versions"
    wanted = _copy(question, version)
    if wanted is None:
        return False
    _keep(answer)
    # One that has no words is not kept, and was the newest.
    count = answer.versions if answer.text else answer.versions - 1
    note(question, version=str(version), versions_of=str(count))
    _take_away(answer)
    client().beta.threads.messages.create(
        question.thread_id,
        role="assistant",
        content=text_of(wanted),
        metadata=metadata_of(wanted),
    )
    return True


def _keep(answer: Answer) -> None:
    """A copy of `answer`, unless it has no words; where it is one itself, with its thumb."""
    question = answer.question
    assert question is not None, "only an answer is kept"
    if not answer.text:
        return
    threads = client().beta.threads
    last = answer.messages[-1]
    metadata = metadata_of(last)
    if "version" in metadata:
        copy = _copy(question, answer.version)
        if copy is not None and metadata != metadata_of(copy):
            threads.messages.update(copy.id, thread_id=copy.thread_id, metadata=metadata)
        return
    if "versions" not in metadata_of(question):
        beside = threads.create(metadata={KEPT_FOR: question.thread_id})
        note(question, versions=beside.id)
    threads.messages.create(
        metadata_of(question)["versions"],
        role="assistant",
        content=answer.text,
        metadata={
            **metadata,
            **took(answer),
            "version": str(answer.version),
            "at": str(last.created_at),
            "run": run_of(last),
        },
    )


def _copy(question: Message, version: int) -> Message | None:
    copies = client().beta.threads.messages.list(metadata_of(question)["versions"], limit=100)
    same = (copy for copy in copies if metadata_of(copy).get("version") == str(version))
    return next(same, None)


def note(question: Message, **pairs: str) -> None:
    """In its metadata, beside what is there. Raises openai.APIError."""
    metadata = {**metadata_of(question), **pairs}
    client().beta.threads.messages.update(
        question.id, thread_id=question.thread_id, metadata=metadata
    )
    question.metadata = metadata


def _take_away(answer: Answer) -> None:
    for message in answer.messages:
        client().beta.threads.messages.delete(message.id, thread_id=message.thread_id)
