"""What models think: kept with the run, told to who asks for it (docs/extensions.md)."""

import json
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai._streaming import ServerSentEvent, SSEDecoder
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Run

from tests.api.test_run_events import followed, others, texts
from tests.api.test_runs import TEXT_RUN
from xiaozhi.chat_models.scripted import Calls, Hangs, Says, Scripted, Sends

THINKS = Says("Hello there.", thoughts="They greet me, so I greet them.")
PLAIN = Says("Hello there.")
WITH = {"include[]": "reasoning"}


def asked(client: OpenAI, assistant: Assistant, thread: Thread) -> Run:
    return client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )


def reasoning(client: OpenAI, run: Run, wanted: str = "reasoning") -> list[dict[str, Any]]:
    found = client.beta.threads.runs.retrieve(
        run.id, thread_id=run.thread_id, extra_query={"include[]": wanted}
    )
    return found.model_extra["reasoning"] if found.model_extra else []


def heard(client: OpenAI, run: Run) -> list[ServerSentEvent]:
    with httpx2.stream(
        "GET",
        f"{client.base_url}threads/{run.thread_id}/runs/{run.id}/events?include[]=reasoning",
        headers={"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {client.api_key}"},
    ) as response:
        return list(SSEDecoder().iter_bytes(response.iter_bytes()))


def thought_in(events: list[ServerSentEvent]) -> str:
    deltas = [e.json()["delta"] for e in events if e.event == "thread.run.reasoning.delta"]
    return "".join(delta["text"] for delta in deltas)


@pytest.mark.parametrize(
    "says",
    [
        THINKS,
        Says("Hello there.", thoughts="They greet me, so I greet them.", thoughts_as="reasoning"),
        Says("<think>\nThey greet me, so I greet them.\n</think>\n\nHello there."),
    ],
)
def test_thoughts_are_kept_beside_the_answer(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread, says: Says
):
    model.script = [says]
    run = asked(client, assistant, thread)
    message = client.beta.threads.messages.list(thread.id).data[0]
    assert [part.to_dict() for part in message.content] == [
        {"type": "text", "text": {"value": "Hello there.", "annotations": []}}
    ]
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id)
    [thought] = reasoning(client, run)
    assert thought["text"] == "They greet me, so I greet them."
    assert thought["step_id"] == step.id
    assert 0 <= thought["seconds"] < 60
    [known] = reasoning(client, run, "reasoning.seconds")
    assert known == {"step_id": step.id, "seconds": thought["seconds"]}


def test_who_does_not_ask_sees_nothing_of_them(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    """Answers and events are those of the same answer without thoughts, but for ids and times."""
    seen: list[Any] = []
    for says in (PLAIN, THINKS):
        model.script = [says]
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "你好"}])
        with client.beta.threads.runs.stream(
            thread_id=thread.id, assistant_id=assistant.id
        ) as stream:
            events = [(event.event, sorted(event.data.to_dict())) for event in stream]
        # How many pieces arrive together is a matter of time.
        told = [event for event in events if event[0] != "thread.message.delta"]
        run = client.beta.threads.runs.list(thread.id).data[0]
        late = [(event.event, sorted(event.json())) for event in followed(client, run)[:-1]]
        lists = [
            client.beta.threads.runs.list(thread.id).data[0].to_dict(),
            client.beta.threads.messages.list(thread.id).data[0].to_dict(),
            client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data[0].to_dict(),
        ]
        seen.append([told, late, [sorted(found) for found in lists]])
    assert seen[0] == seen[1]


def test_the_stream_of_events_tells_them_to_who_asks(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("Hello there.", thoughts="one two three", pause=0.05)]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    live, late = heard(client, run), heard(client, run)
    assert [event.event for event in late] == [
        *TEXT_RUN[:3],
        "thread.run.reasoning.delta",
        "thread.run.reasoning.completed",
        *TEXT_RUN[3:],
        "done",
    ]
    assert thought_in(live) == thought_in(late) == "one two three"
    assert texts(live) == texts(late) == "Hello there."
    [delta] = [e.json() for e in late if e.event == "thread.run.reasoning.delta"]
    [done] = [e.json() for e in late if e.event == "thread.run.reasoning.completed"]
    [thought] = reasoning(client, run)
    assert delta == {
        "id": run.id,
        "object": "thread.run.reasoning.delta",
        "delta": {"step_id": thought["step_id"], "text": "one two three"},
    }
    assert done == {
        "id": run.id,
        "object": "thread.run.reasoning",
        "step_id": thought["step_id"],
        "seconds": thought["seconds"],
    }
    # Numbers are the same for both kinds of listeners.
    of_both = [event for event in live if not (event.event or "").startswith("thread.run.reas")]
    assert others(of_both) == others(followed(client, run))


