"""The page before the first question: the composer in its middle, and what could be asked."""

import streamlit as st

from xiaozhi.ui import composer, turns
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _


def show(name: str) -> None:
    """`name`: what the page calls itself."""
    with st.container(key="hero", horizontal_alignment="center", gap="small"):
        turns.show_problem()
        composer.show_first(turns.begin)
        with st.container(key="suggestions"), st.grid(2, min_column_width=150, gap="xsmall"):
            for icon, title, words in _suggestions():
                st.button(
                    f"**{title}**  \n:gray[:small[{words}]]",
                    icon=f":material/{icon}:",
                    key=f"s_{icon}",
                    width="stretch",
                    wrap=True,
                    on_click=turns.begin,
                    args=(Question(words),),
                )
        with st.expander(_("What is {name}?", name=name), type="compact"):
            st.markdown(
                _(
                    "{name} is a private assistant on a computer of your own. Your conversations "
                    "stay there. Out of the box a small built-in model answers, without a key and "
                    "without an account: it is quick and modest, and it makes mistakes. Any "
                    "OpenAI-compatible endpoint can answer instead; the README says how.",
                    name=name,
                )
            )


def _suggestions() -> list[tuple[str, str, str]]:
    """(icon, title, question)"""
    return [
        ("waving_hand", _("Get acquainted"), _("Introduce yourself in three sentences")),
        ("edit_note", _("Write something"), _("Write a short poem about autumn")),
        ("code", _("Explain code"), _("Write bubble sort in Python and explain it")),
        ("translate", _("Translate"), _("Into Chinese: The early bird catches the worm")),
    ]
