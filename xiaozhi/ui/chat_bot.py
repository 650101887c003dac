"""小智·Zero's page: three lines make it.

bot = ChatBot()
bot.bot_title()
bot.chat()
"""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st
from openai import APIError, NotFoundError
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import answer_row, endings, functions, history, transcript, who_answers
from xiaozhi.ui import conversation as talk
from xiaozhi.ui.client import explained, forget_assistant
from xiaozhi.ui.conversation import MOST_MESSAGES, Conversation, Turn
from xiaozhi.ui.follow import ENDED, Followed, let_go
from xiaozhi.ui.texts import _
from xiaozhi.ui.versions import Answer

NAME = "小智·Zero"
WINDOW = 40  # messages that are shown at first, and added each time that earlier ones are wanted
FIRST_LOOK = 1.5  # s that a page waits for the first words before it lets go of its turn
LOOK = 0.5  # s that one turn of looking at a growing answer takes, at most
TICK = 0.08  # s between two updates of the page


class ChatBot:
    """`name` and `title` are what the page calls itself."""

    def __init__(self, name: str = NAME, title: str = "") -> None:
        self.name = name
        self.title = title or _("My private assistant")

    def bot_title(self) -> None:
        """The page's head: a way to begin anew, who answers, and what the page is called."""
        st.logo(_static("logo.svg"), size="large", icon_image=_static("icon.svg"))
        with st.sidebar:
            st.button(
                _("New chat"),
                icon=":material/edit_square:",
                key="new",
                width="stretch",
                on_click=_begin_anew,
                shortcut="Mod+Shift+O",
            )
            history.show()
        with st.container(key="top", horizontal=True, vertical_alignment="center"):
            who_answers.show(self.name)
        if _thread_in_use() is None:
            with st.container(key="title", horizontal_alignment="center", gap="small"):
                st.title(self.name, text_alignment="center", anchor=False)
                st.markdown(f":gray[{self.title}]", text_alignment="center")

    def chat(self) -> None:
        """The conversation: what was said, what is being said, and the place to say more."""
        thread_id = _thread_in_use()
        if thread_id is None:
            self._first_question()
            return
        try:
            conversation = talk.loaded(thread_id, st.session_state.get("window", WINDOW))
        except NotFoundError:
            st.info(_("This conversation is not there (any more)."), icon=":material/search_off:")
            st.button(_("New chat"), key="anew", on_click=_begin_anew)
        except APIError as error:
            st.error(explained(error), icon=":material/cloud_off:")
            st.button(_("Try again"), key="reload")
        else:
            _show(conversation)

    def _first_question(self) -> None:
        with st.container(key="hero", horizontal_alignment="center", gap="small"):
            _show_problem()
            with st.container(key="composer_box"):
                _restore_draft("first")
                st.chat_input(_placeholder(), key="first", height=72, on_submit=_begin_as_typed)
            with st.container(key="suggestions"), st.grid(2, min_column_width=150, gap="xsmall"):
                for icon, title, words in _suggestions():
                    st.button(
                        f"**{title}**  \n:gray[:small[{words}]]",
                        icon=f":material/{icon}:",
                        key=f"s_{icon}",
                        width="stretch",
                        wrap=True,
                        on_click=_begin,
                        args=(words,),
                    )
            self._what_it_is()

    def _what_it_is(self) -> None:
        with st.expander(_("What is {name}?", name=self.name), type="compact"):
            st.markdown(
                _(
                    "{name} is a private assistant on a computer of your own. Your conversations "
                    "stay there. Out of the box a small built-in model answers, without a key and "
                    "without an account: it is quick and modest, and it makes mistakes. Any "
                    "OpenAI-compatible endpoint can answer instead; the README says how.",
                    name=self.name,
                )
            )


# --- a conversation, drawn


def _show(conversation: Conversation) -> None:
    with st.container(key="thread", gap="medium"):
        if conversation.has_earlier:
            st.button(_("Earlier messages"), key="earlier", on_click=_widen, type="tertiary")
        turns = st.session_state.turns = talk.unfinished(conversation)
        transcript.show(conversation.messages, partial(_under, conversation))
        if conversation.last_run and not turns:
            endings.show(conversation, conversation.last_run, ask=_ask, again=_again)
            functions.show(conversation.last_run, _settle)
    if st.session_state.get("waiting") and not turns:
        _ask(conversation, st.session_state.waiting.pop(0))
    _tail(conversation)


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
    turns: list[Turn] = st.session_state.turns
    with st.container(key="thread_tail", gap="medium"):
        _show_problem()
        for turn in turns:
            if turn.question is not None:
                transcript.question(turn.followed.run.id, turn.question)
            _answer(turn.followed)
        for index, words in enumerate(st.session_state.get("waiting", [])):
            transcript.question(f"waiting_{index}", words)
            st.caption(_("Will be sent when the answer is there"), text_alignment="right")
    with st.bottom, st.container(key="composer_box", gap="xxsmall"):
        if conversation.is_full and not turns:
            _show_end()
        else:
            _composer(conversation, turns)


