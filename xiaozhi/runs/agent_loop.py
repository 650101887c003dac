"""Ask the model and write down what it says and calls, until the turn is over."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from openai.types.beta.threads import Run
from openai.types.beta.threads.run import Usage

from xiaozhi import chat_models, tokens
from xiaozhi.assistants import DEFAULTS, chosen_defaults
from xiaozhi.chat_models import ChatModel, ChatRequest, Piece, TokenCount
from xiaozhi.offload import A_VALUE, LARGE, is_large, offload
from xiaozhi.runs import watched
from xiaozhi.runs.budget import Budget, budget
from xiaozhi.runs.calls import calls_of
from xiaozhi.runs.outcome import ActionRequired, Outcome, incomplete
from xiaozhi.runs.patience import until_available
from xiaozhi.runs.prompt import prompt
from xiaozhi.runs.recorder import Recorder
from xiaozhi.runs.thread_messages import thread_messages
from xiaozhi.store import Store

Pause = Callable[[int], Awaitable[None]]


async def run_agent(
    recorder: Recorder, store: Store, model: ChatModel, name: str, pause: Pause
) -> Outcome | ActionRequired:
    """Do the segment. `name`: under which the model is asked. Raises ModelFailed, TakenOver.

    `pause`: waits before the answer is read on; it is given the number of tokens so far.
    """
    large, run = _is_large(recorder), recorder.run
    done = recorder.steps, recorder.own, recorder.thoughts
    allowed = await offload(large, budget, run, model.window(name), *done)
    what = f"run {run.id}: its thread cannot be read"
    known = recorder.messages
    found = await until_available(what, lambda: thread_messages(store, run, allowed, known))
    recorder.began()
    if found is None:
        return incomplete("max_prompt_tokens")
    recorder.newest_message_at = found.newest_at
    if allowed.completion is not None and allowed.completion <= 0:
        return incomplete("max_completion_tokens")
    messages = await offload(large, prompt, run, found.chat, *done)
    request = ChatRequest(name, messages, _options(recorder, allowed))
    with chat_models.asking(request.model) as span:
        end = await _ask(recorder, model, request, allowed.completion, pause)
        usage = await _usage(request, end)
        chat_models.answered(span, end.finish_reason, usage)
    return _outcome(recorder, end, usage)


async def _ask(
    recorder: Recorder,
    model: ChatModel,
    request: ChatRequest,
    at_most: int | None,
    pause: Pause,
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
            if piece.thought_until:
                recorder.had_thought(piece.thought_until)
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
            # What comes together cannot be cut.
            if at_most is None:
                await pause(end.count)
    return end


def _outcome(recorder: Recorder, end: Piece, usage: Usage) -> Outcome | ActionRequired:
    if end.finish_reason == "length":
        return incomplete("max_completion_tokens", usage)
    if end.finish_reason == "content_filter":
        no_reason: dict[str, Any] = {"incomplete_details": {}}
        return Outcome("incomplete", usage, no_reason, message_reason="content_filter")
    return ActionRequired(usage) if recorder.has_calls else Outcome("completed", usage)


def _is_large(recorder: Recorder) -> bool:
    """Whether what the run has done so far is: then its prompt is not made on the event loop."""
    left = LARGE - len(recorder.run.instructions)
    left -= sum(len(thought.text) for thought in recorder.thoughts)
    for step in recorder.steps:
        for call in calls_of(step):
            function = call.function
            left -= A_VALUE + len(function.arguments) + len(function.output or "")
            if left < 0:
                return True
    return left < 0


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


async def _usage(request: ChatRequest, end: Piece) -> Usage:
    """What the endpoint says; where it says nothing, about what it must have been."""
    found = end.usage or TokenCount(None, None, None)
    read, wrote = found.prompt, found.completion
    if read is None:
        read = await offload(is_large(request.messages), _size, request.messages)
    if wrote is None:
        wrote = end.count
    # Some count thoughts in the sum alone. Less than the two is no sum.
    total = max(found.total or 0, read + wrote)
    return Usage(prompt_tokens=read, completion_tokens=wrote, total_tokens=total)


def _size(messages: Sequence[Mapping[str, Any]]) -> int:
    """Tokens."""
    return sum(
        tokens.AROUND_A_MESSAGE + tokens.of_content(message["content"]) for message in messages
    )
