"""Two turns, and a function call, through clients that others wrote (contract 14 and 15)."""

import pytest

from tests.clients.programs import seen_by
from tests.running import Running
from xiaozhi.chat_models.scripted import Says, Scripted

NODE = ["node", "node_4"]
CLIENTS = [*NODE, "langchain", "llama_index", "ag2"]


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


@pytest.mark.parametrize("name", NODE)
def test_node_hears_a_stream_polls_and_lists(name: str, server: Running, model: Scripted):
    model.script = [Says(["你", "好", "！"], pause=0.05), Says("You said 你好.")]
    seen = seen_by(name, "two_turns", server)
    assert seen == {
        "answers": ["你好！", "You said 你好."],
        "events": [
            ["messageCreated"],
            ["textCreated"],
            ["textDelta", "你", "你"],
            ["textDelta", "好", "你好"],
            ["textDelta", "！", "你好！"],
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
