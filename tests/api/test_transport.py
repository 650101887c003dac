"""What every request passes and every answer has, over plain HTTP (contract 1 and 2)."""

import http.client
import json
from typing import Any

import pytest

from tests.running import KEY, Running

# Headers, bodies and queries are read before any database is asked.
pytestmark = pytest.mark.one_database

HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "OpenAI-Beta": "assistants=v2",
    "Content-Type": "application/json",
}


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: Running,
    path: str,
    body: Any = None,
    method: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    data = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
    try:
        connection.request(
            method or ("GET" if data is None else "POST"),
            path,
            data,
            HEADERS if headers is None else headers,
        )
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_every_answer_can_be_told_apart(server: Running):
    answers = [
        ask(server, "/v1/models"),
        ask(server, "/v1/nowhere"),
        ask(server, "/v1/threads", {}),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert answer.headers["openai-version"] == "2020-10-01"
        assert answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("authorization", "code", "words"),
    [
        ("", None, "You didn't provide an API key."),
        ("Basic abc", None, "You didn't provide an API key."),
        (
            "Bearer sk-wrong-and-long-enough",
            "invalid_api_key",
            "Incorrect API key provided: sk-...ough.",
        ),
    ],
)
def test_without_the_key_nothing_is_answered(
    server: Running, authorization: str, code: str | None, words: str
):
    for path in ("/v1/models", "/v1/assistants", "/v1/nowhere"):
        answer = ask(server, path, headers={"Authorization": authorization})
        assert answer.status == 401
        error = answer.json()["error"]
        assert error["code"] == code
        assert words in error["message"]
        assert "wrong-and-long" not in error["message"]


def test_the_beta_header_is_asked_for_where_openai_asks_for_it(server: Running):
    headers = {"Authorization": f"Bearer {KEY}"}
    for path in ("/v1/assistants", "/v1/threads/thread_x", "/v1/threads/thread_x/messages"):
        answer = ask(server, path, headers=headers)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_beta")
    assert ask(server, "/v1/models", headers=headers).status == 200
    both = {**headers, "OpenAI-Beta": "realtime=v1, assistants=v2"}
    assert ask(server, "/v1/assistants", headers=both).status == 200


def test_the_key_may_come_in_azures_header(server: Running):
    """Everywhere: programs bring it to /v1 too."""
    for path in ("/v1/models", "/metrics"):
        assert ask(server, path, headers={"api-key": KEY}).status == 200
        # Some clients must send the other header, and put anything into it.
        both = {"api-key": KEY, "Authorization": "Bearer placeholder"}
        assert ask(server, path, headers=both).status == 200
        answer = ask(server, path, headers={"api-key": "sk-wrong-and-long-enough"})
        error = answer.json()["error"]
        assert (answer.status, error["code"]) == (401, "invalid_api_key")
        assert error["message"].startswith("Incorrect API key provided: sk-...ough.")
    nothing = ask(server, "/v1/models", headers={"api-key": " "}).json()["error"]
    assert "or in an api-key header (i.e. api-key: YOUR_KEY)." in nothing["message"]


@pytest.mark.parametrize(
    "value",
    ["assistants=v2;realtime=v1", "realtime=v1; assistants=v2", "assistants=v1, assistants=v2"],
)
def test_beta_values_may_be_joined_as_clients_do(server: Running, value: str):
    headers = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": value}
    assert ask(server, "/v1/assistants", headers=headers).status == 200


def test_the_first_version_of_the_api_is_told_that_it_is_gone(server: Running):
    headers = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "assistants=v1"}
    answer = ask(server, "/v1/assistants", headers=headers)
    assert (answer.status, answer.json()["error"]) == (
        400,
        {
            "message": "The v1 Assistants API has been deprecated. Please try again by setting the "
            "header 'OpenAI-Beta: assistants=v2'. See the migration guide for more information: "
            "https://platform.openai.com/docs/assistants/migration.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_beta",
        },
    )
    for path in ("/v1/files", "/v1/vector_stores", "/v1/models/nobody"):
        # These never wanted the header, whatever stands in it.
        assert ask(server, path, headers=headers).status == 404


