"""The row under a question: copy, edit in its place, and its versions, each with what followed.

One component, as the row under an answer. What is being typed is the browser's alone until it is
sent, and again where it was refused.
"""

from dataclasses import dataclass
from functools import partial

import streamlit as st
from openai import APIError, NotFoundError
from openai.types.beta.threads import Message

from xiaozhi.ui import composer, conversation, message_versions, rows, who_answers
from xiaozhi.ui.choice import forget_assistant
from xiaozhi.ui.client import explained, plainly_explained
from xiaozhi.ui.message_versions import Answering
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _
from xiaozhi.ui.transcript import text_of


@dataclass
class Refused:
    """What could not be sent, and why. `count`: how often that happened to this question."""

    words: str
    why: str
    count: int


def show(question: Message) -> None:
    key = f"asked_{question.id}"
    rows.row("question_row")(
        key=key,
        data=_data(question),
        on_edit_change=partial(_edit, question, key),
        on_version_change=partial(_turn, question, key),
    )


def _edit(question: Message, key: str) -> None:
    words = st.session_state[key].edit
    try:
        message_versions.edit(question, words)
    except Answering:
        _refuse(question, words, rows.still_answering())
    except NotFoundError:
        # With the question its row goes from the page.
        composer.put_back(Question(words))
        st.session_state.problem = _not_there()
    except APIError as error:
        _refuse(question, words, plainly_explained(error))
    else:
        _refusals().pop(question.id, None)
        _answer(question.thread_id)


def _turn(question: Message, key: str) -> None:
    try:
        if not message_versions.turn_to(question, st.session_state[key].version):
            st.session_state.problem = _("This version is not there (any more).")
    except Answering:
        st.toast(rows.still_answering())
    except NotFoundError:
        st.session_state.problem = _not_there()
    except APIError as error:
        st.session_state.problem = explained(error)


def _answer(thread_id: str) -> None:
    """What stands there now; where that fails it is a question without an answer (endings.py)."""
    try:
        conversation.answer(thread_id, who_answers.chosen())
    except APIError as error:
        forget_assistant()
        st.session_state.problem = explained(error)


def _not_there() -> str:
    return _("This question has been changed or deleted elsewhere.")


def _refuse(question: Message, words: str, why: str) -> None:
    before = _refusals().get(question.id)
    _refusals()[question.id] = Refused(words, why, before.count + 1 if before else 1)


def _refusals() -> dict[str, Refused]:
    """By the question's id."""
    return st.session_state.setdefault("refused_edits", {})


def _data(question: Message) -> dict[str, str | int | bool]:
    """Flat, and of plain values only: in anything else Streamlit looks for tables, with pandas."""
    refused = _refusals().get(question.id, Refused("", "", 0))
    return {
        "id": question.id,
        "text": text_of(question),
        "has_more": any(part.type != "text" for part in question.content),
        "version": message_versions.branch(question),
        "of": message_versions.branches(question),
        "refused": refused.count,
        "draft": refused.words,
        "why": refused.why,
        "say_copy": _("Copy the question"),
        "say_copied": _("Copied"),
        "say_edit": _("Edit the question"),
        "say_send": _("Send"),
        "say_cancel": _("Cancel"),
        "say_earlier": _("Earlier version of the question"),
        "say_later": _("Later version of the question"),
    }
