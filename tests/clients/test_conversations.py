"""Two turns, and a function call, through clients that others wrote (contract 14 and 15)."""

import json
from typing import Any

import pytest

from tests.clients.programs import seen_by
from tests.running import Running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

NODE = ["node", "node_4"]
CLIENTS = [*NODE, "langchain", "llama_index", "ag2"]
BEIJING = '{"city": "北京"}'

# Each client is a program that imports thousands of files first. It hears the same from both.
pytestmark = [pytest.mark.timeout(200), pytest.mark.one_database]


def with_deltas_joined(seen: dict[str, Any]) -> dict[str, Any]:
    """Whoever reads slowly, as on a busy machine, gets several pieces of a text in one."""
    events: list[list[str]] = []
    for event in seen["events"]:
        if event[0] == "textDelta" and events[-1][0] == "textDelta":
            _, before, whole = events.pop()
            _, piece, now = event
            assert now == whole + piece
            event = ["textDelta", before + piece, now]
        events.append(event)
    return {**seen, "events": events}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_second_turn_knows_the_first(name: str, server: Running, model: Scripted):
    model.script = [Says("你好！我是小智。"), Says("You said 你好.")]
    seen = seen_by(name, "two_turns", server)
    assert seen["answers"] == ["你好！我是小智。", "You said 你好."]
    first, second = (request["messages"] for request in model.requests)
    assert first == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "你好"},
    ]
    assert second == [
        *first,
        {"role": "assistant", "content": "你好！我是小智。"},
        {"role": "user", "content": "What did I say?"},
    ]


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("name", NODE)
def test_node_hears_a_stream_polls_and_lists(
    name: str, azure: bool, server: Running, model: Scripted
):
    model.script = [Says(["你", "好", "！"], pause=0.05), Says("You said 你好.")]
    seen = seen_by(name, "two_turns", server, azure=azure)
    assert with_deltas_joined(seen) == {
        "answers": ["你好！", "You said 你好."],
        "events": [
            ["messageCreated"],
            ["textCreated"],
            ["textDelta", "你好！", "你好！"],
            ["textDone", "你好！"],
            ["messageDone", "completed"],
            ["runStepDone", "message_creation"],
            ["end"],
        ],
        "statuses": ["completed", "completed"],
        "listed": ["你好", "你好！", "What did I say?", "You said 你好."],
        "steps": [["message_creation", "completed"]],
        "same": True,
        "deleted": True,
    }


@pytest.mark.parametrize("name", CLIENTS)
def test_the_model_calls_a_function_of_the_client(name: str, server: Running, model: Scripted):
    model.script = [Calls([("weather", BEIJING)]), Says("It is sunny in 北京.")]
    seen = seen_by(name, "function", server)
    assert seen["called"] == [{"city": "北京"}]
    assert seen["answers"] == ["It is sunny in 北京."]
    asked, answered = model.requests
    [tool] = asked["tools"]
    assert tool["function"]["name"] == "weather"
    assert tool["function"]["parameters"]["required"] == ["city"]
    *before, called, output = answered["messages"]
    assert before == asked["messages"]
    [call] = called["tool_calls"]
    assert called["role"] == "assistant"
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "北京"}
    assert output == {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 25 °C"}


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("name", NODE)
def test_node_hears_a_call_and_what_follows_it(
    name: str, azure: bool, server: Running, model: Scripted
):
    model.script = [Calls([("weather", BEIJING)]), Says(["It ", "is sunny."], pause=0.05)]
    seen = seen_by(name, "function", server, azure=azure)
    assert with_deltas_joined(seen) == {
        "answers": ["It is sunny."],
        "called": [{"city": "北京"}],
        "events": [
            ["toolCallCreated", "weather"],
            ["toolCallDone", BEIJING],
            ["end"],
            # The stream of the outputs begins with the end of the step that was waiting.
            ["runStepDone", "tool_calls"],
            ["messageCreated"],
            ["textCreated"],
            ["textDelta", "It is sunny.", "It is sunny."],
            ["textDone", "It is sunny."],
            ["messageDone", "completed"],
            ["runStepDone", "message_creation"],
            ["end"],
        ],
        "statuses": ["requires_action", "completed"],
        "steps": [["tool_calls", "completed"], ["message_creation", "completed"]],
        "output": "sunny, 25 °C",
    }


@pytest.mark.parametrize("name", NODE)
def test_nodes_client_for_azure_chats(name: str, server: Running, model: Scripted):
    model.script = [Says("你好！"), Says("你好！")]
    assert seen_by(name, "chat", server, azure=True) == ["你好！", "你好！"]
    assert [request["model"] for request in model.requests] == ["scripted", "scripted"]
