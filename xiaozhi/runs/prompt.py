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
from xiaozhi.runs.steps import is_behind, message_id
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
    messages: Iterable[dict[str, Any]],
    steps: Iterable[RunStep] = (),
    own: Mapping[str, Message] | None = None,
    thoughts: Sequence[Reasoning] = (),
) -> list[dict[str, Any]]:
    """Chat messages: the instructions as system message, then the thread's `messages`.

    Then what the run itself has done: its `steps`, with its `own` messages by id. What a model has
    thought it gets back in these turns alone, and only where its server sent it in a field.
    """
    system = [{"role": "system", "content": run.instructions}] if run.instructions else []
    return [*system, *messages, *turns(steps, own or {}, thoughts)]


def chat_message(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message as the API shows it becomes one that models are sent; None where it says nothing.

    Pictures go with a user's message alone: nobody takes them from an assistant.
    """
    parts: list[dict[str, Any]] = []
    for part in message["content"]:
        match part["type"]:
            case "text":
                parts.append({"type": "text", "text": part["text"]["value"]})
            case "refusal":
                parts.append({"type": "text", "text": part["refusal"]})
            case "image_url":
                parts.append({"type": "image_url", "image_url": part["image_url"]})
            case _:
                continue
    content: str | list[dict[str, Any]] = parts
    if message["role"] != "user" or all(part["type"] == "text" for part in parts):
        content = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return {"role": message["role"], "content": content} if content else None


def turns(
    steps: Iterable[RunStep], own: Mapping[str, Message], thoughts: Sequence[Reasoning]
) -> list[dict[str, Any]]:
    """The chat messages of what a run has called so far, and of what it said and thought before."""
    asked: list[dict[str, Any]] = []
    # What was said in the turn whose calls follow, and where that began
    said, begun = "", 0
    done = list(steps)
    for number, step in enumerate(done):
        calls = calls_of(step)
        if not calls:
            if is_behind(step, number - 1):
                # Sent with its calls
                begun = number + 1
            else:
                said = _words(own.get(message_id(step) or ""))
            continue
        for following in done[number + 1 : number + 2]:
            if is_behind(following, number):
                more = _words(own.get(message_id(following) or ""))
                said = "\n".join(filter(None, (said, more)))
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


def _words(message: Message | None) -> str:
    """Of an answer: models make no pictures."""
    found = chat_message(message.to_dict()) if message else None
    return found["content"] if found else ""
