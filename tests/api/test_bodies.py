"""Bodies are bounded before anything is built of them, and refused in the API's words."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_transport import ask
from tests.running import Running
from xiaozhi.api.bodies import MOST_VALUES, ValueCount
from xiaozhi.api.transport import LARGEST_BODY
from xiaozhi.request_limits import MESSAGES, MOVED_MESSAGES, PARTS, TOOL_OUTPUTS


def refused(server: Running, path: str, body: bytes) -> tuple[int, dict[str, Any], float]:
    """Status, error, and CPU seconds of this process, in which the server runs."""
    began = time.process_time()
    answer = ask(server, f"/v1{path}", body)
    return answer.status, answer.json()["error"], time.process_time() - began


def many(head: bytes, item: bytes, count: int, tail: bytes) -> bytes:
    return head + b",".join([item] * count) + tail


@pytest.mark.parametrize(
    "make",
    [
        lambda: many(b'{"messages":[', b"0", 10_000_000, b"]}"),
        lambda: many(b'{"metadata":{"tags":[', b'"a"', 5_000_000, b"]}}"),
        lambda: b"{" + b",".join(b'"k%d":1' % n for n in range(300_000)) + b"}",
        lambda: b'{"messages":' + b"[" * 20_000_000,
        lambda: many(b"[", b'{"\\"":"\\\\"}', 1_000_000, b"]"),
    ],
    ids=["items", "nested items", "keys", "depth", "escapes"],
)
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(
    server: Running, make: Callable[[], bytes]
):
    status, error, took = refused(server, "/threads", make())
    assert (status, error["code"]) == (400, "object_above_max_properties")
    assert f"more than {MOST_VALUES} values" in error["message"]
    # 6 s for a million items when each one made an error of its own
    assert took < 1


MESSAGE = b'{"role":"user","content":"x"}'
LISTS = [
    ("/threads", b'{"messages":[', MESSAGE, b"]}", MESSAGES),
    ("/threads/t/runs", b'{"assistant_id":"a","additional_messages":[', MESSAGE, b"]}", MESSAGES),
    ("/threads/runs", b'{"assistant_id":"a","thread":{"messages":[', MESSAGE, b"]}}", MESSAGES),
    (
        "/threads/t/messages",
        b'{"role":"user","content":[',
        b'{"type":"text","text":"x"}',
        b"]}",
        PARTS,
    ),
    (
        "/threads/t/runs/r/submit_tool_outputs",
        b'{"tool_outputs":[',
        b'{"tool_call_id":"x"}',
        b"]}",
        TOOL_OUTPUTS,
    ),
    (
        "/threads/t/exchange",
        b'{"other_thread_id":"t","since":"m","messages":[',
        b'"x"',
        b"]}",
        MOVED_MESSAGES,
    ),
]


@pytest.mark.parametrize(
    ("path", "head", "item", "tail", "most"), LISTS, ids=[path for path, *_ in LISTS]
)
def test_a_list_has_a_limit_and_costs_one_error(
    server: Running, path: str, head: bytes, item: bytes, tail: bytes, most: int
):
    status, error, _ = refused(server, path, many(head, item, most + 1, tail))
    assert (status, error["code"]) == (400, "array_above_max_length")
    assert f"maximum length {most}, but got an array with length {most + 1}" in error["message"]
    status, error, took = refused(server, path, many(head, b"[]", 100_000, tail))
    assert (status, error["code"]) == (400, "invalid_type")
    assert error["param"].endswith("[0]")
    assert took < 1


def test_many_unknown_keys_cost_one_error(server: Running):
    body = b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}"
    status, error, took = refused(server, "/threads", body)
    assert (status, error["param"], error["code"]) == (400, "k0", "unknown_parameter")
    assert took < 1


def test_metadata_is_counted_before_its_values_are_looked_at(server: Running):
    pairs = b",".join(b'"k%d":1' % n for n in range(100_000))
    status, error, took = refused(server, "/threads", b'{"metadata":{' + pairs + b"}}")
    assert (status, error["code"]) == (400, "object_above_max_properties")
    assert "at most 16 properties, but got an object with 100000" in error["message"]
    assert took < 1


def test_a_body_that_is_too_large_is_refused(server: Running):
    body = b'{"metadata":{"k":"' + b"x" * LARGEST_BODY + b'"}}'
    status, error, _ = refused(server, "/threads", body)
    assert (status, error["type"]) == (413, "invalid_request_error")


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize(
    "broken", ['{"metadata":%s', "[%s", '{"metadata":{"k":%s}} x', "%s" + "[" * 9_999], ids=repr
)
def test_what_is_not_json_is_refused_in_the_same_words_at_each_size(
    server: Running, broken: str, size: int
):
    body = (broken % json.dumps("x" * size)).encode()
    status, error, _ = refused(server, "/threads", body)
    assert (status, error["code"]) == (400, None)
    assert error["message"].startswith("We could not parse the JSON body of your request.")


@pytest.mark.parametrize("path", ["/chat/completions", "/threads"])
@pytest.mark.parametrize("depth", [500, 900])
def test_what_is_nested_too_deep_to_be_written_again_is_refused(
    server: Running, path: str, depth: int
):
    body = b'{"model":"scripted","messages":' + b"[" * depth + b"]" * depth + b"}"
    status, error, _ = refused(server, path, body)
    assert (status, error["code"]) == (400, None)
    assert "nested more than 400 levels deep" in error["message"]


@pytest.mark.parametrize("as_parts", [False, True])
def test_the_texts_of_a_request_have_a_limit_together(
    server: Running, client: OpenAI, as_parts: bool
):
    """Who makes them searchable keeps the database from all others for as long."""
    path, param = "/threads", "messages"
    said: list[Any] = [{"role": "user", "content": "x" * 256_000}] * 9
    if as_parts:
        said = [{"role": "user", "content": [{"type": "text", "text": "x" * 256_000}] * 9}]
        param = "messages[0].content"
    status, error, _ = refused(server, path, json.dumps({"messages": said}).encode())
    assert (status, error["param"], error["code"]) == (400, param, "string_above_max_length")
    assert "at most 2048000, but got a total length of 2304000" in error["message"]
    just_enough: Any = [{"role": "user", "content": "x" * 256_000}] * 8
    client.beta.threads.create(messages=just_enough)


def test_a_large_field_is_refused_by_its_name(server: Running):
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 256_001}]}).encode()
    status, error, _ = refused(server, "/threads", body)
    assert (status, error["param"], error["code"]) == (
        400,
        "messages[0].content",
        "string_above_max_length",
    )


def test_what_is_large_and_right_is_taken(client: OpenAI, assistant: Assistant, thread: Thread):
    picture = "data:image/jpeg;base64," + "A" * 1_500_000
    content: Any = [{"type": "image_url", "image_url": {"url": picture}}] * 10
    message = client.beta.threads.messages.create(thread.id, role="user", content=content)
    assert [part.type for part in message.content] == ["image_url"] * 10
    said: Any = [{"role": "user", "content": f'{n} "quoted" \\ [,,,] '} for n in range(MESSAGES)]
    made = client.beta.threads.create(messages=said)
    newest = client.beta.threads.messages.list(made.id, limit=1).data[0]
    assert newest.to_dict()["content"] == [
        {"type": "text", "text": {"value": said[-1]["content"], "annotations": []}}
    ]


def values_in(text: str) -> int:
    """As `ValueCount` has it, one character after the other."""
    count, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        else:
            in_string = character == '"'
            count += character in ",:[{"
    return count


def test_values_are_counted_whatever_the_strings_hold_and_wherever_they_are_cut():
    chance = random.Random(14)
    for _ in range(300):
        strings = [
            "".join(chance.choices('\\"{[,:ab\n中', k=chance.randrange(12))) for _ in range(6)
        ]
        text = json.dumps({key: [strings, {key: 1.5}] for key in strings}, ensure_ascii=False)
        count, data = ValueCount(), text.encode()
        while data:
            cut = chance.randrange(1, 9)
            count.add(data[:cut])
            data = data[cut:]
        assert count.total == values_in(text)
