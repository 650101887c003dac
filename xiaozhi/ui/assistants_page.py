"""The page of assistants, in the conversation's place: all of them, or one that is edited.

A fragment of its own: what is done on it draws nothing else anew.
"""

import streamlit as st
from openai import APIError
from openai.types.beta import Assistant

from xiaozhi.ui import assistant_deletion, assistant_editor, assistants, assistants_address, choice
from xiaozhi.ui.client import explained, models
from xiaozhi.ui.history import open_conversation
from xiaozhi.ui.signs import literally
from xiaozhi.ui.texts import _
from xiaozhi.ui.who_answers import called, model_called

AT_ONCE = 50  # that are shown
MANY = 12  # from which on they are searched


def show_entry() -> None:
    """Into the sidebar."""
    st.button(
        _("Assistants"),
        icon=":material/smart_toy:",
        key="nav_assistants" + ("_on" if assistants_address.is_here() else ""),
        type="tertiary",
        width="stretch",
        on_click=assistants_address.go,
    )


def show() -> None:
    assistants.look_anew()
    assistant_editor.look_anew(assistants_address.edited())
    _show()


@st.fragment
def _show() -> None:
    with st.container(key="assistants_page", gap="medium"):
        edited = assistants_address.edited()
        if edited is not None:
            assistant_editor.show(edited, begin=_begin)
            return
        try:
            # Also where nobody has asked anything yet: it is there, to be changed.
            own = assistants.own()
            found = assistants.listed()
        except APIError as error:
            st.error(explained(error), icon=":material/cloud_off:")
            st.button(_("Try again"), key="assistants_again")
            return
        _show_list(found if any(one.id == own.id for one in found) else [own, *found])


def _show_list(found: list[Assistant]) -> None:
    with st.container(
        key="assistants_head", horizontal=True, vertical_alignment="center", gap="small"
    ):
        st.title(_("Assistants"), anchor=False, width="stretch")
        st.button(
            _("New assistant"),
            icon=":material/add:",
            key="add_assistant",
            type="primary",
            on_click=assistants_address.go,
            args=(assistants_address.NEW,),
        )
    words = _("Each one has its own instructions, model and functions.")
    st.caption(words)
    if len(found) > MANY:
        label = _("Search assistants")
        wanted = st.text_input(
            label,
            key="assistants_search",
            type="search",
            live=True,
            placeholder=label,
            label_visibility="collapsed",
        )
        found = [one for one in found if (wanted or "").casefold() in _told_of(one).casefold()]
    count = st.session_state.get("assistants_count", AT_ONCE)
    default = choice.default_assistant()
    with st.container(key="assistants_list", gap="xsmall"):
        for assistant in found[:count]:
            _show_row(assistant, is_default=assistant.id == default)
        if not found:
            st.caption(_("Nothing found"))
    if len(found) > count:
        st.button(_("More assistants"), key="assistants_more", type="tertiary", on_click=_more)


def _show_row(assistant: Assistant, *, is_default: bool) -> None:
    name = literally(called(assistant))
    about = assistant.description or model_called(assistant.model, models())
    label = f"**{name}**" + (f" :gray-badge[{_('Default')}]" if is_default else "")
    with st.container(
        key=f"assistant_{assistant.id}", horizontal=True, vertical_alignment="center", gap=None
    ):
        st.button(
            f"{label}  \n:gray[:small[{literally(about)}]]",
            key=f"assistantopen_{assistant.id}",
            type="tertiary",
            width="stretch",
            wrap=False,
            on_click=_edit,
            args=(assistant.id,),
        )
        st.button(
            _("Begin a conversation with {name}", name=name),
            icon=":material/chat_bubble_outline:",
            key=f"rowicon_talk_{assistant.id}",
            type="tertiary",
            on_click=_begin,
            args=(assistant.id,),
        )
        if st.button(
            _("Delete {name}", name=name),
            icon=":material/delete:",
            key=f"rowicon_delete_{assistant.id}",
            type="tertiary",
        ):
            assistant_deletion.ask(assistant)


def _edit(id: str) -> None:
    assistant_editor.look_anew(id)
    assistants_address.go(id)


def _begin(id: str) -> None:
    """A conversation with it."""
    open_conversation(None)
    choice.begin_with(id)
    st.rerun()


def _more() -> None:
    st.session_state.assistants_count = st.session_state.get("assistants_count", AT_ONCE) + AT_ONCE


def _told_of(assistant: Assistant) -> str:
    """What a search looks at."""
    return f"{called(assistant)} {assistant.description or ''} {assistant.model} {assistant.id}"
