"""Settings: what a person prefers in this browser, and what this server is.

In a dialog, which is a fragment, as is the way to it: an answer goes on growing meanwhile.
"""

from collections.abc import Callable, Sequence

import streamlit as st
from openai import APIError
from openai.types.beta import Assistant

from xiaozhi.ui import about, all_conversations, assistants, choice, preferences
from xiaozhi.ui.client import models
from xiaozhi.ui.preferences import Name, preferred
from xiaozhi.ui.texts import _
from xiaozhi.ui.who_answers import OWN_MODEL, called, model_called

LIKE_THE_BROWSER = ""  # no language was chosen
LIKE_THE_SYSTEM = ""  # no theme was chosen


@st.fragment
def show_entry(name: str) -> None:
    """Into the sidebar. `name`: what the page calls itself."""
    # The dialog was closed: that draws no more than this row.
    if st.session_state.pop("page_is_outdated", False):
        st.rerun()
    all_conversations.show_going()
    with st.container(key="settings_row"):
        label = _("Settings")
        icon = ":material/settings:"
        if st.button(label, icon=icon, key="nav_settings", type="tertiary", width="stretch"):
            _open(name)
        # Also where the dialog was closed before it could be drawn with them
        preferences.write("preferences_kept")


def _open(name: str) -> None:
    assistants.look_anew()
    all_conversations.begin_anew()

    @st.dialog(_("Settings"), width="medium", on_dismiss="rerun")
    def dialog() -> None:
        with st.container(key="settings", gap="medium"):
            _show_how_it_looks()
            _show_defaults()
            about.show(name)
            all_conversations.show()
        preferences.write("preferences")

    dialog()


def _show_how_it_looks() -> None:
    languages = {LIKE_THE_BROWSER: _("As the browser"), "zh": "中文", "en": "English"}
    _show_choice(_("Language"), "language", languages)
    themes = {LIKE_THE_SYSTEM: _("As the system"), "light": _("Light"), "dark": _("Dark")}
    _show_choice(_("Appearance"), "theme", themes)


def _show_choice(label: str, name: Name, words: dict[str, str]) -> None:
    """`words`: what each value is called; the first of them is that of nothing chosen."""
    now = preferred(name)
    key = f"prefer_{name}"
    st.segmented_control(
        label,
        list(words),
        default=now if now in words else next(iter(words)),
        required=True,
        format_func=words.__getitem__,
        key=key,
        on_change=_take,
        args=(name, key),
    )


def _show_defaults() -> None:
    """For new conversations; where there is nothing to choose, nothing is asked."""
    offered = models()
    try:
        there = _with_own(assistants.listed(), assistants.own())
        default = choice.default_assistant()
    except APIError:
        return
    if len(there) > 1:
        by_id = {assistant.id: assistant for assistant in there}
        _show_pick(
            _("Assistant for new conversations"),
            "assistant",
            list(by_id),
            default,
            lambda id: called(by_id[id]),
        )
    if len(offered) > 1:
        _show_pick(
            _("Model for new conversations"),
            "model",
            [OWN_MODEL, *(model.id for model in offered)],
            choice.default_model() or OWN_MODEL,
            lambda id: model_called(id, offered) if id else _("The assistant's own"),
        )


def _show_pick(
    label: str, name: Name, ids: Sequence[str], now: str, words: Callable[[str], str]
) -> None:
    key = f"prefer_{name}"
    st.selectbox(
        label,
        ids,
        ids.index(now) if now in ids else 0,
        format_func=words,
        key=key,
        on_change=_take,
        args=(name, key),
    )


def _with_own(found: Sequence[Assistant], own: Assistant) -> list[Assistant]:
    """The server's default first, the others by their names."""
    others = (one for one in found if one.id != own.id)
    return [own, *sorted(others, key=lambda one: (called(one).casefold(), one.id))]


def _take(name: Name, key: str) -> None:
    value = str(st.session_state[key])
    # The server's default is no choice: another server, or another default, is followed.
    preferences.prefer(name, "" if value == assistants.id_of_own() else value)
    if name in ("assistant", "model"):
        choice.begin_by_default()
        st.session_state.page_is_outdated = True
