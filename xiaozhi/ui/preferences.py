"""What a person prefers in this browser: cookies, which hold in each tab and outlive everything.

    zero_language    zh | en        without it: as the browser asks for
    zero_theme       light | dark   without it: as the system is at the moment
    zero_assistant   an id          who answers in a new conversation; without it: the default
    zero_model       an id          … and with which model; without it: the assistant's own

`preferences.js` writes them, for a Streamlit page cannot.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import streamlit as st
from streamlit.components.v2 import component

Name = Literal["language", "theme", "assistant", "model"]
SCRIPT = Path(__file__).parent / "static" / "preferences.js"


def preferred(name: Name) -> str:
    """As a cookie holds it: whatever somebody may have written there. "": nothing."""
    here = _here()
    if name in here:
        return here[name]
    return unquote(st.context.cookies.get(f"zero_{name}", ""))


def prefer(name: Name, value: str) -> None:
    """`value` holds on this page from now on, and in the browser once `write` was drawn."""
    st.session_state.preferred = {**_here(), name: value}


def write(key: str) -> None:
    """Draws nothing to be seen. Another language or theme loads the page anew."""
    if _here():
        _component()(key=key, data=_here())


def _here() -> dict[str, str]:
    """What was chosen since the page was loaded: its cookies are those of that moment."""
    return st.session_state.get("preferred", {})


@cache
def _component() -> Any:
    return component("preferences", html="<span></span>", js=SCRIPT.read_text())
