"""The assistants of the server, as the page lists, makes and changes them. Draws nothing."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import streamlit as st
from openai import BadRequestError, NotFoundError
from openai.types.beta import Assistant

from xiaozhi.ui.client import DEFAULT_MODEL, client, reader

# The page's own assistant, where OPENAI_ASSISTANT_ID names no other
OWN_ASSISTANT = "asst_xiaozhiZeroOwnAssistant01"
# Short: a small model on two cores reads a hundred tokens a second.
INSTRUCTIONS = "You are 小智·Zero, a friendly private assistant. Answer in the user's language."

_ID = re.compile(r"asst_[A-Za-z0-9_-]{1,64}")
PAGE = 100  # that the API gives at once, at most
MOST = 500  # that are listed
STALE_AFTER = 10  # s until another client's changes are looked for


@st.cache_resource(ttl=STALE_AFTER, show_spinner=False)
def listed() -> list[Assistant]:
    """The newest first, for all pages of the process: not to be changed. Raises openai.APIError."""
    page = reader().beta.assistants.list(limit=PAGE)
    found = page.data
    while page.has_more and len(found) < MOST:
        page = page.get_next_page()
        found = found + page.data
    return found


def look_anew() -> None:
    """They are others now, or some are gone."""
    listed.clear()
    _own.clear()


def found(id: str) -> Assistant | None:
    """None where it is not there (any more). Raises openai.APIError."""
    for assistant in listed():
        if assistant.id == id:
            return assistant
    return read(id)


def read(id: str) -> Assistant | None:
    """As it is at this moment. None where it is not there. Raises openai.APIError."""
    # It comes from an address, a cookie or metadata: it must not name anything else.
    if not _ID.fullmatch(id):
        return None
    try:
        return reader().beta.assistants.retrieve(id)
    except NotFoundError:
        return None


def created(fields: Mapping[str, Any]) -> Assistant:
    """Raises openai.APIError."""
    assistant = client().beta.assistants.create(**fields)
    look_anew()
    return assistant


def changed(id: str, fields: Mapping[str, Any]) -> Assistant:
    """Raises openai.APIError; NotFoundError where it was deleted meanwhile."""
    assistant = client().beta.assistants.update(id, **fields)
    look_anew()
    return assistant


def delete(id: str) -> None:
    """Conversations stay. Raises openai.APIError, not where it was deleted already."""
    with suppress(NotFoundError):
        client().beta.assistants.delete(id)
    look_anew()


def id_of_own() -> str:
    """Of the one that answers where nobody chose."""
    return st.secrets.get("OPENAI_ASSISTANT_ID") or OWN_ASSISTANT


def own() -> Assistant:
    """It exists on the server afterwards. Raises openai.APIError."""
    return _own(id_of_own())


@st.cache_resource(show_spinner=False)
def _own(id: str) -> Assistant:
    return read(id) or _made(id)


def _made(id: str) -> Assistant:
    """Under the very id, so that an old one goes on living."""
    try:
        made = client().beta.assistants.create(
            name="小智·Zero",
            model=DEFAULT_MODEL,
            instructions=INSTRUCTIONS,
            extra_body={"id": id},
        )
    except BadRequestError as error:
        if error.code != "already_exists":
            raise
        # Another page was faster.
        made = client().beta.assistants.retrieve(id)
    listed.clear()
    return made
