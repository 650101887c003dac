"""The official SDK, pointed at our own address, and the assistant that the page talks to."""

from typing import Any, cast

import streamlit as st
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    BadRequestError,
    NotFoundError,
    Omit,
    OpenAI,
    omit,
)
from openai.types import Model
from openai.types.beta import Assistant

from xiaozhi.ui.texts import _

# The page's own assistant, where OPENAI_ASSISTANT_ID names no other
OWN_ASSISTANT = "asst_xiaozhiZeroOwnAssistant01"
DEFAULT_MODEL = "default"  # whichever is the server's default when a run is made

# Short: a small model on two cores reads a hundred tokens a second.
INSTRUCTIONS = "You are 小智·Zero, a friendly private assistant. Answer in the user's language."


@st.cache_resource
def client() -> OpenAI:
    """One for the whole process."""
    return OpenAI(
        base_url=st.secrets["XIAOZHI_URL"],
        api_key=st.secrets["XIAOZHI_API_KEY"],
        max_retries=1,
        timeout=30,
    )


def assistant_id() -> str:
    """The id of the assistant that answers here; it exists on the server afterwards."""
    id: str = st.secrets.get("OPENAI_ASSISTANT_ID") or OWN_ASSISTANT
    return _existing(id).id


def or_default(model: str | None) -> str | Omit:
    """For a run: `model`, or the assistant's own."""
    return model or omit


def forget_assistant() -> None:
    """It was deleted meanwhile: the next look makes it anew."""
    _existing.clear()


@st.cache_resource
def _existing(id: str) -> Assistant:
    try:
        return client().beta.assistants.retrieve(id)
    except NotFoundError:
        return _created(id)


def _created(id: str) -> Assistant:
    """Under the very id, so that an old one goes on living."""
    try:
        return client().beta.assistants.create(
            name="小智·Zero",
            model=DEFAULT_MODEL,
            instructions=INSTRUCTIONS,
            temperature=0.7,
            top_p=0.9,
            extra_body={"id": id},
        )
    except BadRequestError as error:
        if error.code != "already_exists":
            raise
        # Another page was faster.
        return client().beta.assistants.retrieve(id)


@st.cache_resource(ttl=30)
def models() -> list[Model]:
    """The models that can answer, the server's default first; none if it is silent."""
    try:
        return list(client().models.list())
    except APIError:
        return []


def explained(error: Exception) -> str:
    """What went wrong between page and server, in a sentence."""
    if isinstance(error, APIConnectionError):
        return _("The server cannot be reached. Your message was not sent; please try again.")
    if isinstance(error, APIStatusError):
        return _("The server refused this: {words}", words=_words(error))
    return _("Something went wrong: {words}", words=error)


def _words(error: APIStatusError) -> str:
    body = cast("dict[str, Any]", error.body) if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message)
