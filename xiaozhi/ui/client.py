"""The official SDK, pointed at our own address, and how its refusals are told."""

from typing import Any, cast

import httpx2
import streamlit as st
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    DefaultHttpxClient,
    Omit,
    OpenAI,
    omit,
)
from openai.types import Model

from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _

READ_WITHIN = 6.0  # s without a byte, after which a page says that it cannot read
DEFAULT_MODEL = "default"  # whichever is the server's default when a run is made


@st.cache_resource
def client() -> OpenAI:
    """One for the whole process."""
    return create_client(
        st.secrets["XIAOZHI_URL"],
        st.secrets["XIAOZHI_API_KEY"],
        # Without HTTP_PROXY and its like: a proxy would get every conversation, and the key.
        DefaultHttpxClient(trust_env=False),
    )


def create_client(url: str, key: str, http: httpx2.Client) -> OpenAI:
    """`url`: the server's address with /v1. Whoever calls closes it."""
    return OpenAI(
        base_url=url,
        api_key=key,
        http_client=http,
        # For the server's own routes, which the SDK has no method for
        default_headers={"OpenAI-Beta": "assistants=v2"},
        max_retries=1,
        timeout=30,
    )


@st.cache_resource
def reader() -> OpenAI:
    """For what a page reads to draw it: it gives up soon, as the page is blank meanwhile."""
    return client().with_options(timeout=READ_WITHIN, max_retries=0)


def or_default(model: str | None) -> str | Omit:
    """For a run: `model`, or the assistant's own."""
    return model or omit


def models() -> list[Model]:
    """The models that can answer, the server's default first; none if it is silent."""
    try:
        return _listed_models()
    except APIError:
        # Not remembered: for half a minute nobody could choose a model.
        return []


@st.cache_resource(ttl=30, show_spinner=False)
def _listed_models() -> list[Model]:
    return list(reader().models.list())


def explained(error: Exception) -> str:
    """What went wrong between page and server, in a sentence: Markdown, for `st.error` and others.

    The server's words repeat names and addresses, whose signs mean nothing.
    """
    return literally(plainly_explained(error))


def plainly_explained(error: Exception) -> str:
    """The same as plain text."""
    if isinstance(error, APIConnectionError):
        return _("The server cannot be reached. Your message was not sent; please try again.")
    if isinstance(error, APIStatusError):
        return _("The server refused this: {words}", words=_words(error))
    return _("Something went wrong: {words}", words=error)


def _words(error: APIStatusError) -> str:
    body = cast("dict[str, Any]", error.body) if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message)
