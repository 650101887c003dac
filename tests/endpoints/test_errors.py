"""Errors of endpoints in every form: the run fails with their words, and a code that fits."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.endpoints.conftest import Ask, answer, answer_text, chunk, failure
from xiaozhi.chat_models.scripted import Fails, Sends

NO_RETRY = (("x-should-retry", "false"),)
RATE, SERVER, PROMPT = "rate_limit_exceeded", "server_error", "invalid_prompt"

ERRORS: list[tuple[Any, str]] = [
    ({"error": {"message": "SECRET", "code": "boom"}}, SERVER),
    ({"error": "SECRET"}, SERVER),
    ({"error": True, "message": "SECRET"}, SERVER),
    ({"error": {"code": 1301, "reason": "SECRET"}}, SERVER),
    ({"error": ["SECRET"]}, SERVER),
    ({"object": "error", "message": "SECRET", "type": "x", "code": 500}, SERVER),
    ({"error_type": "x", "error_message": "SECRET", "choices": None}, SERVER),
    ({"error_code": 17, "error_msg": "SECRET"}, SERVER),
    ({"code": "InternalError", "message": "SECRET", "request_id": "x"}, SERVER),
    ({"detail": "SECRET"}, SERVER),
    ({"detail": [{"loc": ["body", "x"], "msg": "SECRET"}]}, SERVER),
    ({"errors": [{"message": "SECRET"}]}, SERVER),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "SECRET"}}, SERVER),
    ({"base_resp": {"status_code": 1013, "status_msg": "SECRET"}, "choices": None}, SERVER),
    ({"choices": [{"index": 0, "error": {"message": "SECRET", "code": 502}}]}, SERVER),
    ({"choices": [{"delta": {"content": "", "error": {"message": "SECRET"}}}]}, SERVER),
    (
        {"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "SECRET"}}]},
        SERVER,
    ),
    (
        {"error": {"message": "Provider returned error", "metadata": {"raw": '{"x": "SECRET"}'}}},
        SERVER,
    ),
    ({"error": {"message": "SECRET", "code": 429}}, RATE),
    ({"error": {"message": "SECRET", "code": "429"}}, RATE),
    ({"error": {"message": "SECRET", "type": "rate_limit_error"}}, RATE),
    ({"error": {"message": "SECRET", "code": "rate_limit_exceeded"}}, RATE),
    ({"error": {"message": "SECRET", "status": "RESOURCE_EXHAUSTED", "code": 8}}, RATE),
    ({"error": {"message": "Rate limit reached for x. SECRET", "type": "tokens"}}, RATE),
    ({"code": "Throttling.RateQuota", "message": "SECRET"}, RATE),
    ({"error": {"message": "prompt is too long: 210000 tokens > 200000 SECRET"}}, PROMPT),
    ({"error": "Input length 9000 exceeds the limit of 8192 SECRET"}, PROMPT),
    ({"error": {"message": "SECRET", "code": "context_length_exceeded"}}, PROMPT),
    (
        {
            "error": {
                "message": "SECRET The input token count (9) exceeds the maximum number of tokens"
            }
        },
        PROMPT,
    ),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_an_error_in_a_stream_fails_the_run_with_its_words(
    client: OpenAI, ask: Ask, error: Any, code: str
):
    run = ask(Sends.events(chunk(content="Hel"), error))
    found, message = failure(run)
    assert found == code
    assert "SECRET" in message
    assert answer_text(client, run) == "Hel"


@pytest.mark.parametrize(("error", "code"), ERRORS)
@pytest.mark.parametrize("in_a_list", [False, True])
def test_an_error_in_place_of_an_answer_with_200(ask: Ask, error: Any, code: str, in_a_list: bool):
    sent = json.dumps([error] if in_a_list else error).encode()
    run = ask(Sends([sent], "application/json"))
    found, message = failure(run)
    assert found == code
    assert "SECRET" in message
    assert "in the middle" not in message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"event: error\ndata: SECRET\n\n", SERVER),
        (b"data: SECRET\nevent: error\n\n", SERVER),
        (b'event: error\ndata: {"message": "SECRET"}\n\n', SERVER),
        (b'event: error\ndata: {"x": "SECRET"}\n\n', SERVER),
        (
            b'event: error\ndata: {"error": {"message": "SECRET", "type": "rate_limit_error"}}\n\n',
            RATE,
        ),
        (b"event: error\ndata: Too many requests, SECRET\n\n", RATE),
        (b"data: SECRET\n\n", SERVER),
    ],
)
def test_an_event_that_is_an_error(ask: Ask, data: bytes, code: str):
    found, message = failure(ask(Sends([data])))
    assert found == code
    assert "SECRET" in message


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": {"message": "a \xff SECRET"}}', PROMPT),
        (400, b'\xef\xbb\xbf{"error": {"message": "SECRET"}}', PROMPT),
        (400, b'{"error": {"message": "SECRET \\ud83d"}}', PROMPT),
        (400, b'[{"error": {"code": 400, "message": "SECRET", "status": "X"}}]', PROMPT),
        (422, b'{"message": {"detail": [{"loc": ["body", "x"], "msg": "SECRET"}]}}', PROMPT),
        (400, b"SECRET \xff", PROMPT),
        (400, b'{"message": "prompt is too long", "more": "SECRET"}', PROMPT),
        (413, b'{"error": {"message": "SECRET (TPM)", "code": "rate_limit_exceeded"}}', RATE),
        (400, b'{"error": {"message": "SECRET", "type": "rate_limit_error"}}', RATE),
        (529, b'{"error": {"message": "SECRET", "type": "overloaded_error"}}', SERVER),
        (429, b"SECRET", RATE),
    ],
)
def test_an_http_error_is_told_whatever_its_bytes(ask: Ask, status: int, body: bytes, code: str):
    run = ask(Sends([body], "application/json; charset=no-such-charset", status, headers=NO_RETRY))
    found, message = failure(run)
    assert found == code
    assert "SECRET" in message or "prompt is too long" in message
    assert "The server had an error" not in message


def test_openai_s_words_come_first(ask: Ask):
    """By them programs decide whether to try again."""
    _, message = failure(ask(Fails(429, "slow down, try again in 20s", headers=NO_RETRY)))
    assert message.startswith("Rate limit reached")
    assert message.endswith("slow down, try again in 20s")
    _, message = failure(ask(Fails(503, "overloaded", headers=NO_RETRY)))
    assert message.startswith("Sorry, something went wrong.")
    assert message.endswith("The model endpoint failed: overloaded")


@pytest.mark.parametrize("nothing", [None, "", {}, False, {"code": None, "message": None}])
def test_an_error_that_is_none_is_none(client: OpenAI, ask: Ask, nothing: Any):
    """Some send the field with each chunk."""
    run = ask(
        Sends.events(
            {**chunk(content="Hel"), "error": nothing},
            {**chunk(content="lo"), "error": nothing},
            {**chunk("stop"), "error": nothing},
        )
    )
    assert run.status == "completed"
    assert answer_text(client, run) == "Hello"


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource", "network_error"])
def test_an_answer_that_ends_with_an_error_has_failed(client: OpenAI, ask: Ask, reason: str):
    run = ask(Sends.events(chunk(content="Hel"), chunk(reason)))
    code, message = failure(run)
    assert code == SERVER
    assert reason in message
    assert answer_text(client, run) == "Hel"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (Sends([b"<html>Please log in: SECRET</html>"], "text/html"), "text/html"),
        (Sends([b""]), "no answer"),
        (Sends([b'{"choices": []}'], "application/json"), "no answer"),
        (Sends([b'{"choices": [{"mess'], "application/json"), "not JSON"),
        (Sends([b"[" * 5_000]), "nested too deep"),
        (Sends([b"data: " + b"[" * 5_000 + b"]" * 5_000 + b"\n\n"]), "nested too deep"),
        (Sends([b'data: {"choices": [{"delta": {"cont']), "broke off"),
    ],
)
def test_what_is_no_answer_is_told_as_the_endpoint_s(ask: Ask, sent: Sends, words: str):
    code, message = failure(ask(sent))
    assert code == SERVER
    assert words in message
    assert "SECRET" not in message
    assert message.startswith("Sorry, something went wrong. The model")


def test_a_retry_after_that_is_no_number_is_passed_over(ask: Ask):
    fails = Fails(500, headers=(("retry-after", "nan"),))
    assert ask(fails, answer("Hello")).status == "completed"
