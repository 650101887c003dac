"""What becomes of a model's markdown before Streamlit reads it, and what that makes of it."""

import re
import time
from collections.abc import Callable
from time import thread_time
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.ui.looking import Looking
from tests.ui.markdown_corpus import CORPUS
from xiaozhi.ui.markdown import for_streamlit, settled

UNREAD = re.compile(
    r"^[ >]*(`{3,}|~{3,}).*?(?:^[ >]*\1|\Z)|(?<![`\\])(`+)(?!`).+?(?<!`)\2(?!`)|https?://[^\s<>]+",
    re.DOTALL | re.MULTILINE,
)
SEEN = re.compile(
    r"(?<![\\$])(\$\$?)(?=[^$])((?:[^$\\]|\\.)+)\1(?!\$)|(?<![\\~])~~([^~]+)~~(?!~)", re.DOTALL
)
ATTEMPTS = 5
ADVERSARIES = [
    *["*", "**", "[", "![", "](", "$", "$$", r"\(", r"\[", "`", "~", "~~", "<", ":", "a:b["],
    *["> ", "- ", "\n", "- a\n", "|", "|a\n|-\n", "\\[\n", "$$\n", "```\n", "` ``", "[a]:"],
    *["www.", "http://", "-", " ", "\t", "[](a ", "a\n    ", "![a]", "=\n", "- x\n\n", "~~a"],
    *["**“", "#", ":::\n", "::", "<!--", "&lt;"],
]


def test_signs_mean_what_the_model_meant():
    wrong = [
        (why, said, for_streamlit(said), given)
        for said, given, why in CORPUS
        if for_streamlit(said) != given
    ]
    assert wrong == []


def test_what_is_a_formula_or_struck_out_stays_so_while_the_answer_grows():
    for said, _given, _why in CORPUS:
        whole = meant(for_streamlit(said))
        for end in range(len(said)):
            assert meant(for_streamlit(said[:end], whole=False)) <= whole, said[:end]


@pytest.mark.timeout(180)  # each beginning of each text is read: 10 s of CPU
def test_what_is_settled_reads_the_same_alone():
    for said, _given, _why in CORPUS:
        is_settled_alike(said)


def is_settled_alike(said: str) -> None:
    answer = f"First.\n\n{said}\n\nThen.\n\n{said}\n\n# At last\n\nEnd\n"
    before = 0
    for end in range(len(answer) + 1):
        until = settled(answer[:end])
        assert until >= before, answer[:end]
        if until > before:
            assert settled(answer[before:end]) == until - before
            halves = for_streamlit(answer[:until]), for_streamlit(answer[until:])
            assert "\n".join(halves).split() == for_streamlit(answer).split(), answer[:until]
        before = until


def test_all_but_the_last_block_of_a_common_answer_is_settled():
    answer = "One.\n\n- a\n\n- b\n\nTwo.\n\n```python\nx = 1\n\ny = 2\n```\n\n## Three\n\nFour, and"
    assert answer[: settled(answer)].endswith("```\n\n")
    assert settled(answer + "\n") == len(answer) - len("Four, and")


def meant(given: str) -> set[str]:
    """The formulas and the struck words in it."""
    prose = UNREAD.sub(" ", given)
    return {"".join((found[2] or found[3]).split()) for found in SEEN.finditer(prose)}


@pytest.mark.parametrize("sign", ADVERSARIES)
def test_the_time_grows_with_the_length_alone(sign: str):
    ratios: list[float] = []
    for _attempt in range(ATTEMPTS):
        once = seconds(lambda: for_streamlit(sign * 5_000))
        ratios.append(seconds(lambda: for_streamlit(sign * 40_000)) / max(once, 0.001))
        # Were it the square of the length, it would be 64 times, in every attempt.
        if ratios[-1] < 32:
            return
    raise AssertionError(ratios)


def seconds(doing: Callable[[], object]) -> float:
    """Of this thread's CPU: what else the machine does counts only as far as it slows it down."""
    began = thread_time()
    doing()
    return thread_time() - began


FACTS = """(answers) => answers.map((answer) => ({
    text: answer.innerText,
    struck: answer.querySelectorAll('del').length,
    formulas: answer.querySelectorAll('.katex').length,
    errors: answer.querySelectorAll('.katex-error').length,
    images: answer.querySelectorAll('img:not([src^="data:"]):not([src^="blob:"])').length,
    foreign: answer.querySelectorAll(
        'script:not([src]), iframe, u, style, object, embed, form, [onerror], [onload],'
        + '.stMarkdownColoredText, .stMarkdownBadge, .stMarkdownShimmer, [role=img]').length,
    addresses: [...answer.querySelectorAll('a')].map((link) => link.getAttribute('href')),
}))"""
WELCOME = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)
SHOWN_WITHIN = 30.0  # s


@pytest.mark.parametrize("start", range(0, len(CORPUS), 30))
def test_chromium_shows_what_was_meant(client: OpenAI, look: Looking, start: int):
    cases = [case for case in CORPUS[start : start + 30] if case[0].strip()]
    said: Any = [{"role": "assistant", "content": case[0]} for case in cases]
    thread = client.beta.threads.create(messages=said)
    seen = look(f"{look.address}?c={thread.id}")
    expect(seen.answers).to_have_count(len(cases))
    wanted = [drawn(given) for _text, given, _why in cases]
    # Formulas are drawn a moment after their text.
    deadline = time.monotonic() + SHOWN_WITHIN
    while (facts := seen.answers.evaluate_all(FACTS)) and [
        (fact["struck"], fact["formulas"]) for fact in facts
    ] != wanted:
        if time.monotonic() > deadline:
            break
        seen.page.wait_for_timeout(100)
    for (text, _given, why), fact, (struck, formulas) in zip(cases, facts, wanted, strict=True):
        story = f"{text!r} ({why}): {fact}"
        assert fact["struck"] == struck, story
        assert fact["formulas"] == formulas, story
        assert fact["errors"] == 0, story
        assert fact["images"] == 0, story
        assert fact["foreign"] == 0, story
        assert all(WELCOME.match(address) for address in fact["addresses"]), story
        assert not re.search("[→←↔—≥≤≈😄💯👍👎]", fact["text"]), story


def drawn(given: str) -> tuple[int, int]:
    """How many words are struck out, and how many formulas there are."""
    found = list(SEEN.finditer(UNREAD.sub(" ", given)))
    return sum(1 for one in found if one[3]), sum(1 for one in found if one[2])


HEAD = [f"第{column}列的名字" for column in range(14)]
ROWS = [[f"值{row}-{column}" for column in range(14)] for row in range(3)]
WIDE = "\n".join(f"|{'|'.join(row)}|" for row in (HEAD, ["-"] * 14, *ROWS))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_wide_table_is_scrolled_and_not_pressed_together(
    client: OpenAI, look: Looking, width: int
):
    said: Any = [{"role": "assistant", "content": WIDE}]
    thread = client.beta.threads.create(messages=said)
    seen = look(f"{look.address}?c={thread.id}", viewport={"width": width, "height": 844})
    table = seen.answers.locator("table")
    expect(table).to_be_visible()
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
    assert table.evaluate(
        "table => table.getBoundingClientRect().right <= table.parentElement."
        "getBoundingClientRect().right + 1"
    )
    heights = table.locator("td").evaluate_all("cells => cells.map(cell => cell.offsetHeight)")
    assert max(heights) < 2 * 24 + 16
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