def test_the_list_of_runs_has_them_too(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [THINKS, PLAIN]
    asked(client, assistant, thread)
    asked(client, assistant, thread)
    found = client.beta.threads.runs.list(thread.id, extra_query=WITH).data
    kept = [(run.model_extra or {})["reasoning"] for run in found]
    assert [[one["text"] for one in of_run] for of_run in kept] == [
        [],
        ["They greet me, so I greet them."],
    ]
    # Another word is passed over, as ever.
    plain = client.beta.threads.runs.list(thread.id, extra_query={"include[]": "x"}).data
    assert "reasoning" not in plain[0].to_dict()


def test_a_run_that_is_cancelled_in_mid_thought_keeps_what_it_thought(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("never", thoughts=["hm "] * 5000, pause=0.02)]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    with httpx2.stream(
        "GET",
        f"{client.base_url}threads/{thread.id}/runs/{run.id}/events?include[]=reasoning",
        headers={"OpenAI-Beta": "assistants=v2", "Authorization": f"Bearer {client.api_key}"},
    ) as response:
        for event in SSEDecoder().iter_bytes(response.iter_bytes()):
            if event.event == "thread.run.reasoning.delta":
                client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
                break
    ended = client.beta.threads.runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20)
    assert ended.status == "cancelled"
    assert len(client.beta.threads.messages.list(thread.id).data) == 1
    [thought] = reasoning(client, run)
    assert thought["text"].startswith("hm ")
    assert thought["seconds"] is not None


def test_thoughts_go_back_within_their_run_alone(client: OpenAI, model: Scripted, thread: Thread):
    weather: Any = {"type": "function", "function": {"name": "weather"}}
    assistant = client.beta.assistants.create(model="scripted", tools=[weather])
    model.script = [
        Calls([("weather", "{}")], thoughts="I need the weather."),
        Says("It rains.", thoughts="Now I know."),
        Says("Yes."),
    ]
    run = asked(client, assistant, thread)
    assert run.required_action
    [call] = run.required_action.submit_tool_outputs.tool_calls
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": call.id, "output": "rain"}],
        poll_interval_ms=20,
    )
    called = model.requests[1]["messages"][-2]
    assert called["reasoning_content"] == "I need the weather."
    assert called["tool_calls"]
    assert [one["text"] for one in reasoning(client, run)] == ["I need the weather.", "Now I know."]
    assert thought_in(heard(client, run)) == "I need the weather.Now I know."
    client.beta.threads.messages.create(thread.id, role="user", content="Sure?")
    asked(client, assistant, thread)
    assert "reasoning" not in json.dumps(model.requests[2])


def test_a_nul_and_an_odd_line_end_can_be_thought(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("fine", thoughts=["a\0b ", " \u2028c"])]
    run = asked(client, assistant, thread)
    assert run.status == "completed"
    assert reasoning(client, run)[0]["text"] == "a\0b  \u2028c"
    assert thought_in(heard(client, run)) == "a\0b  \u2028c"


def test_thoughts_go_with_their_thread(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("never", thoughts="hm " * 50, pause=0.02), Hangs()]
    client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    assert client.beta.threads.delete(thread.id).deleted


def test_what_is_thought_in_the_midst_of_an_answer_is_kept(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    def chunk(finish_reason: str | None = None, **delta: str) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"object": "chat.completion.chunk", "choices": [choice]}

    model.script = [
        Sends.events(
            chunk(reasoning_content="First this."),
            chunk(content="One "),
            chunk(reasoning_content=" Then that."),
            chunk(content="two."),
            chunk("stop"),
            pause=0.1,
        )
    ]
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    events = heard(client, run)
    assert thought_in(events) == "First this. Then that."
    completed = [event for event in events if event.event == "thread.run.reasoning.completed"]
    [thought] = reasoning(client, run)
    assert thought["text"] == "First this. Then that."
    told = sum(event.json()["seconds"] for event in completed)
    assert thought["seconds"] == pytest.approx(told, abs=0.02)
    [answer] = client.beta.threads.messages.list(thread.id, run_id=run.id).data
    assert answer.content[0].to_dict()["text"] == {"value": "One two.", "annotations": []}
