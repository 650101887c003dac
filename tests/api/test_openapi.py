"""The description of the API is right, opens in a browser, and withstands whatever it allows.

`test_no_request_breaks_it` makes up some 3,300 requests, the same ones each time. Others and more:

    EXAMPLES=300 .venv/bin/pytest tests/api/test_openapi.py -q --timeout=0

2026-11-24: 9,559 requests in 90 s, none of which broke it.
"""

import base64
import hashlib
import importlib
import os
import re
from copy import deepcopy
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openai import OpenAI
from openai.types.beta import Assistant
from pydantic import TypeAdapter

from tests.api.test_transport import HEADERS, ask
from tests.running import Running
from xiaozhi.api import create_api
from xiaozhi.api.openapi import openapi
from xiaozhi.api.reference import Error
from xiaozhi.chat_models.wire import as_object

DOCUMENT = openapi(create_api())
# Its types are not strict.
# A copy: schemathesis puts ids of this server into the examples.
described: Any = schemathesis.openapi.from_dict(deepcopy(DOCUMENT))
checks: Any = importlib.import_module("schemathesis.checks")
conformance: Any = importlib.import_module("schemathesis.specs.openapi.checks")

EXAMPLES = int(os.environ.get("EXAMPLES", "10"))  # an operation, besides the edges of its fields


def operations() -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, found in DOCUMENT["paths"].items()
        for method, operation in found.items()
    ]


def validator(schema: Any) -> jsonschema_rs.Validator:
    """For a schema that may refer to others of the document."""
    return jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})


# --- the document


def test_it_is_valid_openapi():
    assert DOCUMENT["openapi"].startswith("3.1")
    described.validate()
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z]+", name), name
        jsonschema_rs.meta.validate(schema)
        validator(schema)


def test_every_route_is_described():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for method, path, operation in operations():
        assert operation["summary"], path
        assert {"200", "400", "401", "default"} <= set(operation["responses"]), path
        assert "422" not in operation["responses"]
        assert ("404" in operation["responses"]) >= ("{" in path)
        wants_beta = path.startswith(("/assistants", "/threads"))
        beta = {"$ref": "#/components/parameters/beta"}
        assert (beta in operation.get("parameters", [])) == wants_beta
        takes_body = method in ("post", "patch") and not path.endswith("/cancel")
        assert ("requestBody" in operation) == takes_body, path


def test_every_body_has_an_example_that_is_one():
    for _, _, operation in operations():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            validator(content["schema"]).validate(content["example"])


def test_what_is_streamed_is_said():
    streams = {
        operation["operationId"]
        for _, _, operation in operations()
        if "text/event-stream" in operation["responses"]["200"]["content"]
    }
    assert streams >= {"createRun", "createThreadAndRun", "streamRunEvents", "createChatCompletion"}


def test_what_openai_has_not_is_marked():
    marked = {
        operation["operationId"]
        for _, _, operation in operations()
        if operation.get("x-xiaozhi-extension")
    }
    assert "streamRunEvents" in marked
    assert "createRun" not in marked
    fields = DOCUMENT["components"]["schemas"]["CreateAssistant"]["properties"]
    assert [name for name in fields if fields[name].get("x-xiaozhi-extension")] == ["id"]


def test_answers_are_as_described(server: Running, client: OpenAI, assistant: Assistant):
    made = ids(client)
    seen = 0
    for method, path, operation in operations():
        if method == "get" and "application/json" in operation["responses"]["200"]["content"]:
            answer = ask(server, "/v1" + path.format(**made))
            assert answer.status == 200, path
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            validator(schema).validate(answer.json())
            seen += 1
    assert seen >= 11


# --- the page


@pytest.mark.one_database
def test_both_open_without_a_key_and_nothing_else_does(server: Running):
    document = ask(server, "/v1/openapi.json", headers={})
    assert (document.status, document.headers["content-type"]) == (200, "application/json")
    assert document.json() == DOCUMENT
    page = ask(server, "/v1/docs", headers={})
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for path in ("/v1/docs/", "/v1/docs/x", "/v1/openapi.json/", "/v1/redoc", "/v1/models"):
        assert ask(server, path, headers={}).status == 401
    assert ask(server, "/v1/docs", {}, headers={}).status == 401


@pytest.mark.one_database
def test_the_page_needs_no_other_origin(server: Running):
    page = ask(server, "/v1/docs", headers={})
    text = page.body.decode()
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=\"?(https?:)?//", text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


# --- requests that nobody thought of


def ids(client: OpenAI) -> dict[str, str]:
    """Objects that are there, by the names of path parameters."""
    assistant = client.beta.assistants.create(model="scripted")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "hi"}]},
        poll_interval_ms=20,
    )
    [message, _] = client.beta.threads.messages.list(run.thread_id)
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id)
    return {
        "assistant_id": assistant.id,
        "thread_id": run.thread_id,
        "run_id": run.id,
        "message_id": message.id,
        "step_id": step.id,
        "name": "scripted",
    }


@pytest.fixture
def existing(client: OpenAI) -> dict[str, str]:
    return ids(client)


def an_error_is_in_the_apis_shape(_context: Any, response: Any, _case: Any) -> None:
    # What is no HTTP is answered by uvicorn, in its own words: nobody has read a path yet.
    if response.status_code >= 400 and response.content != b"Invalid HTTP request received.":
        TypeAdapter(Error).validate_json(response.content, strict=True, extra="forbid")


@pytest.mark.timeout(240)
@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize="EXAMPLES" not in os.environ,
    deadline=None,
    # What exists is made once for an operation: what its first request deletes is gone.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_request_breaks_it(case: Any, server: Running, existing: dict[str, str]):
    # Every other request is about something that exists.
    exists = len(str(case.path_parameters) + str(case.body)) % 2 == 0
    if exists:
        for name in case.path_parameters:
            case.path_parameters[name] = existing[name]
        if "assistant_id" in as_object(case.body):
            case.body["assistant_id"] = existing["assistant_id"]
    case.call_and_validate(
        base_url=server.url,
        headers={name: HEADERS[name] for name in ("Authorization", "OpenAI-Beta")},
        checks=[
            checks.not_a_server_error,
            an_error_is_in_the_apis_shape,
            conformance.status_code_conformance,
            conformance.content_type_conformance,
            conformance.response_schema_conformance,
        ],
        timeout=30,
    )
