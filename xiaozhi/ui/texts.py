"""What the page says, in the language of the person who looks at it.

The sentences in the code are English; `xiaozhi/locale` holds the others, for translators to edit.
"""

import gettext
from functools import cache
from pathlib import Path

import streamlit as st

from xiaozhi.ui.preferences import preferred

CATALOGUES = Path(__file__).parents[1] / "locale"


def language() -> str:
    """The one that was chosen, or else the browser's: "zh" or "en"."""
    chosen = preferred("language")
    if chosen in ("zh", "en"):
        return chosen
    return "zh" if (st.context.locale or "").lower().startswith("zh") else "en"


def _(sentence: str, **values: object) -> str:
    """`sentence` in the page's language; its {names} are taken from `values`."""
    return catalogue(language()).gettext(sentence).format(**values)


@cache
def catalogue(name: str) -> gettext.NullTranslations:
    """`name`: "zh" or "en"."""
    languages = ["zh_CN"] if name == "zh" else []
    return gettext.translation("xiaozhi", CATALOGUES, languages, fallback=True)
