"""Every field of a request has its limit and its words (contract 4 to 7, 17)."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_functions import PARIS, WEATHER
from xiaozhi.chat_models.scripted import Calls, Scripted

FUNCTION: Any = {"type": "function", "function": {"name": "f"}}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def function(**fields: Any) -> list[Any]:
    return [{"type": "function", "function": {"name": "f", **fields}}]


def search(**fields: Any) -> list[Any]:
    return [{"type": "file_search", "file_search": fields}]


# --- what assistants and runs have in common

SHARED: list[tuple[dict[str, Any], str, str]] = [
    ({"instructions": "x" * 256_001}, "instructions", "string_above_max_length"),
    ({"instructions": ["x"]}, "instructions", "invalid_type"),
    ({"model": 4}, "model", "invalid_type"),
    ({"temperature": 2.01}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.01}, "temperature", "decimal_below_min_value"),
    ({"top_p": 1.01}, "top_p", "decimal_above_max_value"),
    ({"top_p": -1}, "top_p", "decimal_below_min_value"),
    ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
    ({"response_format": "json"}, "response_format", "invalid_value"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        "response_format.json_schema.name",
        "missing_required_parameter",
    ),
    ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
    ({"tools": [FUNCTION] * 129}, "tools", "array_above_max_length"),
    ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "invalid_value"),
    (
        {"tools": [{"type": "function"}]},
        "tools[0].function",
        "missing_required_parameter",
    ),
    ({"tools": function(name="n" * 65)}, "tools[0].function.name", "invalid_value"),
    ({"tools": function(name="")}, "tools[0].function.name", "invalid_value"),
    ({"tools": function(strict="yes")}, "tools[0].function.strict", "invalid_type"),
    ({"tools": function(parameters=[])}, "tools[0].function.parameters", "invalid_type"),
    ({"tools": function(foo=1)}, "tools[0].function.foo", "unknown_parameter"),
    (
        {"tools": search(max_num_results=51)},
        "tools[0].file_search.max_num_results",
        "integer_above_max_value",
    ),
    (
        {"tools": search(max_num_results=0)},
        "tools[0].file_search.max_num_results",
        "integer_below_min_value",
    ),
    (
        {"tools": search(ranking_options={"ranker": "auto"})},
        "tools[0].file_search.ranking_options.score_threshold",
        "missing_required_parameter",
    ),
    (
        {"tools": search(ranking_options={"score_threshold": 2})},
        "tools[0].file_search.ranking_options.score_threshold",
        "decimal_above_max_value",
    ),
    (
        {"tools": search(ranking_options={"score_threshold": 0, "ranker": "best"})},
        "tools[0].file_search.ranking_options.ranker",
        "invalid_value",
    ),
]

ASSISTANT: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "n" * 257}, "name", "string_above_max_length"),
    ({"description": "d" * 513}, "description", "string_above_max_length"),
    (
        {"tool_resources": {"code_interpreter": {"file_ids": ["file-x"] * 21}}},
        "tool_resources.code_interpreter.file_ids",
        "array_above_max_length",
    ),
    (
        {"tool_resources": {"file_search": {"vector_store_ids": ["vs_a", "vs_b"]}}},
        "tool_resources.file_search.vector_store_ids",
        "array_above_max_length",
    ),
    (
        {"tool_resources": {"file_search": {"vector_stores": [{}, {}]}}},
        "tool_resources.file_search.vector_stores",
        "array_above_max_length",
    ),
    ({"tool_resources": {"browser": {}}}, "tool_resources.browser", "unknown_parameter"),
]

RUN: list[tuple[dict[str, Any], str, str]] = [
    ({"foo": 1}, "foo", "unknown_parameter"),
    ({"model": ""}, "model", "empty_string"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"max_prompt_tokens": 0}, "max_prompt_tokens", "integer_below_min_value"),
    ({"max_completion_tokens": 0}, "max_completion_tokens", "integer_below_min_value"),
    ({"max_completion_tokens": 300.5}, "max_completion_tokens", "invalid_type"),
    ({"parallel_tool_calls": None}, "parallel_tool_calls", "invalid_type"),
    ({"truncation_strategy": {"type": "none"}}, "truncation_strategy.type", "invalid_value"),
    (
        {"truncation_strategy": {"type": "last_messages"}},
        "truncation_strategy.last_messages",
        "missing_required_parameter",
    ),
    (
        {"truncation_strategy": {"type": "last_messages", "last_messages": 0}},
        "truncation_strategy.last_messages",
        "integer_below_min_value",
    ),
    ({"tool_choice": "maybe"}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "browser"}}, "tool_choice.type", "invalid_value"),
    (
        {"tool_choice": {"type": "function"}},
        "tool_choice.function",
        "missing_required_parameter",
    ),
    (
        {"additional_messages": [{"role": "user", "content": ""}]},
        "additional_messages[0].content",
        "empty_string",
    ),
    (
        {"additional_instructions": "x" * 256_001},
        "additional_instructions",
        "string_above_max_length",
    ),
]


@pytest.mark.one_database
@pytest.mark.parametrize(("fields", "param", "code"), [*SHARED, *ASSISTANT], ids=str)
def test_a_field_of_an_assistant_is_refused(
    client: OpenAI, assistant: Assistant, fields: dict[str, Any], param: str, code: str
):
    for path, body in (
        ("/assistants", {"model": "scripted", **fields}),
        (f"/assistants/{assistant.id}", fields),
    ):
        assert refusal(client, path, body) == (param, code)


@pytest.mark.one_database
@pytest.mark.parametrize(("fields", "param", "code"), [*SHARED, *RUN], ids=str)
def test_a_field_of_a_run_is_refused_and_nothing_happens(
    client: OpenAI,
    assistant: Assistant,
    thread: Thread,
    fields: dict[str, Any],
    param: str,
    code: str,
):
    body: dict[str, Any] = {"assistant_id": assistant.id, **fields}
    assert refusal(client, f"/threads/{thread.id}/runs", body) == (param, code)
    assert client.beta.threads.runs.list(thread.id).data == []
    if not any(name.startswith("additional_") for name in fields):
        together = {"assistant_id": assistant.id, **fields}
        assert refusal(client, "/threads/runs", together) == (param, code)


@pytest.mark.one_database
def test_a_run_names_its_assistant(client: OpenAI, thread: Thread):
    for path in (f"/threads/{thread.id}/runs", "/threads/runs"):
        assert refusal(client, path, {}) == ("assistant_id", "missing_required_parameter")


@pytest.mark.one_database
def test_a_thread_and_a_run_at_once_take_no_additional_fields(client: OpenAI, assistant: Assistant):
    additional: dict[str, Any] = {"additional_instructions": "x", "additional_messages": []}
    for field, value in additional.items():
        body = {"assistant_id": assistant.id, field: value}
        assert refusal(client, "/threads/runs", body) == (field, "unknown_parameter")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("part", "param", "code"),
    [
        ({"type": "audio"}, "content[0].type", "invalid_value"),
        ({"type": "image_url"}, "content[0].image_url", "missing_required_parameter"),
        (
            {"type": "image_url", "image_url": {"url": "u", "detail": "ultra"}},
            "content[0].image_url.detail",
            "invalid_value",
        ),
        ({"type": "text", "text": "x" * 256_001}, "content[0].text", "string_above_max_length"),
    ],
    ids=str,
)
def test_a_part_of_a_message_is_refused(
    client: OpenAI, thread: Thread, part: dict[str, Any], param: str, code: str
):
    body = {"role": "user", "content": [part]}
    assert refusal(client, f"/threads/{thread.id}/messages", body) == (param, code)
    message = {"messages": [body]}
    assert refusal(client, "/threads", message) == (f"messages[0].{param}", code)


def test_what_reaches_a_limit_is_taken(client: OpenAI):
    made = client.beta.assistants.create(
        model="scripted",
        name="n" * 256,
        description="d" * 512,
        instructions="i" * 256_000,
        temperature=2,
        top_p=0,
        tools=[{"type": "function", "function": {"name": f"f-_{n}"}} for n in range(128)],
        reasoning_effort="minimal",
        response_format=SCHEMA,
    )
    assert len(made.tools) == 128
    run = client.beta.threads.create_and_run(
        assistant_id=made.id,
        thread={"messages": [{"role": "user", "content": "x" * 256_000}]},
        max_prompt_tokens=256,
        max_completion_tokens=256,
        temperature=0,
        top_p=1,
    )
    assert len(run.tools) == 128


@pytest.mark.one_database
def test_an_unknown_model_is_told_by_name(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    """Here an endpoint is set, which may know more names than it lists: asking it is the proof."""
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, model="unlisted", poll_interval_ms=10
    )
    assert (run.status, run.model) == ("completed", "unlisted")
    assert model.requests[0]["model"] == "unlisted"
    with pytest.raises(NotFoundError, match="The model 'unlisted' does not exist"):
        client.models.retrieve("unlisted")


@pytest.mark.one_database
def test_built_in_tools_and_files_are_refused_until_they_are_there(
    client: OpenAI, assistant: Assistant, thread: Thread
):
    said = {"role": "user", "content": "x"}
    attachment = {"file_id": "file-x", "tools": [{"type": "file_search"}]}
    image = [{"type": "image_file", "image_file": {"file_id": "file-x"}}]
    resources = {"code_interpreter": {"file_ids": ["file-x"]}}
    messages, runs = f"/threads/{thread.id}/messages", f"/threads/{thread.id}/runs"
    run = {"assistant_id": assistant.id}
    for path, body, param in (
        (f"/assistants/{assistant.id}", {"tools": [{"type": "file_search"}]}, "tools"),
        (f"/threads/{thread.id}", {"tool_resources": resources}, "tool_resources"),
        ("/threads/runs", {**run, "tool_resources": resources}, "tool_resources"),
        (messages, {**said, "attachments": [attachment]}, "attachments"),
        (messages, {"role": "user", "content": image}, "content"),
        (runs, {**run, "tools": [{"type": "code_interpreter"}]}, "tools"),
        (runs, {**run, "tool_choice": {"type": "file_search"}}, "tool_choice"),
    ):
        assert refusal(client, path, body) == (param, None)


@pytest.mark.one_database
@pytest.mark.parametrize("choice", ["none", "auto", "required", FUNCTION])
def test_a_choice_of_tools_reaches_the_model_and_is_shown(
    client: OpenAI, model: Scripted, thread: Thread, choice: Any
):
    assistant = client.beta.assistants.create(model="scripted", tools=[FUNCTION])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, tool_choice=choice, poll_interval_ms=10
    )
    assert run.to_dict()["tool_choice"] == choice
    assert model.requests[0]["tool_choice"] == choice


@pytest.mark.one_database
def test_json_formats_reach_the_model_beside_functions(
    client: OpenAI, model: Scripted, thread: Thread
):
    assistant = client.beta.assistants.create(
        model="scripted", tools=[WEATHER], response_format=SCHEMA, reasoning_effort="low", top_p=0.5
    )
    runs = client.beta.threads.runs
    model.script = [Calls([("weather", PARIS)])]
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10)
    assert run.to_dict()["response_format"] == SCHEMA
    [request] = model.requests
    assert request["response_format"] == SCHEMA
    assert request["tools"] == [WEATHER]
    assert (request["reasoning_effort"], request["top_p"]) == ("low", 0.5)
    assert request["stream_options"] == {"include_usage": True}
    runs.cancel(run.id, thread_id=thread.id)
    for plain in ("auto", {"type": "text"}):
        format_: Any = plain
        run = runs.create_and_poll(
            thread_id=thread.id,
            assistant_id=assistant.id,
            response_format=format_,
            poll_interval_ms=10,
        )
        assert "response_format" not in model.requests[-1]


def refusal(client: OpenAI, path: str, body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Which field was refused, and with which code."""
    options: Any = {"headers": {"OpenAI-Beta": "assistants=v2"}}
    with pytest.raises(BadRequestError) as refused:
        client.post(path, body=body, cast_to=object, options=options)
    return refused.value.param, refused.value.code
