"""What becomes of a model's title, and what stands there until then."""

import pytest

from xiaozhi.ui.shelves import LONGEST_TITLE, first_words
from xiaozhi.ui.signs import literally
from xiaozhi.ui.titles import tidied


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("杭州三日游", "杭州三日游"),
        ("“杭州三日游”。", "杭州三日游"),
        ("标题：《杭州三日游》\n\n还要什么吗？", "杭州三日游"),
        ('Title: **"Three days in Hangzhou"**', "Three days in Hangzhou"),
        ("<think>The user wants…</think>\nTea", "Tea"),
        ("<think>The user wants", ""),
        ("很长" * LONGEST_TITLE, ""),
        ("", ""),
        ("# C#", "C#"),
        (".NET", ".NET"),
    ],
)
def test_a_models_title_is_tidied_up(said: str, title: str):
    assert tidied(said) == title


def test_a_long_question_is_cut_between_words():
    assert first_words(" 你好\n吗 ") == "你好 吗"
    assert first_words("字" * 100) == "字" * LONGEST_TITLE + "…"
    cut = first_words("word " * 100)
    assert cut.endswith("word…")
    assert len(cut) <= LONGEST_TITLE + 1


def test_signs_mean_nothing_in_a_title():
    assert literally("a_b *c*\n[d](e)") == r"a\_b \*c\* \[d\]\(e\)"
    assert ":red[" not in literally(":red[x]")
