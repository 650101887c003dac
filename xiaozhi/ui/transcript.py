"""A conversation as it stands: questions right, answers left, what ended badly with its reason."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import shown_pictures
from xiaozhi.ui.markdown import for_streamlit, settled
from xiaozhi.ui.question import Picture, Question, held_in
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _

CURSOR = "▌"
LEAST_PIECE = 600  # characters; of smaller ones there would be too many elements


def text_of(message: Message) -> str:
    return "\n\n".join(part.text.value for part in message.content if part.type == "text")


def asked_in(message: Message) -> Question:
    """What `message` says and shows."""
    urls = [part.image_url.url for part in message.content if part.type == "image_url"]
    found = [(url, _held_in(message.id, place, url)) for place, url in enumerate(urls)]
    return Question(
        text_of(message),
        tuple(picture for _url, picture in found if picture),
        tuple(url for url, picture in found if not picture),
    )


@st.cache_resource(max_entries=shown_pictures.KEPT, show_spinner=False)
def _held_in(message_id: str, place: int, _url: str) -> Picture | None:
    """Read once, not at each look: the content of a message does not change."""
    return held_in(_url)


def show(
    messages: Sequence[Message],
    *,
    under_question: Callable[[Message], None],
    over: Callable[[Message], None],
    under: Callable[[Message | None, list[Message]], None],
) -> None:
    """`messages`: oldest first. What else is drawn, and where:

    `under_question`; `over`: above the first message of a run; `under`: below a question and its
    answer.
    """
    asked: Message | None = None
    said: list[Message] = []
    for message in messages:
        if message.role == "user":
            if said:
                under(asked, said)
            asked, said = message, []
            question(message.id, asked_in(message), partial(under_question, message))
        else:
            if not said or said[-1].run_id != message.run_id:
                over(message)
            said.append(message)
            answer(message)
    if messages:
        under(asked, said)


def question(key: str, asked: Question, under: Callable[[], None] | None = None) -> None:
    with st.container(key=f"u_{key}", horizontal_alignment="right", gap=None):
        with st.container(key=f"ub_{key}", width="content"):
            # A question is shown as it was typed: its line ends stay, its signs mean nothing.
            if asked.words:
                st.text(asked.words)
            shown_pictures.show(key, asked)
        if under:
            under()


def answer(message: Message) -> None:
    with st.container(key=f"a_{message.id}", gap="small"):
        said = asked_in(message)
        st.markdown(for_streamlit(said.words))
        shown_pictures.show(message.id, said)
        details = message.incomplete_details
        if message.status == "incomplete" and details:
            st.caption(_ended_early(details.reason))


class Growing:
    """The place of an answer that is being written.

    What no later word can change is drawn once, and stands; only what follows is drawn anew.
    """

    def __init__(self, key: str, *, before: str = "", cursor: bool = True) -> None:
        """`before`: Markdown that is seen until there is a text."""
        self._pieces = st.container(key=key, gap="small")
        self._before = before
        self._cursor = CURSOR if cursor else ""
        self._stands = 0  # characters
        self._shown: str | None = None
        self._begin_piece()

    def show(self, text: str) -> None:
        """`text`: all of it so far."""
        if text == self._shown:
            return
        self._shown = text
        if not text:
            if self._before:
                self._place.markdown(self._before)
            return
        more = settled(text[self._stands :])
        if more >= LEAST_PIECE:
            self._place.markdown(for_streamlit(text[self._stands : self._stands + more]))
            self._stands += more
            self._begin_piece()
        self._place.markdown(for_streamlit(text[self._stands :], whole=False) + self._cursor)

    def _begin_piece(self) -> None:
        with self._pieces:
            self._place = st.empty()


_OPENAIS = ("Rate limit reached. ", "Sorry, something went wrong. ")


def why_failed(run: Run) -> str | None:
    """Why a run has no (whole) answer, in the page's language; None where it has one."""
    if run.status == "expired":
        return _("The answer took too long and was given up.")
    if run.status != "failed" or run.last_error is None:
        return None
    # OpenAI's words, which programs look for; a fixed sentence of the server; the model
    # provider's own words.
    message = run.last_error.message
    for openais in _OPENAIS:
        message = message.removeprefix(openais)
    reason, _colon, details = message.partition(": ")
    said = literally(_(reason).rstrip(".。"))
    return said + _(".") + (f"\n\n{for_streamlit(details)}" if details else "")


def _ended_early(reason: str) -> str:
    return {
        "run_cancelled": "■ " + _("Stopped"),
        "max_tokens": "■ " + _("The answer reached its length limit"),
        "content_filter": "■ " + _("The model's provider withheld the rest"),
    }.get(reason, "■ " + _("The answer broke off"))
