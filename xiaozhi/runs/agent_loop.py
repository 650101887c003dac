"""Ask the model and write down what it says and calls, until the turn is over."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run import Usage

from xiaozhi import chat_models, tokens
from xiaozhi.assistants import DEFAULTS, chosen_defaults
from xiaozhi.chat_models import ChatModel, ChatRequest, Piece, TokenCount
from xiaozhi.runs import watched
from xiaozhi.runs.budget import Budget, budget
from xiaozhi.runs.outcome import ActionRequired, Outcome, incomplete
from xiaozhi.runs.prompt import prompt
from xiaozhi.runs.recorder import Recorder
from xiaozhi.store import Connection, Store, message_rows


async def run_agent(
    recorder: Recorder, store: Store, model: ChatModel, name: str
) -> Outcome | ActionRequired:
    """Do the segment. `name`: under which the model is asked. Raises ModelFailed, TakenOver."""
    window = model.window(name)
    allowed = budget(recorder.run, recorder.steps, window, recorder.own, recorder.thoughts)
    found = await _messages(recorder, store, allowed)
    recorder.began()
    if found is None:
        return incomplete("max_prompt_tokens")
    if allowed.completion is not None and allowed.completion <= 0:
        return incomplete("max_completion_tokens")
    messages = prompt(recorder.run, found, recorder.steps, recorder.own, recorder.thoughts)
    request = ChatRequest(name, messages, _options(recorder, allowed))
    with chat_models.asking(request.model) as span:
        end = await _ask(recorder, model, request, allowed.completion)
        usage = _usage(request, end)
        chat_models.answered(span, end.finish_reason, usage)
    return _outcome(recorder, end, usage)


async def _ask(
    recorder: Recorder, model: ChatModel, request: ChatRequest, at_most: int | None
) -> Piece:
    """Tell everything as it comes; returns how it ended. `at_most`: tokens.

    Some endpoints pass a limit over. A chunk has at least a token: with more chunks than tokens are
    allowed the answer is cut here.
    """
    end = Piece()
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            if piece.count and not end.count:
                watched.first_piece(recorder.accepted)
            end.count += piece.count
            if piece.reasoning:
                recorder.thought(piece.reasoning, piece.reasoning_field)
            if piece.text:
                await recorder.said(piece.text)
            if piece.refusal:
                await recorder.said(piece.refusal, "refusal")
            if piece.calls:
                await recorder.called(piece.calls)
            end.finish_reason = piece.finish_reason or end.finish_reason
            end.usage = piece.usage or end.usage
            if at_most is not None and end.count > at_most and not end.finish_reason:
                end.finish_reason = "length"
                break
    return end


def _outcome(recorder: Recorder, end: Piece, usage: Usage) -> Outcome | ActionRequired:
    if end.finish_reason == "length":
        return incomplete("max_completion_tokens", usage)
    if end.finish_reason == "content_filter":
        no_reason: dict[str, Any] = {"incomplete_details": {}}
        return Outcome("incomplete", usage, no_reason, message_reason="content_filter")
    return ActionRequired(usage) if recorder.has_calls else Outcome("completed", usage)


async def _messages(recorder: Recorder, store: Store, allowed: Budget) -> list[Message] | None:
    """Those of the thread that the model is to see, oldest first; None where not one has room."""
    run = recorder.run
    newest = run.truncation_strategy.last_messages if run.truncation_strategy else None

    def work(connection: Connection) -> Sequence[str] | None:
        if allowed.messages is None and newest is None:
            return message_rows.bodies(connection, run.thread_id, 0, without_run=run.id)
        places = message_rows.places(connection, run.thread_id, without_run=run.id, newest=newest)
        first = allowed.first([place.tokens for place in places])
        if first is None or not places:
            return None if first is None else []
        since = places[first].seq
        return message_rows.bodies(connection, run.thread_id, since, without_run=run.id)

    bodies = await store.read(work)
    return None if bodies is None else _read(bodies)


def _read(bodies: Sequence[str]) -> list[Message]:
    return [Message.model_validate_json(body) for body in bodies]


def _options(recorder: Recorder, allowed: Budget) -> dict[str, Any]:
    run = recorder.run
    options: dict[str, Any] = {
        **_sampling(run),
        "reasoning_effort": getattr(run, "reasoning_effort", None),
        "max_tokens": allowed.completion,
        **(_functions(run, is_first=not recorder.steps) if run.tools else {}),
    }
    response_format = run.response_format
    if response_format and not isinstance(response_format, str) and response_format.type != "text":
        options["response_format"] = response_format.to_dict()
    return {name: value for name, value in options.items() if value is not None}


def _sampling(run: Run) -> dict[str, Any]:
    """What somebody has chosen: many models refuse the API's defaults, or have others."""
    chosen = chosen_defaults(run)
    found = {"temperature": run.temperature, "top_p": run.top_p}
    return {
        name: value for name, value in found.items() if value != DEFAULTS[name] or name in chosen
    }


def _functions(run: Run, *, is_first: bool) -> dict[str, Any]:
    choice = run.tool_choice
    if not (choice is None or isinstance(choice, str)):
        choice = choice.to_dict()
    if not is_first and choice != "none":
        # A function that is forced again in each turn is called for ever (contract 7.9).
        choice = "auto"
    return {
        "tools": [_tool(tool.to_dict()) for tool in run.tools],
        "tool_choice": choice,
        # Only where it says something: Gemini does not know the word.
        "parallel_tool_calls": None if run.parallel_tool_calls else False,
    }


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """`strict` only where it says something: some endpoints do not know the word."""
    function = dict(tool["function"])
    if not function.get("strict"):
        function.pop("strict", None)
    return {"type": "function", "function": function}


def _usage(request: ChatRequest, end: Piece) -> Usage:
    """What the endpoint says; where it says nothing, about what it must have been."""
    found = end.usage or TokenCount(None, None, None)
    read, wrote = found.prompt, found.completion
    if read is None:
        read = sum(
            tokens.AROUND_A_MESSAGE + tokens.of_content(message["content"])
            for message in request.messages
        )
    if wrote is None:
        wrote = end.count
    # Some count thoughts in the sum alone. Less than the two is no sum.
    total = max(found.total or 0, read + wrote)
    return Usage(prompt_tokens=read, completion_tokens=wrote, total_tokens=total)
