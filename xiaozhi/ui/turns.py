"""What a person does to a conversation: asks, stops, goes on, tries again.

What the server refuses is kept for the next look: a sentence, and the words back in the composer.
"""

from collections.abc import Mapping

import streamlit as st
from openai import APIError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import composer, history, transcript, waiting, who_answers
from xiaozhi.ui import conversation as talk
from xiaozhi.ui.choice import forget_assistant
from xiaozhi.ui.client import explained
from xiaozhi.ui.conversation import Conversation, Turn
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _


def begin(question: Question) -> None:
    """A new conversation; the next look at the page takes it from `just_begun`."""
    try:
        thread, conversation = talk.begun(question, who_answers.chosen())
    except APIError as error:
        _keep(question, explained(error))
    else:
        history.open_conversation(thread.id)
        st.session_state.just_begun = thread, conversation


def just_begun(thread_id: str | None) -> tuple[Thread, Conversation] | None:
    """What `begin` has made since the last look, if that is what is looked at; once."""
    begun: tuple[Thread, Conversation] | None = st.session_state.pop("just_begun", None)
    return begun if begun and begun[0].id == thread_id else None


def unfinished(conversation: Conversation) -> list[Turn]:
    """What is being answered, also what has waited until now."""
    try:
        return talk.unfinished(conversation, who_answers.chosen())
    except APIError as error:
        forget_assistant()
        st.session_state.problem = explained(error)
        return []


def ask(conversation: Conversation, question: Question) -> None:
    """At once; where another answer is under way (an earlier one, or another tab's), behind it."""
    model = who_answers.chosen()
    try:
        turn = talk.asked(conversation, question, model)
        if turn is not None:
            st.session_state.turns.append(turn)
    except waiting.Full:
        _keep(question, _("As many questions wait as can. Please ask this one later."))
    except APIError as error:
        _keep(question, explained(error))


def take_back(conversation: Conversation, message: Message) -> None:
    """A question that waits; its words are in the composer again."""
    try:
        waiting.take_back(message)
    except NotFoundError:
        st.session_state.problem = _("This question is not waiting any more.")
    except APIError as error:
        st.session_state.problem = explained(error)
    else:
        conversation.waiting.remove(message)
        composer.put_back(transcript.asked_in(message))


def ask_again(conversation: Conversation, failed: Run) -> None:
    try:
        talk.asked_again(conversation, failed, who_answers.chosen())
    except APIError as error:
        # Nothing goes back into the composer: what is held there for the next question stays.
        _say(explained(error))


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
    who_answers.show_gone()


def _keep(question: Question, problem: str) -> None:
    _say(problem)
    composer.put_back(question)


def _say(problem: str) -> None:
    # It may be the assistant that is gone: the next try looks for it anew.
    forget_assistant()
    st.session_state.problem = problem
