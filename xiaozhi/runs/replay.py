"""The events of a run that nobody has in memory any more, made again from what was kept. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import FunctionToolCall, RunStep

from xiaozhi.runs import thoughts as thinking
from xiaozhi.runs.answer import Answer
from xiaozhi.runs.calls import calls_of
from xiaozhi.runs.lifecycle import ENDED, NEW
from xiaozhi.runs.steps import message_id
from xiaozhi.store import changed, written
from xiaozhi.store.reasoning_rows import Reasoning

# What a step was when it began
_BEGUN = {"status": "in_progress", "usage": None, "last_error": None} | dict.fromkeys(
    ("completed_at", "cancelled_at", "failed_at", "expired_at")
)


def replayed(
    run: Run,
    steps: Sequence[RunStep],
    messages: Sequence[Message],
    thoughts: Sequence[Reasoning] = (),
) -> Iterator[tuple[str, str]]:
    """(event, JSON) in the order of contract 9.3; each message's text comes in one delta.

    `steps`, `messages` and `thoughts`: the run's own, oldest first.
    """
    begun = changed(run, NEW)
    yield "thread.run.created", written(begun)
    yield "thread.run.queued", written(begun)
    if run.started_at is not None:
        yield "thread.run.in_progress", written(changed(begun, {"status": "in_progress"}))
    texts = {message.id: message for message in messages}
    for number, step in enumerate(steps):
        yield from thinking.replayed(thoughts, range(number, number + 1))
        yield from step_events(step, texts)
    # It ended before it led to something.
    yield from thinking.replayed(thoughts, range(len(steps), len(steps) + 1))
    if run.status in ENDED or run.status in ("requires_action", "cancelling"):
        yield f"thread.run.{run.status}", written(run)


def step_events(step: RunStep, messages: Mapping[str, Message]) -> Iterator[tuple[str, str]]:
    """(event, JSON) of one step and what it made. `messages`: the run's own, by id."""
    begun = changed(step, {**_BEGUN, "step_details": _empty(step)})
    yield "thread.run.step.created", written(begun)
    yield "thread.run.step.in_progress", written(begun)
    message = messages.get(message_id(step) or "")
    if message is not None:
        yield from _message(step, message)
    if calls := calls_of(step):
        yield "thread.run.step.delta", _delta(step, calls)
    if step.status != "in_progress":
        yield f"thread.run.step.{step.status}", written(step)


def _empty(step: RunStep) -> dict[str, Any]:
    if step.type == "tool_calls":
        return {"type": "tool_calls", "tool_calls": []}
    return step.step_details.to_dict()


def _delta(step: RunStep, calls: Sequence[FunctionToolCall]) -> str:
    told = [{"index": index, **call.to_dict()} for index, call in enumerate(calls)]
    delta = {"step_details": {"type": "tool_calls", "tool_calls": told}}
    return json.dumps(
        {"id": step.id, "object": "thread.run.step.delta", "delta": delta}, ensure_ascii=False
    )


def _message(step: RunStep, message: Message) -> Iterator[tuple[str, str]]:
    empty = changed(message, {"status": "in_progress", "content": []})
    for event in ("thread.message.created", "thread.message.in_progress"):
        yield event, written(empty)
    telling = Answer(step, empty)
    for part in message.content:
        if part.type == "text" and part.text.value:
            yield "thread.message.delta", telling.whole(part.text.value, "text")
        elif part.type == "refusal":
            yield "thread.message.delta", telling.whole(part.refusal, "refusal")
    if message.status != "in_progress":
        yield f"thread.message.{message.status}", written(message)
