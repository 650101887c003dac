"""docs/operating.md tells each metric, setting and field that there is, and no other."""

import re
from pathlib import Path

import pytest

from xiaozhi import metrics
from xiaozhi.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["operating.md", "operating.zh.md"]
# What Prometheus makes of one histogram
PARTS = re.compile(r"_(bucket|count|sum)$")


def named(page: str) -> set[str]:
    """The metrics that a page names, in its tables or its rules."""
    found = re.findall(r"\bxiaozhi_[a-z_]+\b", (DOCS / page).read_text("utf-8"))
    return {PARTS.sub("", name) for name in found}


@pytest.mark.parametrize("page", PAGES)
def test_every_metric_is_told_and_every_one_told_exists(page: str):
    assert named(page) == set(metrics.names())


def test_types_are_told_rightly():
    rows = re.findall(
        r"^\| `(xiaozhi_\w+)` \| (\w+) \|", (DOCS / PAGES[0]).read_text("utf-8"), re.M
    )
    assert dict(rows) == metrics.names()


def test_settings_are_told():
    text = (DOCS / PAGES[0]).read_text("utf-8")
    for name in ("log_format", "log_level", "metrics"):
        assert name in Settings.model_fields
        assert f"XIAOZHI_{name.upper()}" in text
