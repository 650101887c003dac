"""What a run takes from its assistant, and what from its request (contract 7.1 and 7.2)."""

from typing import Any

import pytest

from tests.runs.a_run import a_run

ASSISTANT: dict[str, Any] = {
    "instructions": "Be kind.",
    "temperature": 0.1,
    "top_p": 0.2,
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
}


def test_without_a_word_the_assistant_decides():
    run = a_run(ASSISTANT)
    assert run.instructions == "Be kind."
    assert (run.temperature, run.top_p) == (0.1, 0.2)
    assert run.to_dict()["response_format"] == {"type": "json_object"}
    assert run.to_dict()["reasoning_effort"] == "low"


def test_what_the_request_says_counts():
    run = a_run(
        ASSISTANT,
        instructions="Be short.",
        temperature=0.9,
        top_p=0.8,
        response_format="auto",
        reasoning_effort="high",
    )
    assert run.instructions == "Be short."
    assert (run.temperature, run.top_p) == (0.9, 0.8)
    assert run.response_format == "auto"
    assert run.to_dict()["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("assistant", "request_", "effective"),
    [
        (None, {}, ""),
        ("A", {"additional_instructions": "B"}, "A\nB"),
        (None, {"additional_instructions": "B"}, "B"),
        ("A", {"instructions": "C", "additional_instructions": "B"}, "C\nB"),
        ("A", {"instructions": ""}, ""),
    ],
)
def test_instructions_add_up(assistant: str | None, request_: dict[str, str], effective: str):
    assert a_run({"instructions": assistant}, **request_).instructions == effective
