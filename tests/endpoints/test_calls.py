"""Function calls: where each begins, whatever its endpoint numbers, cuts or leaves out."""

import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.endpoints.conftest import (
    CLOCK,
    WEATHER,
    Ask,
    answer_text,
    call,
    called,
    calls,
    chunk,
    failure,
)
from xiaozhi.chat_models.scripted import Says, Scripted, Sends

PARIS, LYON = '{"city": "Paris"}', '{"city": "Lyon"}'
END = chunk("tool_calls")
BOTH = [("weather", PARIS), ("weather", LYON)]


@pytest.mark.parametrize(
    "chunks",
    [
        # Gemini: the index is always 0, the id empty or missing
        [
            calls(call("weather", PARIS, index=0, id="")),
            calls(call("weather", LYON, index=0, id="")),
        ],
        [calls(call("weather", PARIS, index=0)), calls(call("weather", LYON, index=0))],
        [calls(call("weather", PARIS, index=0), call("weather", LYON, index=0))],
        # No index
        [calls(call("weather", PARIS), call("weather", LYON))],
        [calls(call("weather", PARIS, id=None)), calls(call("weather", LYON, id=None))],
        # An older Ollama: ids of their own, one index
        [
            calls(call("weather", PARIS, index=0, id="a")),
            calls(call("weather", LYON, index=0, id="b")),
        ],
        # Two indexes with one id
        [
            calls(call("weather", PARIS, index=0, id="a")),
            calls(call("weather", LYON, index=1, id="a")),
        ],
        # Interleaved
        [
            calls(call("weather", "", index=0, id="a"), call("weather", "", index=1, id="b")),
            calls({"index": 1, "function": {"arguments": LYON[:5]}}),
            calls({"index": 0, "function": {"arguments": PARIS}}),
            calls({"index": 1, "function": {"arguments": LYON[5:]}}),
        ],
        # Two pieces of one call in one chunk
        [
            calls(
                call("weather", "", index=0, id="a"),
                {"index": 0, "function": {"arguments": PARIS}},
                call("weather", LYON[:3], index=1, id="b"),
            ),
            calls({"index": 1, "function": {"arguments": LYON[3:]}}),
        ],
        # An older vLLM: a new id in each chunk
        [
            calls(call("weather", "", index=0, id="a")),
            calls(call(None, PARIS, index=0, id="b")),
            calls(call("weather", "", index=1, id="c")),
            calls(call(None, LYON, index=1, id="d")),
        ],
        # Without the object around name and arguments
        [calls({"name": "weather", "arguments": PARIS}, {"name": "weather", "arguments": LYON})],
        # One call, not in a list
        [
            chunk(tool_calls=call("weather", PARIS, index=0, id="a")),
            chunk(tool_calls=call("weather", LYON, index=1, id="b")),
        ],
        # Ids that are none
        [
            calls(call("weather", PARIS, index=0, id=["a"])),
            calls(call("weather", LYON, index=1, id={})),
        ],
        # Arguments as objects
        [calls(call("weather", {"city": "Paris"}), call("weather", {"city": "Lyon"}))],
        # Pieces, each with everything repeated
        [
            calls(call("weather", PARIS[:6], index=0, id="a")),
            calls(call("weather", PARIS[6:], index=0, id="a")),
            calls(call("weather", LYON[:6], index=1, id="b")),
            calls(call("weather", LYON[6:], index=1, id="b")),
        ],
    ],
)
def test_two_calls_are_two_however_they_are_numbered(ask: Ask, chunks: list[Any]):
    assert called(ask(Sends.events(*chunks, END), tools=[WEATHER])) == BOTH


@pytest.mark.parametrize(
    "names",
    [
        ["", "weather"],
        [None, "weather"],
        ["wea", "ther"],
        ["wea", "weather"],
        ["w", "ea", "", "ther"],
        ["weather", "weather", "weather"],
        ["weather", "", None],
    ],
)
@pytest.mark.parametrize("ids", [{}, {"id": "a"}, {"id": ""}])
@pytest.mark.parametrize("known", [True, False])
def test_a_name_may_come_in_pieces_or_again_and_again(
    ask: Ask, names: list[Any], ids: dict[str, str], known: bool
):
    chunks = [calls(call(name, "", index=0, **ids)) for name in names]
    # Some repeat the whole name with the arguments, too.
    last = names[-1] if names[-1] == "weather" else None
    arguments = [
        calls(call(last, PARIS[:4], index=0, **ids)),
        calls(call(None, PARIS[4:], index=0, **ids)),
    ]
    # A model may also call what it was not given.
    tools = [WEATHER, CLOCK] if known else [CLOCK]
    run = ask(Sends.events(*chunks, *arguments, END), tools=tools)
    assert called(run) == [("weather", PARIS)]


