"""The rows of small buttons under a question and under an answer: what both are made of."""

from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from xiaozhi.ui.texts import _

STATIC = Path(__file__).parent / "static"


@cache
def row(*parts: str) -> Any:
    """A component, made of row.js and the files called `parts`; the last one is its name."""
    names = ["row", *parts]
    css = [STATIC / f"{name}.css" for name in names]
    return component(
        parts[-1],
        html="<div class='row'></div>",
        css="".join(path.read_text() for path in css if path.exists()),
        js="".join((STATIC / f"{name}.js").read_text() for name in names),
    )


def still_answering() -> str:
    """Why versions cannot change places, in the page's language."""
    return _("An answer is being written. Wait for its end, or stop it, and try again.")
