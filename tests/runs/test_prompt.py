"""What the model is asked, and what is left out where there is no room."""

import pytest

from tests.runs.a_run import a_message, a_run
from xiaozhi import tokens
from xiaozhi.runs.prompt import first_kept, prompt


def test_instructions_come_first_then_the_messages():
    run = a_run({"instructions": "Be kind."})
    assert prompt(run, [a_message("你好"), a_message("Hi!", "assistant")]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "Hi!"},
    ]


def test_without_instructions_there_is_no_system_message():
    assert prompt(a_run(), [a_message("x")]) == [{"role": "user", "content": "x"}]


def test_several_texts_become_one():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert prompt(a_run(), [a_message(parts)]) == [{"role": "user", "content": "a\nb"}]


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
