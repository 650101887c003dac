"""What the model is asked, and what is left out where there is no room."""

from typing import Any

import pytest
from openai.types.beta.threads import Message
from openai.types.beta.threads.run import Usage

from tests.runs.a_run import a_message, a_run
from xiaozhi import tokens
from xiaozhi.chat_models import CallPiece
from xiaozhi.runs.answer import Answer
from xiaozhi.runs.budget import budget
from xiaozhi.runs.calls import Calls, answered, calls_of
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.prompt import chat_message, first_kept, prompt
from xiaozhi.store.reasoning_rows import Reasoning


def thread(*messages: Message) -> list[dict[str, Any]]:
    """As chat messages."""
    return [chat for message in messages if (chat := chat_message(message.to_dict()))]


def test_instructions_come_first_then_the_messages():
    run = a_run({"instructions": "Be kind."})
    assert prompt(run, thread(a_message("你好"), a_message("Hi!", "assistant"))) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "Hi!"},
    ]


def test_without_instructions_there_is_no_system_message():
    assert prompt(a_run(), thread(a_message("x"))) == [{"role": "user", "content": "x"}]


def test_several_texts_become_one():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert prompt(a_run(), thread(a_message(parts))) == [{"role": "user", "content": "a\nb"}]


def test_what_fits_is_kept_whole():
    assert first_kept([10, 10, 10], 30) == 0
    assert first_kept([], 30) == 0


def test_the_last_message_always_stays():
    assert first_kept([10, 10, 1000], 30) == 2


def test_old_messages_go_in_blocks_so_that_the_beginning_stays_the_same():
    """The model's cache of the prompt's beginning is good for many turns."""
    sizes: list[int] = []
    beginnings: list[int] = []
    for _ in range(200):
        sizes += [30, 70]
        first = first_kept(sizes, 1000)
        assert sum(sizes[first:]) <= 1000
        beginnings.append(first)
    assert len(set(beginnings)) <= 200 * 100 / 500 + 1
    assert beginnings == sorted(beginnings)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("你好，世界", 5, 6), ("hello world, how are you?", 6, 10), ("", 0, 1), ("こんにちは", 5, 6)],
)
def test_the_estimate_of_tokens_is_cautious(text: str, least: int, most: int):
    assert least <= tokens.of_text(text) <= most


def test_a_refusal_is_as_long_as_its_words():
    refuses = Answer.new(a_run(), 0, at=0)
    refuses.add("No.", "refusal")
    assert tokens.of_message(refuses.message()) < 20


def test_the_room_for_messages_counts_what_the_run_said_and_thought_before_its_calls():
    run, usage = a_run(), Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    said = Answer.new(run, 0, at=0)
    said.add("word " * 1_000)
    step, message = said.closed(Outcome("completed"), None, at=1)
    calls = Calls(run, 1, at=1)
    calls.add(CallPiece(0, "weather", "{}"))
    called = calls.whole()
    [id] = [call.id for call in calls_of(called)]
    done = [step, answered(called, {id: "rain"}, usage, at=2)]
    thoughts = [Reasoning(run.id, 0, "hmm " * 1_000, 1, "reasoning_content")]

    room = budget(run, 100_000, done).messages
    with_words = budget(run, 100_000, done, {message.id: message}, thoughts).messages
    sent = prompt(run, [], done, {message.id: message}, thoughts)
    assert sent[0]["content"].startswith("word word")
    assert sent[0]["reasoning_content"].startswith("hmm hmm")
    assert room - with_words > 2_500
