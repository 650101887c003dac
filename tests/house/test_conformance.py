"""conformance.md, endpoints.md and features.md name tests that exist; the first counts rightly."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/conformance.md").read_text("utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def table(text: str) -> list[list[str]]:
    """The rows of the one table in `text`, without its head."""
    return [cells(line) for line in text.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("page", ["conformance.md", "endpoints.md", "features.md"])
def test_every_test_that_it_names_exists(page: str):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text("utf-8")))
    # Not those of the foreign clients' environments, which lie deeper
    files = [*(ROOT / "tests").glob("test_*.py"), *(ROOT / "tests").glob("*/test_*.py")]
    there = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert named
    assert named - there == set()


def test_its_counts_are_those_of_its_rows():
    summary, *sections = PAGE.split("\n## ")
    counted: list[list[str]] = []
    for section in sections:
        title, rest = section.split("\n", 1)
        said = [words for _, words in table(rest)]
        not_at_all = sum(words.startswith("not: ") for words in said)
        in_part = sum("; in part: " in words for words in said)
        numbers = (len(said), len(said) - not_at_all, in_part, not_at_all)
        counted.append([title, *map(str, numbers)])
    *rows, all_of_them = table(summary)
    assert rows == counted
    sums = [sum(int(row[column]) for row in rows) for column in range(1, 5)]
    assert all_of_them == ["all", *map(str, sums)]
