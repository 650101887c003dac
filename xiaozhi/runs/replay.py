"""The events of a run that nobody has in memory any more, made again from what was kept. Pure."""

from collections.abc import Iterator, Sequence

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi.runs.answer import Answer
from xiaozhi.runs.lifecycle import ENDED
from xiaozhi.store import changed, written


def replayed(
    run: Run, steps: Sequence[RunStep], messages: Sequence[Message]
) -> Iterator[tuple[str, str]]:
    """(event, JSON) in the order of contract 9.3; each message's text comes in one delta.

    `steps` and `messages`: the run's own, oldest first.
    """
    begun = changed(run, {"status": "queued", "started_at": None, "last_error": None})
    yield "thread.run.created", written(begun)
    yield "thread.run.queued", written(begun)
    if run.started_at is not None:
        yield "thread.run.in_progress", written(changed(begun, {"status": "in_progress"}))
    texts = {message.id: message for message in messages}
    for step in steps:
        yield from _step(step, texts)
    if run.status in ENDED or run.status in ("requires_action", "cancelling"):
        yield f"thread.run.{run.status}", written(run)


def _step(step: RunStep, messages: dict[str, Message]) -> Iterator[tuple[str, str]]:
    begun = written(changed(step, {"status": "in_progress", "usage": None}))
    yield "thread.run.step.created", begun
    yield "thread.run.step.in_progress", begun
    details = step.step_details
    if details.type == "message_creation":
        message = messages.get(details.message_creation.message_id)
        if message is not None:
            yield from _message(step, message)
    if step.status != "in_progress":
        yield f"thread.run.step.{step.status}", written(step)


def _message(step: RunStep, message: Message) -> Iterator[tuple[str, str]]:
    empty = changed(message, {"status": "in_progress", "content": []})
    for event in ("thread.message.created", "thread.message.in_progress"):
        yield event, written(empty)
    text = "".join(part.text.value for part in message.content if part.type == "text")
    if text:
        yield "thread.message.delta", Answer(step, empty, told=True).add(text)
    if message.status != "in_progress":
        yield f"thread.message.{message.status}", written(message)
