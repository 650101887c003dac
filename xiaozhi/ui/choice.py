"""Who answers: what was chosen in a conversation, and what holds where nothing was.

A conversation keeps what was chosen in it among its thread's metadata (docs/extensions.md), so
that a reload, another tab and another client see it. Draws nothing.

    chosen here ──► this person's default, in a new conversation ──► the server's default
"""

from dataclasses import dataclass

import streamlit as st
from openai import APIError
from openai.types.beta import Assistant, Thread

from xiaozhi.ui import assistants, shelves
from xiaozhi.ui.client import models
from xiaozhi.ui.preferences import preferred


@dataclass(frozen=True)
class Choice:
    """`assistant`: its id; None: the server's default. `model`: None: the assistant's own.

    `is_gone`: the assistant that was chosen was deleted.
    """

    assistant: str | None = None
    model: str | None = None
    is_gone: bool = False

    @property
    def marks(self) -> dict[str, str]:
        """As metadata of a thread. What nobody chose is not there: so it follows its default."""
        pairs = {"assistant": self.assistant, "model": self.model}
        return {key: value for key, value in pairs.items() if value}


def look(thread: Thread | None) -> None:
    """What holds in this conversation, from now on; None: in a new one."""
    kept = _kept()
    if thread is not None:
        metadata = thread.metadata or {}
        choice = Choice(metadata.get("assistant") or None, metadata.get("model") or None)
    elif kept is not None and kept[0] is None:
        choice = kept[1]
    else:
        choice = Choice(_preferred_assistant(), default_model())
    _keep(thread.id if thread else None, _checked(choice))


def current() -> Choice:
    kept = _kept()
    return kept[1] if kept else Choice()


def assistant_id() -> str:
    """The id of the assistant that answers here. The server's default exists afterwards.

    Raises openai.APIError.
    """
    return current().assistant or assistants.own().id


def assistant() -> Assistant:
    """The one that answers here. Raises openai.APIError."""
    chosen = current().assistant
    return (assistants.found(chosen) if chosen else None) or assistants.own()


def forget_assistant() -> None:
    """It may have been deleted meanwhile: the next question goes to one that is there."""
    assistants.look_anew()
    thread_id, choice = _kept() or (None, Choice())
    _keep(thread_id, _checked(choice))


def choose_assistant(id: str) -> None:
    """Here, with its own model. Raises openai.APIError."""
    _choose(Choice(None if id == assistants.id_of_own() else id))


def choose_model(model: str | None) -> None:
    """Here; None: the assistant's own. Raises openai.APIError."""
    _choose(Choice(current().assistant, model))


def begin_with(id: str) -> None:
    """The next new conversation is with this assistant."""
    _keep(None, Choice(None if id == assistants.id_of_own() else id))


def begin_by_default() -> None:
    """The defaults are others now: a new conversation takes them, one that was begun does not."""
    kept = _kept()
    if kept is not None and kept[0] is None:
        del st.session_state.choice


def default_assistant() -> str:
    """The id of the one that a new conversation of this person begins with."""
    return _preferred_assistant() or assistants.id_of_own()


def default_model() -> str | None:
    """The model that a new conversation of this person begins with; None: its assistant's own."""
    wanted = preferred("model")
    return wanted if any(model.id == wanted for model in models()) else None


def _preferred_assistant() -> str | None:
    """None where it is the server's default, or nobody who is there."""
    wanted = preferred("assistant")
    if not wanted or wanted == assistants.id_of_own():
        return None
    try:
        # Only of the listed ones: whatever else a cookie may hold is not asked for.
        return next((each.id for each in assistants.listed() if each.id == wanted), None)
    except APIError:
        return None


def _checked(choice: Choice) -> Choice:
    if choice.assistant is None:
        return choice
    try:
        is_there = assistants.found(choice.assistant) is not None
    except APIError:
        return choice
    return choice if is_there else Choice(is_gone=True)


def _choose(choice: Choice) -> None:
    thread_id, _before = _kept() or (None, None)
    if thread_id is not None:
        shelves.mark(thread_id, assistant=choice.assistant, model=choice.model)
    _keep(thread_id, choice)


def _kept() -> tuple[str | None, Choice] | None:
    return st.session_state.get("choice")


def _keep(thread_id: str | None, choice: Choice) -> None:
    st.session_state.choice = (thread_id, choice)
