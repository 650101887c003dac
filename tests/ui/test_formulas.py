"""A formula is as large as it needs to be, and no larger than a page can bear."""

from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted

HUGE = [
    r"$$\rule{100000em}{100000em}$$",
    r"Text $\rule{100000em}{100000em}$ and more",
    r"Text $\raisebox{-100000em}{x}$ and more",
    r"Text $a\kern{100000em}b$ and more",
    "- a $\\rule{1em}{100000em}$\n- b",
    "| a | b |\n|---|---|\n| $\\rule{1em}{100000em}$ | c |",
    r"$$\def\arraystretch{100000}\begin{matrix}a\\b\end{matrix}$$",
]
# Height and width of what can be scrolled to
SIZE = """() => {
    const main = document.querySelector("[data-testid=stMain]")
    return [main.scrollHeight, main.scrollWidth - main.clientWidth]
}"""
# Where the letter x stands in a formula, and where beside it
LINES = """() => {
    const bottom = node => {
        const range = document.createRange()
        range.selectNodeContents(node)
        return range.getBoundingClientRect().bottom
    }
    const formula = document.querySelector(".katex-html .mord.mathnormal")
    const beside = document.createTreeWalker(formula.closest("p"), NodeFilter.SHOW_TEXT).nextNode()
    return [bottom(formula), bottom(beside)]
}"""


def answered(look: Looking, client: OpenAI, model: Scripted, answer: str) -> Seen:
    model.script = [Says(answer)]
    assistant = client.beta.assistants.create(model="scripted")
    asked: Any = {"messages": [{"role": "user", "content": "formula?"}]}
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread=asked, poll_interval_ms=20
    )
    seen = look(f"{look.address}?c={run.thread_id}")
    expect(seen.page.locator(".katex-html").first).to_be_attached()
    return seen


@pytest.mark.parametrize("answer", HUGE)
def test_no_formula_makes_the_page_endless(
    look: Looking, client: OpenAI, model: Scripted, answer: str
):
    seen = answered(look, client, model, answer)
    height, beyond = seen.page.evaluate(SIZE)
    assert height < 3000
    assert beyond <= 0


def test_an_inline_formula_stands_on_its_line(look: Looking, client: OpenAI, model: Scripted):
    seen = answered(look, client, model, r"xxx $x$ and $\frac{a}{b}$")
    formula, beside = seen.page.evaluate(LINES)
    assert abs(formula - beside) < 4