def _answer(answer: Followed) -> None:
    first = [True]

    @st.fragment(run_every=0.1)
    def live() -> None:
        # The first look waits for the first words; the others let go of the page after a while,
        # so that its buttons and its composer get their turn.
        is_first = bool(first) and first.pop()
        until = time.monotonic() + (FIRST_LOOK if is_first else LOOK)
        place = transcript.Growing(answer.run.id)
        while True:
            text, ended = answer.text, answer.ended
            place.show(text)
            if answer.lost is not None:
                _show_lost(answer)
                return
            if ended:
                # Drawn anew from what the server keeps, with everything that belongs to it
                st.rerun()
            if time.monotonic() > until or (is_first and text):
                return
            drawn = time.monotonic()
            answer.wait(len(text), TICK)
            if not is_first:
                time.sleep(max(0.0, drawn + TICK - time.monotonic()))

    live()


def _show_lost(answer: Followed) -> None:
    words = _("The connection to the answer was lost; it may well go on.")
    st.error(words, icon=":material/cloud_off:")
    st.button(_("Try again"), key="follow_again", on_click=let_go, args=(answer.run,))


def _show_end() -> None:
    st.info(
        _(
            "We have exchanged {count} messages here, which is as many as one conversation "
            "can hold. Thank you for talking to me! Please begin a new one.",
            count=f"{MOST_MESSAGES:,}",
        ),
        icon=":material/celebration:",
    )


def _composer(conversation: Conversation, turns: list[Turn]) -> None:
    if turns:
        icon = ":material/stop_circle:"
        st.button(_("Stop"), icon=icon, key="stop", on_click=_stop, args=(turns[-1],))
    _restore_draft("composer")
    st.chat_input(_placeholder(), key="composer", on_submit=_ask_as_typed, args=(conversation,))
    warning = _("Zero can make mistakes. Check important facts.")
    st.markdown(f":gray[:small[{warning}]]", text_alignment="center")


def _show_problem() -> None:
    if problem := st.session_state.pop("problem", None):
        st.error(problem, icon=":material/error:")


def _restore_draft(key: str) -> None:
    """Words that could not be sent are put back to where they were typed."""
    if draft := st.session_state.pop("draft", None):
        st.session_state[key] = draft


# --- what a person does


def _begin_as_typed() -> None:
    _begin(st.session_state.first)


def _begin(words: str) -> None:
    try:
        st.query_params["c"] = talk.begun(words, who_answers.chosen())
    except APIError as error:
        _keep_words(words, error)


def _ask_as_typed(conversation: Conversation) -> None:
    words: str = st.session_state.composer
    if st.session_state.turns:
        st.session_state.setdefault("waiting", []).append(words)
    else:
        _ask(conversation, words)


def _ask(conversation: Conversation, words: str) -> None:
    try:
        st.session_state.turns.append(talk.asked(conversation, words, who_answers.chosen()))
    except APIError as error:
        _keep_words(words, error)


def _again(conversation: Conversation, failed: Run) -> None:
    try:
        talk.asked_again(conversation, failed, who_answers.chosen())
    except APIError as error:
        _keep_words("", error)


def _keep_words(words: str, error: APIError) -> None:
    # It may be the assistant that is gone: the next try looks for it anew.
    forget_assistant()
    st.session_state.problem = explained(error)
    st.session_state.draft = words


def _stop(turn: Turn) -> None:
    try:
        talk.stopped(turn)
    except APIError as error:
        # Where it has just ended by itself, there is nothing to say.
        if not turn.followed.ended:
            st.session_state.problem = explained(error)


def _settle(run: Run, outputs: Mapping[str, str]) -> None:
    try:
        talk.settled(run, outputs)
    except APIError as error:
        st.session_state.problem = explained(error)


def _begin_anew() -> None:
    history.open_conversation(None)


def _widen() -> None:
    st.session_state.window = st.session_state.get("window", WINDOW) + WINDOW


def _thread_in_use() -> str | None:
    """The address names the conversation: it can be bookmarked, and a reload shows it again."""
    return st.query_params.get("c")


# --- fixed words and pictures


def _placeholder() -> str:
    return _("Hello, Zero!")


def _suggestions() -> list[tuple[str, str, str]]:
    """(icon, title, question)"""
    return [
        ("waving_hand", _("Get acquainted"), _("Introduce yourself in three sentences")),
        ("edit_note", _("Write something"), _("Write a short poem about autumn")),
        ("code", _("Explain code"), _("Write bubble sort in Python and explain it")),
        ("translate", _("Translate"), _("Into Chinese: The early bird catches the worm")),
    ]


def page_icon() -> str:
    """A file of ours: an icon name would be fetched from somewhere else."""
    return _static("icon.png")


def _static(name: str) -> str:
    return str(Path(__file__).parent / "static" / name)
