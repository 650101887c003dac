"""What this server is, in plain words: as far as a client of it can know."""

from typing import Any, cast
from urllib.parse import urlsplit

import streamlit as st
from openai import APIError, APIStatusError

from xiaozhi.ui import who_answers
from xiaozhi.ui.client import client, explained, models
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _


def show(name: str) -> None:
    """`name`: what the page calls itself."""
    with st.container(key="about", gap="small"):
        st.subheader(_("About this server"), anchor=False)
        st.markdown(
            _(
                "{name} is a server of your own with OpenAI's Assistants API; this page is a "
                "client of it, like any other program.",
                name=literally(name),
            )
        )
        st.markdown("\n".join(f"- {line}" for line in _lines()))
        st.markdown(_("Other programs reach it with an OpenAI SDK at this address, as base_url:"))
        st.code(_address(), language=None)
        st.caption(_("The key is the one that the server was started with; it is not shown here."))


def _lines() -> list[str]:
    """Each is Markdown on one line."""
    lines = [_state()]
    offered = models()
    if offered:
        model = offered[0]
        told = literally(who_answers.readable(model.id))
        lines.append(_("Model: **{model}**.", model=told) + " " + who_answers.what(model))
    lines.append(
        _(
            "Conversations, assistants and what they are made of are in this server's own "
            "database. This browser keeps the settings above, and nothing else."
        )
    )
    return lines


def _state() -> str:
    try:
        version = literally(_version())
    except APIError as error:
        return explained(error)
    words = _("Version {version}", version=version)
    troubles = _troubles()
    if troubles:
        return words + " · " + _("not ready: {words}", words="; ".join(troubles))
    return words + " · " + _("in order")


@st.cache_resource(show_spinner=False)
def _version() -> str:
    """Of the server, as its own description says. Raises openai.APIError."""
    described = cast("dict[str, Any]", client().get("/openapi.json", cast_to=object))
    return str(described["info"]["version"])


def _troubles() -> list[str]:
    """What is not ready at the moment, and why: each is Markdown."""
    asked = client().with_options(max_retries=0, timeout=5)
    ready = asked.base_url.join("../health/ready")
    try:
        # A model that is away is told, although the server is ready.
        told = cast("dict[str, str]", asked.get(str(ready), cast_to=object))
    except APIStatusError as error:
        told = cast("dict[str, str]", error.body) if isinstance(error.body, dict) else {}
        return _bad(told) or [explained(error)]
    except APIError as error:
        return [explained(error)]
    return _bad(told)


def _bad(told: dict[str, str]) -> list[str]:
    return [
        literally(f"{part}: {state}")
        for part, state in told.items()
        if part != "status" and state != "ok"
    ]


def _address() -> str:
    """As this browser reaches the server."""
    here = urlsplit(st.context.url or "")
    return f"{here.scheme}://{here.netloc}/v1"
