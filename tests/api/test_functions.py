"""Functions that a run calls and its client answers (contract 7.6, 8 and 9.3)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AssistantEventHandler, BadRequestError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_run_events import followed
from tests.api.test_runs import TEXT_RUN, ended, names, streamed, text_of_last
from tests.running import Running, running
from xiaozhi.chat_models.scripted import Calls, Fails, Hangs, Says, Scripted

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'
CALLS_RUN = [*TEXT_RUN[:5], "thread.run.step.delta", "thread.run.requires_action"]
# After the outputs: the old step first, then as from the run's second breath on
SUBMITTED_RUN = ["thread.run.step.completed", *TEXT_RUN[1:]]


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    return client.beta.assistants.create(
        model="scripted", instructions="Be brief.", tools=[WEATHER]
    )


def brief(events: list[Any]) -> list[str]:
    """Their names in order, repeated deltas counted once."""
    found: list[str] = []
    for event in events:
        if not event.event.endswith(".delta") or found[-1] != event.event:
            found.append(event.event)
    return found


def calls_of(run: Run) -> list[Any]:
    assert run.required_action
    assert run.required_action.type == "submit_tool_outputs"
    return list(run.required_action.submit_tool_outputs.tool_calls)


def outputs(run: Run, *said: str) -> Any:
    calls = calls_of(run)
    return [
        {"tool_call_id": call.id, "output": output}
        for call, output in zip(calls, said, strict=True)
    ]


def asking(client: OpenAI, thread: Thread, assistant: Assistant, **more: Any) -> Run:
    """A run that waits for its client."""
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20, **more
    )
    assert run.status == "requires_action"
    return run


def test_a_call_stops_the_stream_and_its_output_goes_on(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)]), Says("Sunny.")]
    events = streamed(client, thread, assistant)
    assert brief(events) == CALLS_RUN
    begun = next(event.data for event in events if event.event == "thread.run.step.created")
    assert begun.to_dict()["step_details"] == {"type": "tool_calls", "tool_calls": []}
    run: Run = events[-1].data
    [call] = calls_of(run)
    assert call.to_dict() == {
        "id": call.id,
        "type": "function",
        "function": {"name": "weather", "arguments": PARIS},
    }
    assert call.id.startswith("call_")
    assert len(call.id) == len("call_") + 24
    assert run.usage is None
    assert run.expires_at
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert (step.status, step.usage) == ("in_progress", None)

    told = list(
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=thread.id, tool_outputs=outputs(run, "18 °C"), stream=True
        )
    )
    assert names(told) == SUBMITTED_RUN
    done: Any = told[0].data.to_dict()
    assert done["id"] == step.id
    assert done["step_details"]["tool_calls"][0]["function"]["output"] == "18 °C"
    assert done["usage"]["total_tokens"] > 0
    end: Run = told[-1].data  # type: ignore[assignment]  # the last event is the run's
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [found.type for found in steps] == ["tool_calls", "message_creation"]
    assert end.usage
    assert end.usage.total_tokens == sum(found.usage.total_tokens for found in steps if found.usage)
    assert text_of_last(client, thread.id) == "Sunny."
    assert model.requests[1]["messages"][1:] == [
        {"role": "user", "content": "你好"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": "weather", "arguments": PARIS},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "18 °C"},
    ]


def test_deltas_of_calls_add_up(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS), ("weather", ROME)], pause=0.01)]
    events = streamed(client, thread, assistant)
    deltas = [
        call
        for event in events
        if event.event == "thread.run.step.delta"
        for call in event.data.to_dict()["delta"]["step_details"]["tool_calls"]
    ]
    first = next(call for call in deltas if call["index"] == 1)
    assert first == {
        "index": 1,
        "id": first["id"],
        "type": "function",
        "function": {"name": "weather", "arguments": "", "output": None},
    }
    for index, arguments in enumerate((PARIS, ROME)):
        of_it = [call for call in deltas if call["index"] == index]
        assert "".join(call["function"]["arguments"] for call in of_it) == arguments
        assert sum("id" in call for call in of_it) == 1
    assert [call.function.arguments for call in calls_of(events[-1].data)] == [PARIS, ROME]


def test_the_handler_of_the_sdk_sees_the_calls(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    heard: list[str] = []

    class Handler(AssistantEventHandler):
        def on_tool_call_created(self, tool_call: Any) -> None:
            heard.append(f"created {tool_call.function.name}")

        def on_tool_call_done(self, tool_call: Any) -> None:
            heard.append(f"done {tool_call.function.arguments}")

    model.script = [Calls([("weather", PARIS), ("weather", ROME)]), Says("Both fine.")]
    runs = client.beta.threads.runs
    with runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
    ) as stream:
        stream.until_done()
        run = stream.current_run
        assert len(stream.get_final_run_steps()) == 1
    assert heard == ["created weather", f"done {PARIS}", "created weather", f"done {ROME}"]
    assert run
    with runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "a", "b")
    ) as stream:
        assert "".join(stream.text_deltas) == "Both fine."
        assert stream.get_final_run().status == "completed"


def test_outputs_may_come_in_any_order_and_the_model_sees_the_calls_order(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS), ("weather", ROME)]), Says("Done.")]
    run = asking(client, thread, assistant)
    answers = outputs(run, "paris", "rome")
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=answers[::-1], poll_interval_ms=20
    )
    assert run.status == "completed"
    contents = [message["content"] for message in model.requests[1]["messages"]]
    assert contents[-2:] == ["paris", "rome"]


def test_several_rounds_make_a_step_each(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [
        Calls([("weather", PARIS)]),
        Calls([("weather", ROME)]),
        Says("Paris 1, Rome 2."),
    ]
    runs = client.beta.threads.runs
    run = asking(client, thread, assistant, tool_choice="required")
    first = calls_of(run)[0].id
    submitted = runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs(run, "1")
    )
    assert (submitted.status, submitted.required_action) == ("queued", None)
    run = runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20)
    assert calls_of(run)[0].id != first
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "2"), poll_interval_ms=20
    )
    assert run.status == "completed"
    steps = runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [step.type for step in steps] == ["tool_calls", "tool_calls", "message_creation"]
    assert {step.status for step in steps} == {"completed"}
    # What is forced is forced once: a model would call for ever.
    choices = [request["tool_choice"] for request in model.requests]
    assert choices == ["required", "auto", "auto"]


def test_words_before_a_call_are_a_message_of_their_own(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)], text="Let me look."), Says("Sunny.")]
    events = streamed(client, thread, assistant)
    assert brief(events) == [
        *TEXT_RUN[:8],
        "thread.message.completed",
        "thread.run.step.completed",
        *CALLS_RUN[3:],
    ]
    run: Run = events[-1].data
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=outputs(run, "18 °C"),
        poll_interval_ms=20,
    )
    assert model.requests[1]["messages"][2]["content"] == "Let me look."
    assert "tool_calls" in model.requests[1]["messages"][2]
    messages = client.beta.threads.messages.list(thread.id, run_id=run.id, order="asc").data
    assert len(messages) == 2


def test_the_model_is_told_of_the_functions_and_the_choice(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    named: Any = {"type": "function", "function": {"name": "weather"}}
    streamed(client, thread, assistant, tool_choice=named, parallel_tool_calls=False)
    [request] = model.requests
    assert request["tools"] == [WEATHER]
    assert request["tool_choice"] == named
    assert request["parallel_tool_calls"] is False
    streamed(client, thread, assistant, tools=[])
    assert "tools" not in model.requests[1]
    assert "tool_choice" not in model.requests[1]
    assert "parallel_tool_calls" not in model.requests[1]


@pytest.mark.parametrize("wrong", ["missing", "unknown", "twice"])
def test_outputs_must_be_those_of_the_pending_calls(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread, wrong: str
):
    model.script = [Calls([("weather", PARIS), ("weather", ROME)]), Says("Done.")]
    run = asking(client, thread, assistant)
    good = outputs(run, "a", "b")
    ids = [answer["tool_call_id"] for answer in good]
    sent: Any = {
        "missing": good[:1],
        "unknown": [good[0], {"tool_call_id": "call_no", "output": "x"}],
        "twice": [good[0], good[0]],
    }[wrong]
    with pytest.raises(BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=sent)
    got = [answer["tool_call_id"] for answer in sent]
    words = f"Expected tool outputs for call_ids {ids}, got {got}"
    assert refused.value.body == {
        "message": words,
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=good, poll_interval_ms=20
    )
    assert run.status == "completed"
    said = 'Runs in status "completed" do not accept tool outputs.'
    with pytest.raises(BadRequestError, match=said):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread.id, tool_outputs=good)


@pytest.mark.parametrize(
    ("answer", "param", "code"),
    [
        ({"output": "x"}, "tool_outputs[0].tool_call_id", "missing_required_parameter"),
        (
            {"tool_call_id": "call_x", "output": 5},
            "tool_outputs[0].output",
            "invalid_type",
        ),
    ],
)
def test_an_output_has_a_call_and_a_text(
    client: OpenAI, thread: Thread, answer: Any, param: str, code: str
):
    with pytest.raises(BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(
            "run_x", thread_id=thread.id, tool_outputs=[answer]
        )
    assert (refused.value.param, refused.value.code) == (param, code)


def test_no_output_is_an_empty_one(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)])]
    run = asking(client, thread, assistant)
    answer: Any = {"tool_call_id": calls_of(run)[0].id}
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=[answer], poll_interval_ms=20
    )
    assert model.requests[1]["messages"][-1]["content"] == ""


def test_a_waiting_run_holds_the_thread_and_can_be_cancelled(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)])]
    run = asking(client, thread, assistant)
    with pytest.raises(BadRequestError, match="Can't add messages"):
        client.beta.threads.messages.create(thread.id, role="user", content="and?")
    cancelled = client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    assert (cancelled.status, cancelled.required_action) == ("cancelled", None)
    assert cancelled.expires_at is None
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
    assert step.status == "cancelled"
    assert cancelled.usage
    assert step.usage
    assert cancelled.usage.total_tokens == step.usage.total_tokens > 0
    client.beta.threads.messages.create(thread.id, role="user", content="and?")
    assert followed(client, run)[-2].event == "thread.run.cancelled"


def test_calls_that_are_being_told_can_be_cancelled(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", json.dumps({"city": "x" * 500}))], pause=0.02)]
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant.id, stream=True
    )
    events: list[Any] = []
    for event in stream:
        events.append(event)
        if len(events) == 9:
            client.beta.threads.runs.cancel(events[0].data.id, thread_id=thread.id)
    assert brief(events)[-2:] == ["thread.run.step.cancelled", "thread.run.cancelled"]


def test_a_thread_can_be_deleted_under_a_waiting_run(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)])]
    asking(client, thread, assistant)
    assert client.beta.threads.delete(thread.id).deleted


def test_a_model_that_fails_after_the_outputs_fails_the_run(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)]), Fails(400, "no")]
    run = asking(client, thread, assistant)
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), poll_interval_ms=20
    )
    assert run.status == "failed"
    assert run.usage
    assert run.usage.total_tokens > 0


def test_a_run_with_calls_is_told_again_from_its_rows(
    server: Running, client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Calls([("weather", PARIS)]), Says("Sunny.")]
    run = asking(client, thread, assistant)

    async def forget() -> None:
        server.rooms.events.forget(run.id)

    server.on_the_loop(forget)
    told = followed(client, run)
    assert [event.event for event in told] == [*CALLS_RUN, "done"]
    submitted = client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), stream=True
    )
    assert names(list(submitted)) == SUBMITTED_RUN
    server.on_the_loop(forget)
    events = [event.event for event in followed(client, run)]
    assert events == [*CALLS_RUN[:-1], "thread.run.step.completed", *TEXT_RUN[3:], "done"]


@pytest.fixture
def hasty(model_server: tuple[Scripted, str], tmp_path: Path) -> Iterator[Running]:
    """A server whose runs expire after two seconds."""
    with running(tmp_path, model_url=model_server[1], run_expires_after=2) as server:
        yield server


def test_a_run_that_waits_too_long_expires(hasty: Running, model: Scripted):
    with hasty.client() as client:
        assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        model.script = [Calls([("weather", PARIS)])]
        run = asking(client, thread, assistant)
        late = outputs(run, "late")
        while run.status == "requires_action":
            time.sleep(0.05)
            run = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
        assert (run.status, run.required_action, run.expires_at) == ("expired", None, None)
        [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
        assert step.status == "expired"
        assert step.expired_at
        with pytest.raises(BadRequestError, match='Runs in status "expired"'):
            client.beta.threads.runs.submit_tool_outputs(
                run.id, thread_id=thread.id, tool_outputs=late
            )
        client.beta.threads.messages.create(thread.id, role="user", content="again")


def test_a_model_that_never_answers_lets_the_run_expire(hasty: Running, model: Scripted):
    with hasty.client() as client:
        assistant = client.beta.assistants.create(model="scripted")
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        model.script = [Hangs()]
        run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
        assert ended(client, run).status == "expired"
