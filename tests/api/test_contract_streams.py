"""Order, framing and deltas of every kind of stream (contract 9)."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_functions import CALLS_RUN, PARIS, ROME, WEATHER, asking, brief, outputs
from tests.api.test_runs import TEXT_RUN, streamed
from tests.api.test_transport import HEADERS, ask
from tests.running import Running, running
from xiaozhi.chat_models.scripted import Calls, Fails, Hangs, Line, Refuses, Says, Scripted
from xiaozhi.store import left_runs

ENDS = {"requires_action", "completed", "cancelled", "failed", "incomplete", "expired"}
BEGUN = TEXT_RUN[:8]
SAID = ["thread.message.completed", "thread.run.step.completed"]


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(
        model="scripted", instructions="Be brief.", tools=[WEATHER]
    )


STORIES: dict[str, tuple[Line, list[str]]] = {
    "says": (Says("one two three", pause=0.03), TEXT_RUN),
    "says nothing": (Says([]), [*TEXT_RUN[:3], "thread.run.completed"]),
    "refuses": (Refuses("I will not.", pause=0.03), TEXT_RUN),
    "calls": (Calls([("weather", PARIS)]), CALLS_RUN),
    "calls twice": (Calls([("weather", PARIS), ("weather", ROME)], pause=0.01), CALLS_RUN),
    "says and calls": (
        Calls([("weather", PARIS)], text="Let me see.", pause=0.01),
        [*BEGUN, *SAID, *CALLS_RUN[3:]],
    ),
    "fails": (Fails(400), [*TEXT_RUN[:3], "thread.run.failed"]),
    "breaks off": (
        Says("half", finish_reason=None),
        [*BEGUN, "thread.message.incomplete", "thread.run.step.failed", "thread.run.failed"],
    ),
    "is too long": (
        Says("half", finish_reason="length"),
        [*BEGUN, "thread.message.incomplete", SAID[1], "thread.run.incomplete"],
    ),
    "is filtered": (
        Says("half", finish_reason="content_filter"),
        [*BEGUN, "thread.message.incomplete", SAID[1], "thread.run.incomplete"],
    ),
}


@pytest.fixture(params=STORIES)
def story(
    request: pytest.FixtureRequest,
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
) -> tuple[list[Any], list[str]]:
    """The events of a run, and the order in which they should come."""
    line, order = STORIES[request.param]
    model.script = [line]
    return streamed(client, thread, assistant), order


@pytest.mark.one_database
def test_the_order_is_always_the_same(story: tuple[list[Any], list[str]]):
    events, order = story
    assert brief(events) == order
    ends = [event.event.rpartition(".")[2] for event in events]
    assert [name for name in ends if name in ENDS][-1] == ends[-1]


@pytest.mark.one_database
def test_deltas_add_up_to_what_is_told_in_the_end(story: tuple[list[Any], list[str]]):
    events, _ = story
    seen: set[str] = set()
    texts: dict[str, dict[int, str]] = {}
    for event in events:
        data = event.data.to_dict()
        kind = event.event.removeprefix("thread.")
        if kind in ("message.created", "run.step.created"):
            assert data["id"] not in seen, "created twice"
            seen.add(data["id"])
        elif kind == "message.delta":
            assert data["id"] in seen, "a delta before its message"
            assert set(data) == {"id", "object", "delta"}
            for part in data["delta"]["content"]:
                _add(texts.setdefault(data["id"], {}), part["index"], _words(part))
        elif kind == "run.step.delta":
            assert data["id"] in seen, "a delta before its step"
            for call in data["delta"]["step_details"]["tool_calls"]:
                arguments = call["function"]["arguments"]
                _add(texts.setdefault(data["id"], {}), call["index"], arguments)
        elif kind in ("message.completed", "message.incomplete"):
            assert [_words(part) for part in data["content"]] == list(texts[data["id"]].values())
            assert '"index"' not in json.dumps(data), "final objects carry no index"
        elif kind == "run.requires_action":
            calls = data["required_action"]["submit_tool_outputs"]["tool_calls"]
            [told] = [text for id, text in texts.items() if id.startswith("step_")]
            assert [call["function"]["arguments"] for call in calls] == list(told.values())


def _add(parts: dict[int, str], index: int, words: str) -> None:
    assert index <= len(parts), "indexes are dense, in order of appearance"
    parts[index] = parts.get(index, "") + words


def _words(part: dict[str, Any]) -> str:
    return part["refusal"] if part["type"] == "refusal" else part["text"]["value"]


@pytest.mark.one_database
def test_the_first_delta_of_a_text_alone_has_its_annotations(story: tuple[list[Any], list[str]]):
    events, _ = story
    deltas = [event.data.to_dict() for event in events if event.event == "thread.message.delta"]
    parts = [delta["delta"]["content"][0] for delta in deltas]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    assert ["annotations" in text for text in texts] == [True, *[False] * (len(texts) - 1)][
        : len(texts)
    ]


def test_what_was_told_last_is_what_can_be_read(
    story: tuple[list[Any], list[str]], server: Running
):
    """Streams and answers serialise alike, keys included."""
    events, _ = story
    last = {event.data.id: event.data.to_dict() for event in events if "delta" not in event.event}
    run = events[0].data
    path = f"/v1/threads/{run.thread_id}"
    for id, told in last.items():
        if told["object"] == "thread.run.step" and told["type"] == "tool_calls":
            continue  # its calls are told by deltas alone until it ends
        where = {
            "thread.run": f"{path}/runs/{id}",
            "thread.message": f"{path}/messages/{id}",
            "thread.run.step": f"{path}/runs/{run.id}/steps/{id}",
        }[told["object"]]
        assert ask(server, where).json() == told


def test_a_message_begins_empty_and_its_step_names_it(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two")]
    events = streamed(client, thread, assistant)
    by_name = {event.event: event.data.to_dict() for event in events}
    begun = by_name["thread.message.created"]
    assert (begun["content"], begun["status"]) == ([], "in_progress")
    assert (begun["assistant_id"], begun["run_id"]) == (assistant.id, events[0].data.id)
    assert (begun["attachments"], begun["completed_at"]) == ([], None)
    assert by_name["thread.run.step.created"]["step_details"] == {
        "type": "message_creation",
        "message_creation": {"message_id": begun["id"]},
    }
    assert by_name["thread.run.created"]["status"] == "queued"
    assert by_name["thread.run.in_progress"]["started_at"]


def test_a_thread_made_with_its_run_is_told_first(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Says("hello")]
    thread: Any = {"messages": [{"role": "user", "content": "hi"}], "metadata": {"a": "b"}}
    events: list[Any] = list(
        client.beta.threads.create_and_run(assistant_id=assistant.id, thread=thread, stream=True)
    )
    assert brief(events) == ["thread.created", *TEXT_RUN]
    assert events[0].data == client.beta.threads.retrieve(events[1].data.thread_id)
    assert events[0].data.metadata == {"a": "b"}


def test_a_silent_run_that_is_cancelled_says_so(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Hangs()]
    runs, events = client.beta.threads.runs, list[Any]()
    with runs.create(thread_id=thread.id, assistant_id=assistant.id, stream=True) as stream:
        for event in stream:
            events.append(event)
            if event.event == "thread.run.in_progress":
                runs.cancel(events[0].data.id, thread_id=thread.id)
    assert brief(events) == [*TEXT_RUN[:3], "thread.run.cancelling", "thread.run.cancelled"]


@pytest.mark.parametrize("name", STORIES)
def test_what_follows_the_outputs_has_the_order_of_any_turn(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread, name: str
):
    line, order = STORIES[name]
    model.script = [Calls([("weather", PARIS)]), line]
    run = asking(client, thread, assistant)
    told = client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), stream=True
    )
    assert brief(list(told)) == ["thread.run.step.completed", *order[1:]]


@pytest.fixture
def lonely(model_server: tuple[Scripted, str], tmp_path: Path) -> Iterator[Running]:
    """A server with runs of this test only."""
    with running(tmp_path, model_url=model_server[1]) as server:
        yield server


@pytest.mark.parametrize("helper", ["create", "stream"])
def test_a_stream_that_cannot_tell_the_end_raises_in_the_sdk(
    lonely: Running, model: Scripted, helper: str
):
    """Another process takes the run over: this one no longer knows how it ends."""
    with lonely.client() as client:
        assistant = client.beta.assistants.create(model="scripted")
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        runs: Any = client.beta.threads.runs
        model.script = [Says(["word "] * 50, pause=0.01)]
        store = lonely.rooms.store
        asked = {"thread_id": thread.id, "assistant_id": assistant.id}

        def listen(events: Iterable[Any]) -> None:
            for number, _ in enumerate(events):
                if number == 9:
                    lonely.on_the_loop(
                        lambda: store.write(lambda c: left_runs.claim_all(c, "another"))
                    )

        listening = runs.create(**asked, stream=True) if helper == "create" else None
        with (
            listening or runs.stream(**asked) as events,
            pytest.raises(APIError, match="The run went on elsewhere"),
        ):
            listen(events)


@pytest.fixture
def hasty(model_server: tuple[Scripted, str], tmp_path: Path) -> Iterator[Running]:
    """A server whose runs expire after one to two seconds: they begin within a whole one."""
    with running(tmp_path, model_url=model_server[1], run_expires_after=2) as server:
        yield server


@pytest.mark.parametrize(
    ("line", "order"),
    [
        (Hangs(), [*TEXT_RUN[:3], "thread.run.expired"]),
        (
            Says(["word "] * 400, pause=0.02),
            [
                *BEGUN,
                "thread.message.incomplete",
                "thread.run.step.expired",
                "thread.run.expired",
            ],
        ),
        (
            Calls([("weather", json.dumps({"city": "x" * 2000}))], pause=0.02),
            [*CALLS_RUN[:-1], "thread.run.step.expired", "thread.run.expired"],
        ),
    ],
    ids=["silent", "speaking", "calling"],
)
def test_an_expired_run_says_so_in_its_stream(
    hasty: Running, model: Scripted, line: Line, order: list[str]
):
    with hasty.client() as client:
        assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        model.script = [line]
        events = streamed(client, thread, assistant)
        assert brief(events) == order
        if isinstance(line, Says):
            [message] = client.beta.threads.messages.list(thread.id, limit=1).data
            assert message.incomplete_details
            assert message.incomplete_details.reason == "run_expired"


@pytest.mark.one_database
@pytest.mark.parametrize("kind", ["run", "thread and run", "outputs"])
def test_every_stream_is_framed_alike(
    server: Running,
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
    kind: str,
):
    model.script = [Calls([("weather", PARIS)])] if kind == "outputs" else []
    body: dict[str, Any] = {"assistant_id": assistant.id, "stream": True}
    path = "/v1/threads/runs" if kind == "thread and run" else f"/v1/threads/{thread.id}/runs"
    if kind == "outputs":
        run = asking(client, thread, assistant)
        path = f"{path}/{run.id}/submit_tool_outputs"
        body = {"tool_outputs": outputs(run, "它\n是"), "stream": True}
    model.script = [Says(["一\n二 ", "\u2028", "三"])]
    answer = ask(server, path, body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-length"] is None
    assert answer.headers["openai-version"] == "2020-10-01"
    *frames, last, nothing = answer.body.decode("utf-8").split("\n\n")
    assert (last, nothing) == ("event: done\ndata: [DONE]", "")
    for frame in frames:
        # Also by the rules of Python's splitlines, which know more line ends than SSE does
        name, data = frame.splitlines()
        assert name.startswith("event: thread.")
        json.loads(data.removeprefix("data: "))
    assert "一\\n二 " in answer.body.decode()


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("threads/runs", {"assistant_id": "asst_no"}, 404),
        ("threads/thread_no/runs", {"assistant_id": "asst_no"}, 404),
        ("threads/runs", {}, 400),
        ("threads/thread_no/runs/run_no/submit_tool_outputs", {"tool_outputs": []}, 404),
    ],
)
def test_what_is_wrong_before_the_run_is_no_stream(
    server: Running, path: str, body: dict[str, Any], status: int
):
    answer = ask(server, f"/v1/{path}", {**body, "stream": True}, headers=HEADERS)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("turns", [1, 3])
def test_each_turn_has_a_stream_of_its_own(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread, turns: int
):
    """No second `run.created`, and no delta of a step that this stream has not begun."""
    model.script = [Calls([("weather", PARIS)]) for _ in range(turns)]
    events = streamed(client, thread, assistant)
    submit: Callable[..., Any] = client.beta.threads.runs.submit_tool_outputs
    for turn in range(turns):
        run = events[-1].data
        events = list(
            submit(run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), stream=True)
        )
        rest = TEXT_RUN[1:] if turn == turns - 1 else CALLS_RUN[1:]
        assert brief(events) == ["thread.run.step.completed", *rest]
        begun = {event.data.id for event in events if event.event.endswith("created")}
        deltas = {event.data.id for event in events if event.event.endswith("delta")}
        assert deltas <= begun
