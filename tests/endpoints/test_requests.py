"""What an endpoint is sent: what somebody chose, and nothing that it has refused by name."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from openai import OpenAI

from tests.endpoints.conftest import WEATHER, Ask, answer_text, failure
from xiaozhi.chat_models.scripted import Calls, Fails, Line, Says, Scripted

Refused = Callable[[Mapping[str, Any]], bool]

SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object", "title": "T"}, "strict": True},
}
STRICT: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
}


def test_what_nobody_chose_is_not_sent(client: OpenAI, ask: Ask, model: Scripted):
    run = ask(Says("Hi"))
    assert set(model.requests[0]) == {"model", "messages", "stream", "stream_options"}
    assert (run.temperature, run.top_p) == (1.0, 1.0)
    assert client.beta.assistants.retrieve(run.assistant_id).temperature == 1.0


def test_what_somebody_chose_is_sent_be_it_the_default(client: OpenAI, model: Scripted):
    def sent(assistant_id: str, **settings: Any) -> dict[str, Any]:
        thread: Any = {"messages": [{"role": "user", "content": "Hi"}]}
        client.beta.threads.create_and_run_poll(
            assistant_id=assistant_id, thread=thread, poll_interval_ms=20, **settings
        )
        found = model.requests[-1]
        return {name: found[name] for name in ("temperature", "top_p") if name in found}

    assistant = client.beta.assistants.create(model="scripted", temperature=1, top_p=0.5)
    assert (assistant.temperature, assistant.top_p) == (1.0, 0.5)
    assert sent(assistant.id) == {"temperature": 1.0, "top_p": 0.5}
    assert sent(assistant.id, top_p=1) == {"temperature": 1.0, "top_p": 1.0}
    client.beta.assistants.update(assistant.id, name="Other")
    assert sent(assistant.id) == {"temperature": 1.0, "top_p": 0.5}
    changed = client.beta.assistants.update(assistant.id, temperature=0.7)
    assert "explicit_defaults" not in changed.to_dict()
    assert sent(assistant.id) == {"temperature": 0.7, "top_p": 0.5}
    client.beta.assistants.update(assistant.id, top_p=1)
    assert sent(assistant.id) == {"temperature": 0.7, "top_p": 1.0}
    plain = client.beta.assistants.create(model="scripted")
    assert sent(plain.id) == {}
    assert sent(plain.id, temperature=1) == {"temperature": 1.0}


def test_parallel_calls_are_told_of_only_where_they_are_forbidden(ask: Ask, model: Scripted):
    ask(Says("Hi"), tools=[WEATHER])
    assert "parallel_tool_calls" not in model.requests[0]
    ask(Says("Hi"), tools=[WEATHER], parallel_tool_calls=False)
    assert model.requests[-1]["parallel_tool_calls"] is False


class Refuses:
    """An endpoint that refuses with `message` as long as `refused` says so of a request."""

    def __init__(self, refused: Refused, message: str, status: int = 400) -> None:
        self.refused, self.message, self.status = refused, message, status
        self.refusals = 0

    def __call__(self, body: Mapping[str, Any]) -> Line:
        if not self.refused(body):
            return Says("Hi")
        self.refusals += 1
        return Fails(self.status, self.message)


def has(name: str) -> Refused:
    return lambda body: name in body


def is_strict(body: Mapping[str, Any]) -> bool:
    return "strict" in body["tools"][0]["function"]


def has_both(body: Mapping[str, Any]) -> bool:
    return "temperature" in body and "top_p" in body


def has_system(body: Mapping[str, Any]) -> bool:
    messages: list[dict[str, Any]] = body["messages"]
    return any(message["role"] == "system" for message in messages)


def is_warm(body: Mapping[str, Any]) -> bool:
    return body.get("temperature", 0) > 1


REFUSALS: list[tuple[Refused, str, int, dict[str, Any]]] = [
    (has("stream_options"), "Extra inputs are not permitted: body.stream_options", 422, {}),
    (has("stream_options"), 'Unknown name "stream_options": Cannot find field.', 400, {}),
    (
        has("parallel_tool_calls"),
        'Invalid JSON payload received. Unknown name "parallel_tool_calls": Cannot find field.',
        400,
        {"tools": [WEATHER], "parallel_tool_calls": False},
    ),
    (
        has("reasoning_effort"),
        "Unrecognized request argument supplied: reasoning_effort",
        400,
        {"extra_body": {"reasoning_effort": "low"}},
    ),
    (
        has("response_format"),
        "This response_format type is unavailable now",
        400,
        {"response_format": SCHEMA},
    ),
    (
        has("response_format"),
        "This model does not support response format `json_schema`.",
        400,
        {"response_format": SCHEMA},
    ),
    (
        is_strict,
        "Unknown name \"strict\" at 'tools[0].function': Cannot find field.",
        400,
        {"tools": [STRICT]},
    ),
    (
        has("max_tokens"),
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        400,
        {"max_completion_tokens": 300},
    ),
    (
        has("temperature"),
        "Unsupported value: 'temperature' does not support 0.2 with this model. "
        "Only the default (1) value is supported.",
        400,
        {"temperature": 0.2},
    ),
    (
        has("temperature"),
        "invalid temperature: only 1 is allowed for this model",
        400,
        {"temperature": 0.2},
    ),
    (has("top_p"), "top_p is not supported", 400, {"top_p": 0.2}),
    (
        has_both,
        "`temperature` and `top_p` cannot both be specified for this model.",
        400,
        {"temperature": 0.2, "top_p": 0.2},
    ),
    (
        has_system,
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        400,
        {"instructions": "Be brief."},
    ),
]


@pytest.mark.parametrize(("refused", "words", "status", "settings"), REFUSALS)
def test_what_is_refused_by_name_is_left_out_once_more_and_remembered(
    client: OpenAI,
    ask: Ask,
    model: Scripted,
    caplog: pytest.LogCaptureFixture,
    refused: Refused,
    words: str,
    status: int,
    settings: dict[str, Any],
):
    otherwise, endpoint = model.otherwise, Refuses(refused, words, status)
    model.otherwise = endpoint
    # Under a name of its own: what other tests have taught of a model must not count here.
    settings = {**settings, "model": f"model-{REFUSALS.index((refused, words, status, settings))}"}
    try:
        with caplog.at_level(logging.WARNING):
            run = ask(**settings)
            assert run.status == "completed", run.last_error
            assert answer_text(client, run) == "Hi"
            assert endpoint.refusals == 1
            assert "left out from now on" in caplog.text
            assert ask(**settings).status == "completed"
            assert endpoint.refusals == 1
    finally:
        model.otherwise = otherwise


def test_several_fields_are_left_out_one_after_the_other(ask: Ask, model: Scripted):
    otherwise = model.otherwise

    def endpoint(body: Mapping[str, Any]) -> Line:
        for name in ("stream_options", "max_tokens", "max_completion_tokens", "temperature"):
            if name in body:
                return Fails(400, f"unknown field `{name}`")
        return Says("Hi")

    model.otherwise = endpoint
    try:
        settings: Any = {"temperature": 0.1, "max_completion_tokens": 300, "model": "choosy"}
        assert ask(**settings).status == "completed"
        assert len(model.requests) == 5
        assert ask(**settings).status == "completed"
        assert len(model.requests) == 6
    finally:
        model.otherwise = otherwise


def test_another_value_of_a_refused_field_is_asked_for(ask: Ask, model: Scripted):
    otherwise = model.otherwise
    model.otherwise = Refuses(is_warm, "temperature: range: 0..1")
    try:
        assert ask(temperature=1.5, model="cool").status == "completed"
        assert "temperature" not in model.requests[-1]
        assert ask(temperature=0.5, model="cool").status == "completed"
        assert model.requests[-1]["temperature"] == 0.5
    finally:
        model.otherwise = otherwise


def test_a_schema_that_is_refused_is_asked_for_in_words(ask: Ask, model: Scripted):
    refusal = Fails(400, "response_format is not supported")
    assert ask(refusal, Says("{}"), response_format=SCHEMA, model="plain").status == "completed"
    told = " ".join(str(message["content"]) for message in model.requests[-1]["messages"])
    assert '"title": "T"' in told


def test_a_refusal_for_another_reason_is_told_and_nothing_remembered(ask: Ask, model: Scripted):
    refusal = Fails(400, "the temperature of the picture is too high")
    run = ask(refusal, Fails(400, "no"), temperature=0.3, model="other")
    assert "picture is too high" in failure(run)[1]
    assert ask(Says("Hi"), temperature=0.3, model="other").status == "completed"
    assert model.requests[-1]["temperature"] == 0.3


def test_thoughts_that_an_endpoint_does_not_take_back_are_left_out(
    client: OpenAI, ask: Ask, model: Scripted
):
    """As Mistral's: their models think, and their endpoint refuses the field."""
    run = ask(Calls([("weather", "{}")], thoughts="Hm."), tools=[WEATHER], model="thinker")
    assert run.required_action
    [asked] = run.required_action.submit_tool_outputs.tool_calls
    words = "Extra inputs are not permitted: body.messages.1.assistant.reasoning_content"
    model.script = [Fails(422, words), Says("Rain.")]
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": asked.id, "output": "rain"}],
        poll_interval_ms=20,
    )
    assert run.status == "completed"
    assert "Rain." in (answer_text(client, run) or "")
