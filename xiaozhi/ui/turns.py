"""What a person does to a conversation: asks, stops, goes on, tries again.

What the server refuses is kept for the next look: a sentence, and the words back in the composer.
"""

from collections.abc import Mapping

import streamlit as st
from openai import APIError
from openai.types.beta.threads import Run

from xiaozhi.ui import composer, history, who_answers
from xiaozhi.ui import conversation as talk
from xiaozhi.ui.client import explained, forget_assistant
from xiaozhi.ui.conversation import Conversation, Turn
from xiaozhi.ui.question import Question


def begin(question: Question) -> None:
    """A new conversation."""
    try:
        st.query_params["c"] = talk.begun(question, who_answers.chosen())
    except APIError as error:
        _keep(question, error)


def begin_anew() -> None:
    history.open_conversation(None)


def ask(conversation: Conversation, question: Question) -> None:
    try:
        st.session_state.turns.append(talk.asked(conversation, question, who_answers.chosen()))
    except APIError as error:
        _keep(question, error)


def ask_in_turn(conversation: Conversation, question: Question) -> None:
    """At once, or when the answer is there that grows."""
    if st.session_state.turns:
        st.session_state.setdefault("waiting", []).append(question)
    else:
        ask(conversation, question)


def ask_again(conversation: Conversation, failed: Run) -> None:
    try:
        talk.asked_again(conversation, failed, who_answers.chosen())
    except APIError as error:
        _keep(Question(""), error)


def stop(turn: Turn) -> None:
    try:
        talk.stopped(turn)
    except APIError as error:
        # Where it has just ended by itself, there is nothing to say.
        if not turn.followed.ended:
            st.session_state.problem = explained(error)


def settle(run: Run, outputs: Mapping[str, str]) -> None:
    try:
        talk.settled(run, outputs)
    except APIError as error:
        st.session_state.problem = explained(error)


def show_problem() -> None:
    """What went wrong since the last look, once."""
    if problem := st.session_state.pop("problem", None):
        st.error(problem, icon=":material/error:")


def _keep(question: Question, error: APIError) -> None:
    # It may be the assistant that is gone: the next try looks for it anew.
    forget_assistant()
    st.session_state.problem = explained(error)
    composer.put_back(question)
