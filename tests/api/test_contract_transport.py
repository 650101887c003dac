"""The contract's rows on transport and errors, row by row (contract 1 and 2)."""

import asyncio
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from openai import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    OpenAI,
)
from openai.types.beta import Assistant, Thread

from tests.api.test_transport import HEADERS, Answer, ask
from tests.running import KEY, Running
from xiaozhi.api.answers import refused
from xiaozhi.api.app import create_api
from xiaozhi.api.transport import Transport
from xiaozhi.errors import Unavailable

KEYS = {"message", "type", "param", "code"}
NO_BETA = {name: value for name, value in HEADERS.items() if name != "OpenAI-Beta"}
NO_TYPE = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
INCLUDED = "step_details.tool_calls[*].file_search.results[*].content"


def refused_with(answer: Answer, status: int) -> dict[str, Any]:
    """The error of an answer that is whole: shape, type and headers."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-version"] == "2020-10-01"
    assert answer.headers["openai-processing-ms"].isdigit()
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == KEYS
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/v1/assistants", "{}", {}, 400),
        ("GET", "/v1/threads/thread_x", None, {"OpenAI-Beta": ""}, 400),
        ("GET", "/v1/models", None, {"Authorization": ""}, 401),
        ("GET", "/v1/models", None, {"Authorization": "Bearer other"}, 401),
        ("GET", "/v1/threads/thread_x", None, {}, 404),
        ("GET", "/v1/assistants/", None, {}, 404),
        ("GET", "/v1/no/such/route", None, {}, 404),
        ("PUT", "/v1/threads", None, {}, 405),
        ("DELETE", "/v1/threads", None, {}, 405),
        ("POST", "/v1/threads", "{}", {"Content-Length": str(2**30)}, 413),
        ("POST", "/v1/threads", "a=b", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_every_refusal_is_in_the_one_shape(
    server: Running, method: str, path: str, body: str | None, headers: dict[str, str], status: int
):
    refused_with(ask(server, path, body, method, {**HEADERS, **headers}), status)


@pytest.mark.one_database
def test_a_body_that_does_not_say_its_length_is_measured(server: Running):
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.putrequest("POST", "/v1/threads")
        for name, value in (*HEADERS.items(), ("Transfer-Encoding", "chunked")):
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(64):
            connection.send(b"100000\r\n" + b" " * 2**20 + b"\r\n")
        connection.send(b"1\r\n \r\n")
        answer = Answer(connection.getresponse())
    assert "too large" in refused_with(answer, 413)["message"]


@pytest.mark.one_database
@pytest.mark.parametrize("body", ["", "null", "[" * 20_000])
def test_what_is_no_json_is_told_so(server: Running, body: str):
    error = refused_with(ask(server, "/v1/assistants", body, "POST"), 400)
    assert error["message"].startswith("We could not parse the JSON body of your request.")
    assert (error["param"], error["code"]) == (None, None)


def test_a_bug_is_told_in_the_one_shape():
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def story() -> None:
        # No rooms were ever put in: whatever asks for them fails.
        transport = Transport(create_api(), [KEY])
        headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/assistants",
            "query_string": b"",
            "headers": headers,
        }
        with pytest.raises(AttributeError):  # for the server's log
            await transport(scope, receive, send)

    asyncio.run(story())
    start, body = sent
    assert start["status"] == 500
    assert b"x-request-id" in dict(start["headers"])
    error = json.loads(body["body"])["error"]
    assert set(error) == KEYS
    assert (error["type"], error["code"]) == ("server_error", None)


def test_what_is_not_possible_now_is_503():
    answer = refused(Unavailable("The disk is full."))
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body))["error"] == {
        "message": "The disk is full.",
        "type": "server_error",
        "param": None,
        "code": None,
    }


@pytest.mark.one_database
def test_the_sdk_raises_its_own_error_for_each_status(client: OpenAI):
    def refused_by(ask: Callable[..., object], path: str) -> APIStatusError:
        with pytest.raises(APIStatusError) as refused:
            ask(path, cast_to=object, options={"headers": {"OpenAI-Beta": "assistants=v2"}})
        error = refused.value
        assert error.request_id is not None
        assert error.request_id.startswith("req_")
        assert error.type == "invalid_request_error"
        return error

    assert type(refused_by(client.post, "/assistants")) is BadRequestError
    assert type(refused_by(client.get, "/assistants/asst_no")) is NotFoundError
    assert refused_by(client.put, "/assistants").code == "method_not_supported"
    stranger = client.with_options(api_key="sk-nobody-knows-this-key")
    error = refused_by(stranger.get, "/models")
    assert type(error) is AuthenticationError
    assert (error.code, error.param) == ("invalid_api_key", None)
    with pytest.raises(NotFoundError) as refused:
        client.models.retrieve("x")
    assert refused.value.body == {
        "message": "The model 'x' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_an_answer_knows_its_request_in_the_sdk(client: OpenAI, thread: Thread):
    found = client.beta.threads.retrieve(thread.id)
    id = found._request_id  # type: ignore[private-usage]  # the SDK's public name, it says
    assert id is not None
    assert id.startswith("req_")


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["models", "files", "vector_stores", "uploads", "chat/x"])
def test_outside_assistants_and_threads_no_beta_header_is_needed(server: Running, path: str):
    answer = ask(server, f"/v1/{path}", headers=NO_BETA)
    assert answer.status in (200, 404, 405)


@pytest.mark.one_database
def test_the_headers_of_sdks_are_no_business_of_the_server(server: Running):
    headers = {
        **HEADERS,
        "OpenAI-Organization": "org-x",
        "OpenAI-Project": "proj_x",
        "Idempotency-Key": "the same",
        "X-Stainless-Lang": "python",
        "X-Stainless-Poll-Helper": "true",
        "X-Stainless-Custom-Poll-Interval": "20",
        "X-Stainless-Stream-Helper": "threads.runs.create_and_stream",
        "x-stainless-retry-count": "0",
    }
    first, second = (ask(server, "/v1/threads", {}, headers=headers) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    # A repeated POST makes a second object.
    assert first.json()["id"] != second.json()["id"]


def test_a_thread_and_a_cancel_need_no_body(
    server: Running, client: OpenAI, assistant: Assistant, thread: Thread
):
    assert ask(server, "/v1/threads", method="POST", headers=NO_TYPE).status == 200
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    path = f"/v1/threads/{thread.id}/runs/{run.id}/cancel"
    error = refused_with(ask(server, path, method="POST", headers=NO_TYPE), 400)
    assert error["message"] == "Cannot cancel run with status 'completed'."
    error = refused_with(ask(server, path, {}), 400)
    assert error["message"] == "Cannot cancel run with status 'completed'."


@pytest.mark.one_database
def test_lists_in_a_query_are_written_with_and_without_brackets(
    server: Running, client: OpenAI, assistant: Assistant, thread: Thread
):
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    path = f"/v1/threads/{thread.id}/runs/{run.id}/steps"
    for query in (f"include[]={INCLUDED}", f"include={INCLUDED}&include={INCLUDED}"):
        assert ask(server, f"{path}?{query}").status == 200
    for query in ("include[]=x", "include=x", f"include[]={INCLUDED}&include[]=x"):
        error = refused_with(ask(server, f"{path}?{query}"), 400)
        assert error["code"] == "invalid_value"


@pytest.mark.one_database
def test_checks_are_made_in_one_order(server: Running, client: OpenAI, thread: Thread):
    """Each request has one fault less: what is told is always the first of them."""
    path = "/v1/threads/thread_no/runs"
    here = f"/v1/threads/{thread.id}/runs"
    bad = {"assistant_id": "asst_no", "temperature": 9}
    nobody = {"Content-Type": "application/json"}
    told = [
        ask(server, path, "{", headers=nobody),
        ask(server, path, "{", headers=NO_BETA),
        ask(server, path, "{"),
        ask(server, path, {**bad, "foo": 1}),
        ask(server, path, bad),
        ask(server, path, {"assistant_id": "asst_no"}),
        ask(server, here, {"assistant_id": "asst_no"}),
    ]
    words = [answer.json()["error"]["message"][:34] for answer in told]
    assert words == [
        "You didn't provide an API key. You",
        "You must provide the 'OpenAI-Beta'",
        "We could not parse the JSON body o",
        "Unknown parameter: 'foo'.",
        "Invalid 'temperature': decimal abo",
        "No thread found with id 'thread_no",
        "No assistant found with id 'asst_n",
    ]
