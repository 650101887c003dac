"""Pictures that go with the next question: given with it, or held as it could not be sent."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from xiaozhi.ui import shown_pictures, sight
from xiaozhi.ui.pictures import LARGEST, MOST, NotAPicture, TooLarge, fit
from xiaozhi.ui.question import Question
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _


def hold(question: Question) -> None:
    """Its pictures, until the next question, which they go with."""
    st.session_state.held = replace(question, words="")


def let_go() -> None:
    st.session_state.pop("held", None)


def taken(words: str, files: Sequence[UploadedFile]) -> tuple[Question, str | None]:
    """`words` with what is held and given, and why that cannot be sent; None: it can."""
    held: Question = st.session_state.pop("held", Question(""))
    pictures = list(held.pictures)
    problems: list[str] = []
    for file in files[: MOST + 1]:
        try:
            pictures.append(fit(file.getvalue()))
        except NotAPicture:
            problems.append(_not_a_picture(file.name))
        except TooLarge:
            problems.append(_too_large(file.name))
    if len(pictures) > MOST or len(files) > MOST:
        problems.append(
            _(
                "A question can have {most} pictures at most. The first ones are kept here, "
                "the others are not.",
                most=MOST,
            )
        )
    if pictures and not problems and (model := sight.blind()):
        problems.append(
            _(
                "{model} cannot see pictures. Please choose another model above, or ask without "
                "them.",
                model=literally(model),
            )
        )
    question = Question(words, tuple(pictures[:MOST]), held.links)
    return question, "\n\n".join(problems) or None


def show_held(send: Callable[[], None]) -> None:
    """Nothing where none are held. `send`: they are to go without words."""
    held: Question = st.session_state.get("held", Question(""))
    if not held.parts():
        return
    with st.container(key="held", horizontal=True, vertical_alignment="center", gap="small"):
        shown_pictures.show("held", held)
        st.button(_("Send without words"), key="held_send", type="tertiary", on_click=send)
        st.button(_("Remove"), key="held_drop", type="tertiary", on_click=let_go)


def show_warnings() -> None:
    """Two sentences that are only seen while they are true of what is chosen (zero.css)."""
    with st.container(key="refused"):
        st.caption(
            _("Only pictures (PNG, JPEG, GIF, WebP) of up to {most} MB can be sent.", most=LARGEST)
        )
    if model := sight.blind():
        with st.container(key="blind"):
            st.caption(_("{model} cannot see pictures.", model=literally(model)))


def _not_a_picture(name: str) -> str:
    return _(
        "“{name}” is no picture that can be read. PNG, JPEG, GIF and WebP can.",
        name=literally(name),
    )


def _too_large(name: str) -> str:
    return _(
        "“{name}” is too large: a picture can have {most} MB at most.",
        name=literally(name),
        most=LARGEST,
    )
