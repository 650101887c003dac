"""小智·Zero's page: three lines make it.

bot = ChatBot()
bot.bot_title()
bot.chat()
"""

from functools import partial
from pathlib import Path

import streamlit as st
from openai import APIConnectionError, APIError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import (
    answer_row,
    assistants_address,
    assistants_page,
    choice,
    composer,
    empty_page,
    endings,
    functions,
    history,
    live,
    question_row,
    settings,
    temporary,
    thoughts,
    transcript,
    turns,
    who_answers,
)
from xiaozhi.ui import conversation as talk
from xiaozhi.ui.client import explained
from xiaozhi.ui.conversation import Conversation, Turn
from xiaozhi.ui.follow import ENDED
from xiaozhi.ui.message_versions import Answer, run_of
from xiaozhi.ui.texts import _

NAME = "小智·Zero"
WINDOW = 40  # messages that are shown at first, and added each time that earlier ones are wanted


class ChatBot:
    """`name` and `title` are what the page calls itself."""

    def __init__(self, name: str = NAME, title: str = "") -> None:
        self.name = name
        self.title = title or _("My private assistant")
        self._thread: Thread | None = None
        self._begun: Conversation | None = None
        self._unread: APIError | None = None

    def bot_title(self) -> None:
        """The page's head: a way to begin anew, who answers, and what the page is called."""
        self._thread, self._begun, self._unread = _read(_thread_in_use())
        # Then nothing else can be read either, and each try would keep the page blank for seconds.
        is_silent = isinstance(self._unread, APIConnectionError)
        st.logo(_static("logo.svg"), size="large", icon_image=_static("icon.svg"))
        with st.sidebar:
            st.button(
                _("New chat"),
                icon=":material/edit_square:",
                key="new",
                width="stretch",
                on_click=history.go,
                args=(None,),
                shortcut="Mod+Shift+O",
            )
            assistants_page.show_entry()
            if not is_silent:
                history.show()
            settings.show_entry(self.name)
        if is_silent:
            return
        choice.look(self._thread)
        # One that cannot be read at the moment is not left, and neither is one whose assistant
        # is being edited.
        is_known = self._thread is not None or _thread_in_use() is None
        if is_known and not assistants_address.is_here():
            temporary.look(self._thread)
        with st.container(key="top", horizontal=True, vertical_alignment="center"):
            if not assistants_address.is_here():
                who_answers.show(self.name)
                if is_known:
                    temporary.show(self._thread)
        if _thread_in_use() is None and not assistants_address.is_here():
            with st.container(key="title", horizontal_alignment="center", gap="small"):
                name, title = self.name, self.title
                if temporary.is_wanted():
                    name, title = _("Temporary chat"), temporary.explained_here()
                st.title(name, text_alignment="center", anchor=False)
                st.markdown(f":gray[{title}]", text_alignment="center")
        else:
            _leave_free()

    def chat(self) -> None:
        """The conversation: what was said, what is being said, and the place to say more."""
        if assistants_address.is_here():
            _leave_free()
            assistants_page.show()
            return
        thread_id = _thread_in_use()
        if thread_id is None:
            empty_page.show(self.name)
            return
        _leave_free()
        try:
            if self._unread is not None:
                raise self._unread
            thread = self._thread or talk.thread(thread_id)
            window = st.session_state.get("window", WINDOW)
            conversation = self._begun or talk.loaded(thread, window)
        except NotFoundError:
            st.info(_("This conversation is not there (any more)."), icon=":material/search_off:")
            st.button(_("New chat"), key="anew", on_click=history.go, args=(None,))
        except APIError as error:
            st.error(explained(error), icon=":material/cloud_off:")
            st.button(_("Try again"), key="reload")
        else:
            _show(conversation)


def page_icon() -> str:
    """A file of ours: an icon name would be fetched from somewhere else."""
    return _static("icon.png")


def _show(conversation: Conversation) -> None:
    with st.container(key="thread", gap="medium"):
        if conversation.has_earlier:
            st.button(_("Earlier messages"), key="earlier", on_click=_widen, type="tertiary")
        unfinished = st.session_state.turns = turns.unfinished(conversation)
        transcript.show(
            conversation.messages,
            under_question=question_row.show,
            over=partial(_over, conversation),
            under=partial(_under, conversation),
        )
        if conversation.last_run and not unfinished:
            _over_nothing(conversation, conversation.last_run)
            endings.show(conversation, conversation.last_run, ask=turns.ask, again=turns.ask_again)
            functions.show(conversation.last_run, turns.settle)
    _tail(conversation)


def _over(conversation: Conversation, message: Message) -> None:
    if run := conversation.runs.get(run_of(message)):
        thoughts.show(run)


def _over_nothing(conversation: Conversation, run: Run) -> None:
    """What the model thought where it came to no answer."""
    said = conversation.messages
    # Behind an answer stands one that takes its place: an earlier version.
    is_unanswered = not said or said[-1].role == "user"
    if is_unanswered and all(message.run_id != run.id for message in said):
        thoughts.show(run)


def _under(conversation: Conversation, question: Message | None, said: list[Message]) -> None:
    run = conversation.runs.get(said[-1].run_id or "") if said else None
    newest = conversation.messages[-1]
    is_last = newest is (said[-1] if said else question) and not st.session_state.turns
    # One that waits for a function is not there yet.
    if run is None or (run.status in ENDED and run.required_action is None):
        answer_row.show(Answer(question, said, run), is_last=is_last, model=who_answers.chosen())


@st.fragment
def _tail(conversation: Conversation) -> None:
    """What came since the page was drawn, and the composer: all that a question draws anew."""
    asked: list[Turn] = st.session_state.turns
    # First: it has its own place, and nobody who wants to stop waits for the first words.
    if conversation.is_full and not asked:
        composer.show_end()
    else:
        stop = partial(turns.stop, asked[-1]) if asked else None
        composer.show(partial(turns.ask, conversation), stop)
    with st.container(key="thread_tail", gap="medium"):
        turns.show_problem()
        for turn in asked:
            if turn.question is not None:
                transcript.question(turn.followed.run.id, turn.question)
            live.show(turn.followed)
        for message in conversation.waiting:
            _show_waiting(conversation, message)


def _show_waiting(conversation: Conversation, message: Message) -> None:
    transcript.question(message.id, transcript.asked_in(message))
    with st.container(
        key=f"wait_{message.id}",
        horizontal=True,
        horizontal_alignment="right",
        vertical_alignment="center",
        gap="small",
    ):
        st.caption(_("Will be sent when the answer is there"), width="content")
        st.button(
            _("Take back"),
            key=f"back_{message.id}",
            type="tertiary",
            on_click=turns.take_back,
            args=(conversation, message),
        )


def _leave_free() -> None:
    """Where the empty page has something: it would be seen until this one is whole."""
    st.empty()


def _read(
    thread_id: str | None,
) -> tuple[Thread | None, Conversation | None, APIError | None]:
    """The thread, what there is to see of it where that is known, and why it cannot be read."""
    if begun := turns.just_begun(thread_id):
        return *begun, None
    try:
        return talk.thread(thread_id) if thread_id else None, None, None
    except APIError as error:
        # Told where the conversation stands.
        return None, None, error


def _widen() -> None:
    st.session_state.window = st.session_state.get("window", WINDOW) + WINDOW


def _thread_in_use() -> str | None:
    """The address names the conversation: it can be bookmarked, and a reload shows it again."""
    return st.query_params.get("c")


def _static(name: str) -> str:
    return str(Path(__file__).parent / "static" / name)
