"""What an endpoint refuses of a request by name, and the request without it. Pure but for memory.

A refusal (400 or 422) that names something that was sent is answered once more without it. Where
that works it is remembered for this endpoint and model, so that the next run is not refused first.

    OpenAI    "Unsupported parameter: 'max_tokens' …", "Unsupported value: 'temperature' …"
    Gemini    "Unknown name \\"parallel_tool_calls\\": Cannot find field."
    Mistral   {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], …}]}
    Claude    "`temperature` and `top_p` cannot both be specified for this model."
    Kimi      "invalid temperature: only 1 is allowed for this model"
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

MOST = 1_000  # things that are remembered, of all models of an endpoint


@dataclass(frozen=True, slots=True)
class Change:
    """A way to ask without something. `name`: as the log tells it.

    `applies`: whether the request has it. `refused`: whether an endpoint's words name it.
    `value`: where others of the same field may be taken, the one that was refused.
    """

    name: str
    applies: Callable[[Body], bool]
    refused: Callable[[str], bool]
    without: Callable[[Body], Body]
    value: Callable[[Body], Any] = lambda _body: None

    def key(self, model: str, body: Body) -> tuple[str, str, str]:
        return model, self.name, json.dumps(self.value(body))


class RefusedFields:
    """Of one endpoint."""

    def __init__(self) -> None:
        self._remembered: dict[tuple[str, str, str], None] = {}

    def without_known(self, body: Body) -> Body:
        """`body` without what its model has refused before."""
        if not self._remembered:
            return body
        for change in CHANGES:
            if change.applies(body) and change.key(body["model"], body) in self._remembered:
                body = change.without(body)
        return body

    def remember(self, changes: Sequence[tuple[Change, Body]]) -> None:
        """`changes`: each with the body that it was made to."""
        for change, body in changes:
            self._remembered[change.key(body["model"], body)] = None
        while len(self._remembered) > MOST:
            del self._remembered[next(iter(self._remembered))]


def change_for(body: Body, words: str) -> Change | None:
    """The first that applies to `body` and is named by `words`, an endpoint's refusal."""
    return next(
        (change for change in CHANGES if change.applies(body) and change.refused(words)), None
    )


def _field(
    name: str,
    *,
    words: str = "",
    by_value: bool = False,
    without: Callable[[Body], Body] | None = None,
) -> Change:
    """`words`: a pattern by which a refusal means it, beside its name."""
    pattern = re.compile(rf"\b{name}\b" + (f"|{words}" if words else ""), re.IGNORECASE)
    return Change(
        name,
        applies=lambda body: name in body,
        refused=lambda said: pattern.search(said) is not None,
        without=without or (lambda body: _less(body, name)),
        value=(lambda body: body.get(name)) if by_value else (lambda _body: None),
    )


def _less(body: Mapping[str, Any], *names: str) -> Body:
    return {key: value for key, value in body.items() if key not in names}


def _renamed(body: Body, name: str, new: str) -> Body:
    return {(new if key == name else key): value for key, value in body.items()}


def _without_strict(body: Body) -> Body:
    tools = [
        {**tool, "function": _less(tool["function"], "strict")} for tool in body.get("tools", ())
    ]
    return {**body, "tools": tools}


def _is_strict(body: Body) -> bool:
    return any("strict" in tool["function"] for tool in body.get("tools", ()))


def _without_schema(body: Body) -> Body:
    """In words instead: most models keep to it."""
    wanted: Mapping[str, Any] = body["response_format"]
    schema = wanted.get("json_schema", {}).get("schema")
    words = "Answer with one JSON object and nothing else"
    words += f", of this JSON schema: {json.dumps(schema, ensure_ascii=False)}" if schema else "."
    told = {"role": "system", "content": words}
    messages = list(body["messages"])
    at = 1 if messages and messages[0]["role"] == "system" else 0
    return {**_less(body, "response_format"), "messages": [*messages[:at], told, *messages[at:]]}


def _roles(old: str, new: str) -> Change:
    """A role that is not known: OpenAI's o1-mini takes no `system`."""
    pattern = re.compile(rf"\brole\b.*\b{old}\b|\b{old}\b.*\brole\b", re.IGNORECASE | re.DOTALL)

    def applies(body: Body) -> bool:
        return any(message["role"] == old for message in body["messages"])

    def without(body: Body) -> Body:
        messages = [
            {**message, "role": new} if message["role"] == old else message
            for message in body["messages"]
        ]
        return {**body, "messages": messages}

    return Change(
        f"the role {old}", applies, lambda said: pattern.search(said) is not None, without
    )


def _less_in_messages(name: str) -> Change:
    """Of the run's own turns: Mistral takes no thoughts back in a field of their own."""

    def without(body: Body) -> Body:
        return {**body, "messages": [_less(message, name) for message in body["messages"]]}

    return Change(
        f"{name} in messages",
        applies=lambda body: any(name in message for message in body["messages"]),
        refused=lambda said: re.search(rf"\b{name}\b", said) is not None,
        without=without,
    )


_PAIR = re.compile(r"temperature\b.{0,40}\btop_p\b|top_p\b.{0,40}\btemperature\b", re.DOTALL)

# In this order: the more exact before what its words would mean as well
CHANGES: Sequence[Change] = (
    _field("stream_options", words="include_usage"),
    _field("parallel_tool_calls", words="parallel tool calls"),
    _field("reasoning_effort", words="reasoning effort|reasoning\\.effort", by_value=True),
    Change(
        "temperature together with top_p",
        applies=lambda body: "temperature" in body and "top_p" in body,
        refused=lambda said: _PAIR.search(said) is not None,
        without=lambda body: _less(body, "top_p"),
    ),
    _field("temperature", by_value=True),
    _field("top_p", by_value=True),
    _field(
        "max_tokens",
        without=lambda body: _renamed(body, "max_tokens", "max_completion_tokens"),
    ),
    _field("max_completion_tokens"),
    _field(
        "response_format",
        words="json_schema|response format|structured output",
        without=_without_schema,
    ),
    Change(
        "strict",
        applies=_is_strict,
        refused=lambda said: re.search(r"\bstrict\b", said) is not None,
        without=_without_strict,
    ),
    _field("tool_choice", words="tool choice", by_value=True),
    _less_in_messages("reasoning_content"),
    _less_in_messages("reasoning"),
    _roles("system", "developer"),
    _roles("developer", "user"),
)