@pytest.mark.parametrize("body", ["{", "nonsense", b"\xff\xfe", "[1]", '"text"', "{'a': 1}"])
def test_what_is_no_json_object_is_told_so(server: Running, body: str | bytes):
    answer = ask(server, "/v1/assistants", body)
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["message"].startswith("We could not parse the JSON body of your request.")
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)


def test_half_a_character_is_refused(server: Running):
    thread = ask(server, "/v1/threads", {}).json()["id"]
    body = '{"role": "user", "content": "\\ud800"}'
    answer = ask(server, f"/v1/threads/{thread}/messages", body)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_type")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('{"a":' * 300 + "1" + "}" * 300, "nested more than 100 levels deep"),
        ('{"a": {"b": ["\\ud800"]}}', "holds half a character"),
    ],
    ids=["deep", "half a character"],
)
def test_a_schema_that_cannot_be_kept_is_refused(server: Running, schema: str, words: str):
    json_schema = f'{{"type": "json_schema", "json_schema": {{"name": "x", "schema": {schema}}}}}'
    answer = ask(server, "/v1/assistants", f'{{"model": "m", "response_format": {json_schema}}}')
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_value")
    assert answer.json()["error"]["param"] == "response_format.json_schema.schema"
    assert words in answer.json()["error"]["message"]


def test_other_content_types_are_refused(server: Running):
    headers = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(server, "/v1/assistants", "model=x", headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (415, "unsupported_content_type")


def test_a_body_without_an_end_is_cut(server: Running):
    headers = {**HEADERS, "Content-Length": str(65 * 2**20)}
    answer = ask(server, "/v1/assistants", "{}", headers=headers)
    assert answer.status == 413
    assert "too large" in answer.json()["error"]["message"]


def test_an_empty_body_is_fine_where_nothing_is_required(server: Running):
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    answer = ask(server, "/v1/threads", method="POST", headers=headers)
    assert answer.status == 200
    assert answer.json()["object"] == "thread"


def test_what_is_not_there_is_told_in_the_shape_of_the_api(server: Running):
    for method, path, status in (
        ("GET", "/v1/nowhere", 404),
        ("GET", "/v1/files", 404),
        ("GET", "/v1/vector_stores", 404),
        ("POST", "/v1/vector_stores", 404),
        ("PUT", "/v1/threads", 405),
        ("GET", "/v1/threads/x/y/z", 404),
        ("GET", "/v1/threads/%0A", 404),
    ):
        body = "{}" if method == "POST" else None
        answer = ask(server, path, body, method=method)
        assert answer.status == status, path
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "integer_below_min_value", "limit"),
        ("limit=101", "integer_above_max_value", "limit"),
        ("limit=many", "invalid_type", "limit"),
        ("order=sideways", "invalid_value", "order"),
    ],
)
def test_a_page_that_cannot_be_is_refused(server: Running, query: str, code: str, param: str):
    answer = ask(server, f"/v1/assistants?{query}")
    assert answer.status == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)


def test_a_stream_is_framed_as_openais(server: Running):
    assistant = ask(server, "/v1/assistants", {"model": "scripted"}).json()["id"]
    said = {"messages": [{"role": "user", "content": "Hi"}]}
    thread = ask(server, "/v1/threads", said).json()["id"]
    answer = ask(server, f"/v1/threads/{thread}/runs", {"assistant_id": assistant, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-request-id"].startswith("req_")
    events = answer.body.decode().split("\n\n")
    assert events.pop() == ""
    assert events.pop() == "event: done\ndata: [DONE]"
    for event in events:
        name, data = event.split("\n")
        assert name.startswith("event: thread.")
        assert data.startswith("data: {")
        assert json.loads(data.removeprefix("data: "))["object"].startswith("thread")


def test_what_can_be_known_before_a_stream_is_told_plainly(server: Running):
    thread = ask(server, "/v1/threads", {}).json()["id"]
    answer = ask(server, f"/v1/threads/{thread}/runs", {"assistant_id": "asst_no", "stream": True})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")


def test_health_needs_no_key(server: Running):
    for path, status in (("/health", "ok"), ("/health/ready", "ready")):
        answer = ask(server, path, headers={})
        assert (answer.status, answer.json()["status"]) == (200, status)
