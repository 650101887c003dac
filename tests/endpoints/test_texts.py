"""Texts, thoughts and older forms of an answer: nothing that has words in it is lost."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.endpoints.conftest import Ask, answer, answer_text, chunk, failure, thought
from xiaozhi.chat_models.scripted import Sends

HALVES = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["a", "\ud83d", "\ude00", "\ud83d", "\ude00"], "a😀😀"),
        (["\ud83d\ude00 \ud83d", "\ude80"], "😀 🚀"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude00b", "c"], "\ufffdbc"),
        (["a\ude00\ud83d", "b"], "a\ufffd\ufffdb"),
        (["a", "\ud83d"], "a\ufffd"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd😀"),
    ],
)
def test_halves_of_a_character_are_joined_and_lone_ones_replaced(
    client: OpenAI, ask: Ask, contents: list[str], text: str
):
    run = ask(answer(*contents))
    assert run.status == "completed"
    assert answer_text(client, run) == text


def test_halves_are_joined_in_thoughts_and_refusals(client: OpenAI, ask: Ask):
    first, second = HALVES
    run = ask(
        Sends.events(
            chunk(reasoning_content="hm " + first),
            chunk(reasoning_content=second),
            chunk(reasoning_content=first),
            chunk(refusal="No" + first),
            chunk(refusal=second),
            chunk("stop"),
        )
    )
    assert run.status == "completed"
    assert thought(client, run) == "hm 😀\ufffd"
    [message] = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    [part] = message.content
    assert part.type == "refusal"
    assert part.refusal == "No😀"


@pytest.mark.parametrize("broken", [b"\xff", b"\xe4\xbd", b"\xed\xa0\xbd"])
def test_bytes_that_are_not_utf_8_are_replaced(client: OpenAI, ask: Ask, broken: bytes):
    odd = b'data: {"choices":[{"delta":{"content":"a' + broken + b'b"}}]}\n\n'
    run = ask(Sends.events(odd, chunk("stop")))
    assert run.status == "completed"
    text = answer_text(client, run) or ""
    assert text.strip("\ufffd").startswith("a\ufffd")
    assert text.endswith("\ufffdb")


def test_a_line_break_within_a_string_is_taken(client: OpenAI, ask: Ask):
    odd = b'data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n'
    assert answer_text(client, ask(Sends.events(odd, chunk("stop")))) == "a\tb"


@pytest.mark.parametrize(
    ("content", "text", "thoughts"),
    [
        ([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}], "Hello", ""),
        (["Hel", {"type": "output_text", "text": "lo"}], "Hello", ""),
        ({"type": "text", "text": "Hello"}, "Hello", ""),
        ([{"type": "text", "text": {"value": "Hello"}}], "Hello", ""),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "Hello"},
            ],
            "Hello",
            "Hm.",
        ),
        (
            [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello"}],
            "Hello",
            "Hm.",
        ),
        (
            [
                {"type": "text", "text": "Hello "},
                {"type": "reference", "reference_ids": [1, 2]},
            ],
            "Hello [1, 2]",
            "",
        ),
        (
            [{"type": "text", "text": "Hello"}, {"type": "song", "song": "La"}],
            'Hello\n\n{"type": "song", "song": "La"}',
            "",
        ),
    ],
)
def test_content_may_be_a_list(client: OpenAI, ask: Ask, content: Any, text: str, thoughts: str):
    run = ask(answer(content))
    assert run.status == "completed"
    assert answer_text(client, run) == text
    assert thought(client, run) == thoughts


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"role": "assistant", "content": "Hello"}},
        {"text": "Hello"},
        {"delta": "Hello"},
        {"delta": None, "message": {"content": [{"type": "text", "text": "Hello"}]}},
        {"delta": {}, "text": "Hello"},
    ],
)
def test_other_forms_of_a_chunk_are_understood(client: OpenAI, ask: Ask, choice: dict[str, Any]):
    run = ask(Sends.events({"choices": [choice]}, chunk("stop")))
    assert answer_text(client, run) == "Hello"


def test_a_whole_message_behind_its_pieces_is_no_second_one(client: OpenAI, ask: Ask):
    """As MiniMax sends it with the last chunk."""
    last = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    assert (
        answer_text(client, ask(Sends.events(chunk(content="Hel"), chunk(content="lo"), last)))
        == "Hello"
    )


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/event-stream"])
@pytest.mark.parametrize("before", [b"", b"\n ", b"\xef\xbb\xbf"])
def test_a_whole_answer_to_a_streamed_request(
    client: OpenAI, ask: Ask, content_type: str, before: bytes
):
    message = {"role": "assistant", "content": "Hello"}
    whole = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    run = ask(Sends([before + whole[:20], whole[20:]], content_type))
    assert run.status == "completed"
    assert answer_text(client, run) == "Hello"


def test_of_several_choices_only_the_first_is_told(client: OpenAI, ask: Ask):
    def of(index: int, content: str) -> dict[str, Any]:
        return {"index": index, "delta": {"content": content}}

    run = ask(
        Sends.events(
            {"choices": [of(1, "Goodbye")]},
            {"choices": [of(0, "Hel")]},
            {"choices": [of(1, "!"), of(0, "lo")]},
            {"choices": [{"index": 1, "finish_reason": "length"}]},
            chunk("stop"),
        )
    )
    assert run.status == "completed"
    assert answer_text(client, run) == "Hello"


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]},
        {"thinking": "Hm."},
    ],
)
def test_thoughts_in_other_fields_are_thoughts(client: OpenAI, ask: Ask, delta: dict[str, Any]):
    run = ask(Sends.events(chunk(**delta), chunk(content="Hello"), chunk("stop")))
    assert (answer_text(client, run), thought(client, run)) == ("Hello", "Hm.")


@pytest.mark.parametrize(
    "event",
    [
        {"response": "SECRET"},
        {"message": {"role": "assistant", "content": "SECRET"}},
        {"type": "response.output_text.delta", "delta": "SECRET"},
        {"output": {"text": "SECRET"}},
        {"choices": [{"index": 0, "messages": [{"content": "SECRET"}]}]},
        {"choices": [{"index": 3, "delta": {"content": "SECRET"}}]},
        {"choices": {"0": {"delta": {"content": "SECRET"}}}},
        chunk(audio={"transcript": "SECRET"}),
        chunk(content=[{"type": "song", "song": "SECRET"}]),
        "SECRET",
        ["SECRET"],
    ],
)
def test_what_is_not_understood_fails_the_run_with_what_came(client: OpenAI, ask: Ask, event: Any):
    run = ask(Sends.events(event, chunk("stop")))
    code, message = failure(run)
    assert code == "server_error"
    assert "not understood" in message
    assert "SECRET" in message
    assert answer_text(client, run) is None


@pytest.mark.parametrize("sent", [[chunk("stop")], [chunk(role="assistant"), chunk("stop")], []])
def test_a_model_may_say_nothing(client: OpenAI, ask: Ask, sent: list[Any]):
    run = ask(Sends.events(*sent))
    assert run.status == "completed"
    assert answer_text(client, run) is None


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("STOP", "completed"),
        ("end_turn", "completed"),
        ("model_length", "incomplete"),
        ("MAX_TOKENS", "incomplete"),
        ("SAFETY", "incomplete"),
        ("sensitive", "incomplete"),
    ],
)
def test_ends_are_known_by_their_other_names(ask: Ask, reason: str, status: str):
    assert ask(Sends.events(chunk(content="Hello"), chunk(reason))).status == status


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 5}, (7, 5, 12)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": None}, (7, 5, 12)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 20}, (7, 5, 20)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": -1}, (7, 5, 12)),
        ({"input_tokens": 7, "output_tokens": 5}, (7, 5, 12)),
        ({"prompt_tokens": 7.0, "completion_tokens": 5.0}, (7, 5, 12)),
        # Only what cannot be believed is guessed.
        ({"prompt_tokens": 7, "completion_tokens": -5}, (7, 1, 8)),
        ({"prompt_tokens": 7, "completion_tokens": 10**40}, (7, 1, 8)),
        ({"prompt_tokens": 7, "completion_tokens": True}, (7, 1, 8)),
    ],
)
def test_usage_in_part_is_added_up_and_absurd_usage_not_believed(
    ask: Ask, usage: dict[str, Any], counted: tuple[int, int, int]
):
    run = ask(Sends.events(chunk(content="Hello"), chunk("stop"), {"choices": [], "usage": usage}))
    assert run.usage
    found = run.usage.prompt_tokens, run.usage.completion_tokens, run.usage.total_tokens
    assert found == counted


def test_usage_may_stand_in_the_choice(ask: Ask):
    """As Kimi sends it."""
    last = chunk("stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 7, "completion_tokens": 5}
    run = ask(Sends.events(chunk(content="Hello"), last))
    assert run.usage
    assert run.usage.total_tokens == 12


UNOPENED = ["I should ", "greet.\n</th", "ink>\n", "\nHel", "lo"]


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_thoughts_without_their_opener_are_thoughts(client: OpenAI, ask: Ask, pause: float):
    """Where it stands in the template, as with vLLM or SGLang and no reasoning parser."""
    sent = Sends.events(*(chunk(content=each) for each in UNOPENED), chunk("stop"), pause=pause)
    name = f"unopened-{pause}"
    # The first time it has been told as an answer when their end comes; then it is known.
    for _ in range(2):
        run = ask(sent, model=name)
        assert run.status == "completed"
        assert (answer_text(client, run), thought(client, run)) == ("Hello", "I should greet.")
    # Without thoughts, this time
    run = ask(answer("No ", "thoughts"), model=name)
    assert answer_text(client, run) == "No thoughts"
    run = ask(answer("<think>Hm.</think>", "Hello"), model=name)
    assert (answer_text(client, run), thought(client, run)) == ("Hello", "Hm.")


@pytest.mark.parametrize("behind", ["\n\nHello", "Hello", "\n</answer>"])
def test_thoughts_without_their_opener_in_one_piece(client: OpenAI, ask: Ask, behind: str):
    name = f"unopened-whole-{len(behind)}"
    run = ask(answer("I should greet.\n</think>" + behind), model=name)
    assert (answer_text(client, run), thought(client, run)) == (behind.strip(), "I should greet.")


@pytest.mark.parametrize(
    "text",
    [
        "The tag `</think>` ends it.",
        "The tag </think> ends it.",
        "```\nI should\n</think>\nHello\n```",
        "It writes <think>x</think> first.",
        "1 < 2",
        "a <b",
        "</thinking>",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_answer_may_tell_of_the_tag(client: OpenAI, ask: Ask, text: str, size: int):
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    run = ask(answer(*pieces))
    assert answer_text(client, run) == text
    assert thought(client, run) == ""
