"""/assistants through the official SDK (contract 4)."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI


def test_an_assistant_has_all_its_fields_with_their_defaults(client: OpenAI):
    made = client.beta.assistants.create(model="scripted")
    assert made.to_dict() == {
        "id": made.id,
        "object": "assistant",
        "created_at": made.created_at,
        "name": None,
        "description": None,
        "model": "scripted",
        "instructions": None,
        "tools": [],
        "top_p": 1.0,
        "temperature": 1.0,
        "reasoning_effort": None,
        "tool_resources": {},
        "metadata": {},
        "response_format": "auto",
    }
    assert made.id.startswith("asst_")
    assert len(made.id) == len("asst_") + 24
    assert client.beta.assistants.retrieve(made.id) == made


def test_only_the_given_fields_change(client: OpenAI):
    made = client.beta.assistants.create(
        model="scripted", name="小智", instructions="Be kind.", metadata={"a": "1", "b": "2"}
    )
    changed = client.beta.assistants.update(made.id, temperature=0.3, metadata={"c": "3"})
    assert changed == client.beta.assistants.retrieve(made.id)
    assert (changed.name, changed.instructions) == ("小智", "Be kind.")
    assert (changed.temperature, changed.metadata) == (0.3, {"c": "3"})


def test_null_means_not_given(client: OpenAI):
    made = client.beta.assistants.create(
        model="scripted", name=None, temperature=None, top_p=None, metadata=None
    )
    assert (made.temperature, made.metadata) == (1.0, {})


def test_null_leaves_what_was_there(client: OpenAI):
    fields: Any = {
        "name": "小智",
        "description": "kind",
        "instructions": "Be kind.",
        "tools": [],
        "tool_resources": {},
        "temperature": 0.5,
        "top_p": 0.5,
        "response_format": {"type": "text"},
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
    }
    made = client.beta.assistants.create(model="scripted", **fields)
    nothing: Any = dict.fromkeys(["model", *fields])
    assert client.beta.assistants.update(made.id, **nothing) == made


def test_a_json_schema_is_kept_as_it_was_sent(client: OpenAI):
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
    response_format: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    made = client.beta.assistants.create(model="scripted", response_format=response_format)
    assert made.to_dict()["response_format"] == response_format


def test_a_deleted_assistant_is_gone(client: OpenAI):
    made = client.beta.assistants.create(model="scripted")
    deleted = client.beta.assistants.delete(made.id)
    assert deleted.to_dict() == {"id": made.id, "object": "assistant.deleted", "deleted": True}
    for call in (client.beta.assistants.retrieve, client.beta.assistants.delete):
        with pytest.raises(NotFoundError, match=f"No assistant found with id '{made.id}'"):
            call(made.id)


def test_pages_follow_one_another_both_ways(client: OpenAI):
    ids = [client.beta.assistants.create(model="scripted").id for _ in range(5)]
    newest = client.beta.assistants.list(limit=2)
    assert [item.id for item in newest.data] == [ids[4], ids[3]]
    assert newest.has_more
    following = newest.get_next_page()
    assert [item.id for item in following.data] == [ids[2], ids[1]]
    previous = client.beta.assistants.list(limit=1, before=ids[1])
    assert [item.id for item in previous.data] == [ids[2]]
    assert previous.has_more
    upwards = client.beta.assistants.list(order="asc", after=ids[1], limit=3)
    assert [item.id for item in upwards.data] == ids[2:]
    assert not upwards.has_more
    between = client.beta.assistants.list(order="asc", after=ids[0], before=ids[3])
    assert [item.id for item in between.data] == ids[1:3]


def test_an_assistant_can_be_made_under_a_given_id(client: OpenAI):
    id = "asst_abc123DEF456ghi789JKL012"
    made = client.beta.assistants.create(model="scripted", extra_body={"id": id})
    assert made.id == id
    with pytest.raises(BadRequestError, match="already exists") as refused:
        client.beta.assistants.create(model="scripted", extra_body={"id": id})
    assert refused.value.code == "already_exists"


def test_a_function_is_shown_with_its_defaults(client: OpenAI):
    tools: Any = [{"type": "function", "function": {"name": "now"}}]
    made = client.beta.assistants.create(model="scripted", tools=tools)
    assert made.to_dict()["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "now",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            },
        }
    ]
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "w", "description": "d", "parameters": parameters, "strict": True}
    changed = client.beta.assistants.update(
        made.id,
        tools=[{"type": "function", "function": function}],  # type: ignore[list-item]  # a plain dict
    )
    assert changed.to_dict()["tools"] == [{"type": "function", "function": function}]
    assert client.beta.assistants.update(made.id, name="still").tools == changed.tools
    assert client.beta.assistants.update(made.id, tools=[]).tools == []


@pytest.mark.one_database
@pytest.mark.parametrize("tool", ["code_interpreter", "file_search"])
def test_built_in_tools_are_refused_until_they_are_there(client: OpenAI, tool: str):
    tools: Any = [{"type": tool}]
    with pytest.raises(BadRequestError, match="not available on this server yet") as refused:
        client.beta.assistants.create(model="scripted", tools=tools)
    assert refused.value.param == "tools"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({}, "Missing required parameter: 'model'.", "model", "missing_required_parameter"),
        ({"model": "m", "foo": 1}, "Unknown parameter: 'foo'.", "foo", "unknown_parameter"),
        (
            {"model": "m", "name": 5},
            "Invalid type for 'name': expected a string, but got an integer instead.",
            "name",
            "invalid_type",
        ),
        (
            {"model": "m", "name": "n" * 257},
            "Invalid 'name': string too long. Expected a string with maximum length 256, "
            "but got a string with length 257 instead.",
            "name",
            "string_above_max_length",
        ),
        (
            {"model": "m", "temperature": 3},
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, "
            "but got 3 instead.",
            "temperature",
            "decimal_above_max_value",
        ),
        (
            {"model": "m", "temperature": "0.5"},
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
            "temperature",
            "invalid_type",
        ),
        (
            {"model": "m", "metadata": {"k": 1}},
            "Invalid type for 'metadata.k': expected a string, but got an integer instead.",
            "metadata.k",
            "invalid_type",
        ),
        (
            {"model": "m", "metadata": {str(n): "" for n in range(17)}},
            "Invalid 'metadata': too many properties. Expected an object with at most 16 "
            "properties, but got an object with 17 properties instead.",
            "metadata",
            "object_above_max_properties",
        ),
        (
            {"model": "m", "tools": [{"type": "function", "function": {"name": "a b"}}]},
            "Invalid 'tools[0].function.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[A-Za-z0-9_-]{1,64}$'.",
            "tools[0].function.name",
            "invalid_value",
        ),
        (
            {"model": "m", "tools": [{"type": "retrieval"}]},
            "Invalid value: 'retrieval'. Supported values are: 'code_interpreter', "
            "'file_search', and 'function'.",
            "tools[0].type",
            "invalid_value",
        ),
        (
            {"model": "m", "tools": [{"type": "code_interpreter"}] * 129},
            "Invalid 'tools': array too long. Expected an array with maximum length 128, "
            "but got an array with length 129 instead.",
            "tools",
            "array_above_max_length",
        ),
        (
            {"model": "m", "response_format": {"type": "json_schema"}},
            "Missing required parameter: 'response_format.json_schema'.",
            "response_format.json_schema",
            "missing_required_parameter",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_bad_request_is_told_in_the_words_of_the_api(
    client: OpenAI, body: dict[str, Any], message: str, param: str, code: str
):
    with pytest.raises(BadRequestError) as refused:
        client.post("/assistants", body=body, cast_to=object, options=_beta())
    assert refused.value.body == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }


def _beta() -> Any:
    return {"headers": {"OpenAI-Beta": "assistants=v2"}}
