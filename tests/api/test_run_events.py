"""The events of a run as a stream that anybody can take up (docs/extensions.md)."""

import httpx2
import pytest
from openai import OpenAI
from openai._streaming import ServerSentEvent, SSEDecoder
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_runs import TEXT_RUN
from tests.running import Running
from xiaozhi.api import event_stream
from xiaozhi.chat_models.scripted import Says, Scripted


def followed(client: OpenAI, run: Run, after: str = "") -> list[ServerSentEvent]:
    """What the extension tells of a run, from the start or after an event that was seen."""
    headers = {"OpenAI-Beta": "assistants=v2"} | ({"Last-Event-ID": after} if after else {})
    path = f"threads/{run.thread_id}/runs/{run.id}/events"
    with httpx2.stream(
        "GET",
        f"{client.base_url}{path}",
        headers={**headers, "Authorization": f"Bearer {client.api_key}"},
    ) as response:
        return list(SSEDecoder().iter_bytes(response.iter_bytes()))


def texts(events: list[ServerSentEvent]) -> str:
    deltas = [event.json()["delta"] for event in events if event.event == "thread.message.delta"]
    return "".join(delta["content"][0]["text"]["value"] for delta in deltas)


def others(events: list[ServerSentEvent]) -> list[tuple[str | None, str]]:
    """(id, data) of all events that are not deltas."""
    return [(event.id, event.data) for event in events if event.event != "thread.message.delta"]


def test_a_run_can_be_followed_from_its_start_by_anybody(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two three", pause=0.4)]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    first, second = followed(client, run), followed(client, run)
    # Whoever reads slowly gets several pieces in one.
    assert 1 <= [event.event for event in first].count("thread.message.delta") <= 3
    # Who comes late gets the text in one piece.
    assert [event.event for event in second] == [*TEXT_RUN, "done"]
    assert texts(first) == texts(second) == "one two three"
    assert others(first) == others(second)
    assert [event.event for event in first if event.event != "thread.message.delta"] == [
        *TEXT_RUN[:7],
        *TEXT_RUN[8:],
        "done",
    ]
    [later] = [event for event in first if event.event == "thread.message.completed"]
    assert later.id
    rest = followed(client, run, after=later.id)
    assert [event.event for event in rest] == [*TEXT_RUN[9:], "done"]
    # An id of another time means nothing.
    assert len(followed(client, run, after="0.3")) == len(second)
    # The text goes on behind the piece that was seen last, and ends with the same id.
    deltas = [event for event in first if event.event == "thread.message.delta"]
    rest = followed(client, run, after=deltas[0].id or "")
    assert rest[0].id == deltas[2].id
    assert texts(rest[:1]) == " two three"


def test_a_run_that_nobody_remembers_is_told_from_its_rows(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one two three")]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )

    async def forget() -> None:
        server.rooms.events.forget(run.id)

    server.on_the_loop(forget)
    events = followed(client, run)
    assert [event.event for event in events] == [*TEXT_RUN, "done"]
    assert events[7].json()["delta"]["content"][0]["text"]["value"] == "one two three"


def test_a_sign_of_life_is_no_event(
    client: OpenAI,
    model: Scripted,
    assistant: Assistant,
    thread: Thread,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(event_stream, "KEEP_ALIVE", 0.05)
    model.script = [Says("one two three", can_be_held=True)]
    told: list[bytes] = []
    with model.held():
        run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
        with httpx2.stream(
            "GET",
            f"{client.base_url}threads/{thread.id}/runs/{run.id}/events",
            headers={"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {client.api_key}"},
        ) as response:
            pieces = response.iter_bytes()
            while b": ping" not in b"".join(told):
                told.append(next(pieces))
    # Where an id has come before, the SDKs make one of it that has no data, and fail at that.
    assert all(event.data for event in SSEDecoder().iter_bytes(iter(told)))
