"""The row under an answer: copy, thumbs, aloud, once more, its versions, and what it took.

One component and not five widgets: it costs a rerun little, copies without asking, and its buttons
have names that a screen reader can say.
"""

import streamlit as st
from openai import APIError

from xiaozhi.ui import message_versions, rows
from xiaozhi.ui.client import explained
from xiaozhi.ui.message_versions import Answer, Answering, Changed, metadata_of, took
from xiaozhi.ui.metadata_changes import change_message
from xiaozhi.ui.texts import _, language
from xiaozhi.ui.who_answers import readable

VOTE = "feedback"  # the key in a message's metadata: "up" or "down"
LEAST_SECONDS = 3  # a run's times are whole seconds: below, a speed would be a guess


def show(answer: Answer, *, is_last: bool, model: str | None) -> None:
    """`is_last`: only that one can be asked for again. `model`: who would answer then."""
    if not answer.messages and answer.versions < 2:
        return
    key = (
        answer.messages[-1].id
        if answer.messages
        else f"of_{answer.question and answer.question.id}"
    )

    # A thumb draws this row anew, and nothing else.
    @st.fragment
    def row() -> None:
        can_again = is_last and answer.question is not None
        told = rows.row("read_aloud", "answer_row")(
            key=f"under_{key}",
            data=_data(answer, can_again=can_again),
            on_vote_change=lambda: vote(answer, st.session_state[f"under_{key}"].vote),
            on_again_change=_nothing,
            on_version_change=_nothing,
        )
        if told.again or told.version:
            _change(answer, told.version, model)

    row()


def _change(answer: Answer, version: int | None, model: str | None) -> None:
    if st.session_state.get("turns"):
        st.toast(_("Something newer is being answered: this one stays as it is."))
        return
    assert answer.question is not None, "there is something to answer"
    try:
        if version:
            if not message_versions.bring_back(answer.question, version):
                st.session_state.problem = _("This version is not there (any more).")
        else:
            message_versions.ask_again(answer.question, model)
    except Answering:
        st.session_state.problem = rows.still_answering()
    except Changed:
        st.session_state.problem = _(
            "This conversation has gone on elsewhere. This is how it is now."
        )
    except APIError as error:
        st.session_state.problem = explained(error)
    st.rerun()


def vote(answer: Answer, chosen: str | None) -> None:
    """`chosen`: "up" or "down"; any other takes it back."""
    vote = chosen if chosen in ("up", "down") else None
    try:
        change_message(answer.messages[-1], {VOTE: vote})
    except APIError as error:
        st.toast(explained(error), icon=":material/error:")


def _data(answer: Answer, *, can_again: bool) -> dict[str, str | int | bool]:
    """Flat, and of plain values only: in anything else Streamlit looks for tables, with pandas."""
    last = answer.messages[-1] if answer.messages else None
    known = took(answer) if last else {}
    return {
        "text": answer.text,
        "vote": metadata_of(last).get(VOTE, ""),
        "can_again": can_again,
        "version": answer.version,
        "of": answer.versions if can_again else 1,
        "model": readable(known["model"]) if "model" in known else "",
        "at": int(metadata_of(last).get("at", last.created_at)) if last else 0,
        "cost": _cost(known),
        "locale": "zh-CN" if language() == "zh" else "en",
        "say_copy": _("Copy"),
        "say_copied": _("Copied"),
        "say_up": _("A good answer"),
        "say_down": _("A bad answer"),
        "say_read": _("Read aloud"),
        "say_stop": _("Stop reading"),
        "say_again": _("Answer once more"),
        "say_earlier": _("Earlier version"),
        "say_later": _("Later version"),
    }


def _cost(known: dict[str, str]) -> str:
    tokens, seconds = int(known.get("tokens", 0)), int(known.get("seconds", 0))
    if not tokens:
        return ""
    words = _("{count} tokens", count=f"{tokens:,}")
    if seconds >= LEAST_SECONDS:
        words += " · " + _("{count} tokens/s", count=round(tokens / seconds))
    return words


def _nothing() -> None:
    """What is told is seen after the row has been drawn."""