@pytest.mark.parametrize("arguments", ["", None, {}, "  ", "{}"])
@pytest.mark.parametrize("whole", [True, False])
def test_no_arguments_are_an_empty_object(ask: Ask, arguments: Any, whole: bool):
    chunks = [calls(call("clock", arguments, index=0, id="a"))]
    if not whole:
        chunks.append(calls({"index": 0, "function": {"arguments": ""}}))
    run = ask(Sends.events(*chunks, END), tools=[CLOCK])
    [(name, found)] = called(run)
    assert (name, found.strip()) == ("clock", "{}")


def test_what_is_told_of_a_call_adds_up_to_what_is_kept(client: OpenAI, model: Scripted):
    model.script = [
        Sends.events(
            calls(call("clo", "", index=0, id="a")),
            calls(call("ck", "", index=0)),
            calls(call("weather", PARIS[:5], index=1, id="b")),
            calls({"index": 1, "function": {"arguments": PARIS[5:]}}),
            END,
        )
    ]
    tools: Any = [CLOCK, WEATHER]
    assistant = client.beta.assistants.create(model="scripted", tools=tools)
    thread: Any = {"messages": [{"role": "user", "content": "Hi"}]}
    told: dict[int, list[str]] = {}
    stream: Any = client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id, thread=thread
    )
    with stream as events:
        for event in events:
            if event.event == "thread.run.step.delta":
                for each in event.data.delta.step_details.tool_calls:
                    name, arguments = told.setdefault(each.index, ["", ""])
                    name += each.function.name or ""
                    told[each.index] = [name, arguments + (each.function.arguments or "")]
        run: Run = events.current_run
    assert [tuple(each) for each in told.values()] == [("clock", "{}"), ("weather", PARIS)]
    assert called(run) == [("clock", "{}"), ("weather", PARIS)]


def test_the_older_form_of_a_call(ask: Ask):
    run = ask(
        Sends.events(
            chunk(function_call={"name": "weather", "arguments": ""}),
            chunk(function_call={"arguments": PARIS}),
            chunk("function_call"),
        ),
        tools=[WEATHER],
    )
    assert called(run) == [("weather", PARIS)]


def test_halves_of_a_character_in_calls(ask: Ask):
    run = ask(
        Sends.events(
            calls(call("weather\ud83d", '{"a": "\ud83d', index=0, id="\ud83d")),
            calls({"index": 0, "function": {"arguments": '\ude00"}'}}),
            calls(call("clock", "\ud83d", index=1)),
            END,
        ),
        tools=[WEATHER],
    )
    assert called(run) == [("weather\ufffd", '{"a": "😀"}'), ("clock", "\ufffd")]


def test_words_before_calls_are_kept(client: OpenAI, ask: Ask):
    run = ask(
        Sends.events(chunk(content="Let me look"), calls(call("weather", PARIS, index=0)), END),
        tools=[WEATHER],
    )
    assert answer_text(client, run) == "Let me look"
    assert called(run) == [("weather", PARIS)]


@pytest.mark.parametrize("reason", [None, "stop", "length_", "", "tool_calls"])
def test_calls_are_calls_however_the_answer_ends(ask: Ask, reason: str | None):
    run = ask(Sends.events(calls(call("weather", PARIS, index=0)), chunk(reason)), tools=[WEATHER])
    assert called(run) == [("weather", PARIS)]


def test_a_call_without_a_name_fails_with_what_came(ask: Ask):
    run = ask(Sends.events(calls(call("", PARIS, index=0)), END), tools=[WEATHER])
    code, message = failure(run)
    assert code == "server_error"
    assert "without a name" in message
    assert PARIS in message


def test_an_entry_that_is_empty_is_no_call(ask: Ask):
    run = ask(Sends.events(calls(call("", "", index=0)), chunk(content="Hi"), chunk("stop")))
    assert run.status == "completed"


def test_calls_of_a_whole_answer(client: OpenAI, ask: Ask, model: Scripted):
    message = {"role": "assistant", "content": None, "tool_calls": [call("clock", None, id="a")]}
    whole = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    run = ask(Sends([json.dumps(whole).encode()]), tools=[CLOCK])
    assert called(run) == [("clock", "{}")]
    assert run.required_action
    [asked] = run.required_action.submit_tool_outputs.tool_calls
    model.script = [Says("Noon.")]
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": asked.id, "output": "12"}],
        poll_interval_ms=20,
    )
    sent = model.requests[-1]["messages"][-2]["tool_calls"][0]["function"]
    # As vLLM demands it
    assert sent == {"name": "clock", "arguments": "{}"}
