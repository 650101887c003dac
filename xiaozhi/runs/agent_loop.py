"""Ask the model and write down what it says, until the run is over."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from openai.types import CompletionUsage
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run import Usage

from xiaozhi import tokens
from xiaozhi.chat_models import ChatModel, ChatRequest
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.prompt import first_kept, prompt
from xiaozhi.runs.recorder import Recorder
from xiaozhi.store import Connection, Store, message_rows

# What an answer may need of a window that prompt and answer share: a quarter, at most this
ANSWER = 2_048  # tokens


async def run_agent(recorder: Recorder, store: Store, model: ChatModel, name: str) -> Outcome:
    """Do the segment. `name`: under which the model is asked. Raises ModelFailed, TakenOver."""
    request = await _request(recorder, store, model, name)
    recorder.began()
    finish_reason: str | None = None
    usage: CompletionUsage | None = None
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            if piece.text:
                await recorder.text(piece.text)
            finish_reason = piece.finish_reason or finish_reason
            usage = piece.usage or usage
    if finish_reason == "length":
        details = {"incomplete_details": {"reason": "max_completion_tokens"}}
        return Outcome("incomplete", _usage(usage), details)
    return Outcome("completed", _usage(usage))


async def _request(recorder: Recorder, store: Store, model: ChatModel, name: str) -> ChatRequest:
    run = recorder.run
    window = model.window(name)
    if window is not None:
        window -= min(ANSWER, window // 4)
    newest = run.truncation_strategy.last_messages if run.truncation_strategy else None
    if recorder.messages is not None:
        found = [_message(body) for body in recorder.messages][-newest if newest else 0 :]
        sizes = [tokens.of_message(message) for message in found]
        return _asked(run, name, found[_first(sizes, window) :])

    def work(connection: Connection) -> list[str]:
        if window is None and newest is None:
            return message_rows.bodies(connection, run.thread_id, 0, without_run=run.id)
        places = message_rows.places(connection, run.thread_id, without_run=run.id, newest=newest)
        if not places:
            return []
        since = places[_first([place.tokens for place in places], window)].seq
        return message_rows.bodies(connection, run.thread_id, since, without_run=run.id)

    return _asked(run, name, [_message(body) for body in await store.read(work)])


def _first(sizes: Sequence[int], window: int | None) -> int:
    return 0 if window is None else first_kept(sizes, window)


def _message(body: str) -> Message:
    return Message.model_validate_json(body)


def _asked(run: Run, name: str, found: Sequence[Message]) -> ChatRequest:
    return ChatRequest(name, prompt(run, found), _options(run))


def _options(run: Run) -> dict[str, Any]:
    options: dict[str, Any] = {
        "temperature": run.temperature,
        "top_p": run.top_p,
        "reasoning_effort": getattr(run, "reasoning_effort", None),
        "max_tokens": run.max_completion_tokens,
    }
    response_format = run.response_format
    if response_format is not None and not isinstance(response_format, str):
        options["response_format"] = response_format.to_dict()
    return {name: value for name, value in options.items() if value is not None}


def _usage(found: CompletionUsage | None) -> Usage | None:
    if found is None:
        return None
    return Usage(
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
        total_tokens=found.total_tokens,
    )
