"""A thread becomes what the model is asked. Pure.

Where the messages do not fit the model's window, the oldest are dropped in blocks of half a window,
not one a turn: the prompt's beginning stays the same for many turns, so the model's prompt cache
stays valid.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi.runs.calls import calls_of
from xiaozhi.runs.steps import message_id
from xiaozhi.store.reasoning_rows import Reasoning


def first_kept(sizes: Sequence[int], window: int) -> int:
    """The index of the oldest message to keep; the last one always stays. Arguments: tokens."""
    surplus = sum(sizes) - window
    if surplus <= 0:
        return 0
    block = max(window // 2, 1)
    to_drop = -(-surplus // block) * block
    index, dropped = 0, 0
    while dropped < to_drop and index < len(sizes) - 1:
        dropped += sizes[index]
        index += 1
    return index


def prompt(
    run: Run,
    messages: Iterable[Message],
    steps: Iterable[RunStep] = (),
    own: Mapping[str, Message] | None = None,
    thoughts: Sequence[Reasoning] = (),
) -> list[dict[str, Any]]:
    """Chat messages: the instructions as system message, then `messages`, oldest first.

    Then what the run itself has done: its `steps`, with its `own` messages by id. What a model has
    thought it gets back in these turns alone, and only where its server sent it in a field.
    """
    asked: list[dict[str, Any]] = []
    if run.instructions:
        asked.append({"role": "system", "content": run.instructions})
    for message in messages:
        content = _content(message)
        if content:
            asked.append({"role": message.role, "content": content})
    return asked + turns(steps, own or {}, thoughts)


def turns(
    steps: Iterable[RunStep], own: Mapping[str, Message], thoughts: Sequence[Reasoning]
) -> list[dict[str, Any]]:
    """The chat messages of what a run has called so far, and of what it said and thought before."""
    asked: list[dict[str, Any]] = []
    # What was said in the turn whose calls follow, and where that began
    said, begun = "", 0
    for number, step in enumerate(steps):
        calls = calls_of(step)
        if not calls:
            message = own.get(message_id(step) or "")
            said = str(_content(message)) if message else ""
            continue
        called = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ]
        thought = _thought(thoughts, begun)
        asked.append({"role": "assistant", "content": said, **thought, "tool_calls": called})
        asked += [
            {"role": "tool", "tool_call_id": call.id, "content": call.function.output or ""}
            for call in calls
        ]
        said, begun = "", number + 1
    return asked


def _thought(thoughts: Sequence[Reasoning], number: int) -> dict[str, str]:
    """DeepSeek refuses calls without what was thought before them, be it nothing (its guide
    "Thinking mode"); others refuse the field. So it goes to whoever has sent it.
    """
    field = next((one.field for one in thoughts if one.field), "")
    texts = {one.number: one.text for one in thoughts}
    return {field: texts.get(number, "")} if field else {}


def _content(message: Message) -> str | list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if part.type == "text":
            parts.append({"type": "text", "text": part.text.value})
        elif part.type == "refusal":
            parts.append({"type": "text", "text": part.refusal})
        elif part.type == "image_url":
            parts.append({"type": "image_url", "image_url": part.image_url.to_dict()})
    if message.role == "user" and any(part["type"] == "image_url" for part in parts):
        return parts
    return "\n".join(part["text"] for part in parts if part["type"] == "text")
