"""One assistant: everything about it that can be changed.

What is typed is kept as long as the page is open, whatever fails and wherever somebody looks
meanwhile; it is told to the server with "Save" only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import streamlit as st
from openai import APIConnectionError, APIError, NotFoundError
from openai.types.beta import Assistant

from xiaozhi.ui import assistant_deletion, assistants, assistants_address, definitions
from xiaozhi.ui.assistant_draft import Draft, changes, creation, draft_of
from xiaozhi.ui.client import DEFAULT_MODEL, explained, models
from xiaozhi.ui.signs import as_code, literally
from xiaozhi.ui.texts import _
from xiaozhi.ui.typed_json import Wrong
from xiaozhi.ui.who_answers import called, model_called

EXAMPLE_OF_FUNCTIONS = """[
  {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {
      "type": "object",
      "properties": {"city": {"type": "string"}},
      "required": ["city"]
    }
  }
]"""
EXAMPLE_OF_FORMAT = """{
  "name": "translation",
  "schema": {
    "type": "object",
    "properties": {"words": {"type": "string"}},
    "required": ["words"]
  }
}"""


@dataclass
class Editing:
    """`base`: as it was when the editing began; None: it is being made.

    `edition`: another one for each content that the widgets begin with.
    `problem`: why what was typed, `refused`, could not be saved.
    """

    id: str
    base: Assistant | None
    draft: Draft = field(init=False)
    edition: int = field(init=False)
    problem: str | None = None
    refused: Draft | None = None

    def __post_init__(self) -> None:
        self.begin(self.base)

    def begin(self, base: Assistant | None) -> None:
        self.base = base
        self.draft = draft_of(base) if base else Draft()
        self.edition = st.session_state.editions = st.session_state.get("editions", 0) + 1

    @property
    def is_changed(self) -> bool:
        return self.draft != (draft_of(self.base) if self.base else Draft())

    def key(self, name: str) -> str:
        """Of the widget of a field."""
        return f"assistant_{name}_{self.id}_{self.edition}"


def look_anew(id: str | None) -> None:
    """What another client has changed is seen, unless somebody is editing it here."""
    editing = _all().get(id or "")
    if editing is None or editing.base is None:
        return
    _take(editing)
    if editing.is_changed:
        return
    try:
        base = assistants.read(editing.id)
    except APIError:
        return
    if base != editing.base:
        del _all()[editing.id]


def show(id: str, begin: Callable[[str], None]) -> None:
    """`begin`: a conversation with it."""
    st.button(
        _("All assistants"),
        icon=":material/arrow_back:",
        key="assistants_back",
        type="tertiary",
        on_click=assistants_address.go,
    )
    try:
        editing = _opened(id)
    except APIError as error:
        st.error(explained(error), icon=":material/cloud_off:")
        st.button(_("Try again"), key="assistant_again")
        return
    if editing is None:
        st.info(_("This assistant is not there (any more)."), icon=":material/search_off:")
        return
    title = literally(called(editing.base)) if editing.base else _("New assistant")
    st.title(title, anchor=False)
    _show_character(editing)
    _show_answers(editing)
    _show_functions(editing)
    _take(editing)
    if editing.draft != editing.refused:
        editing.problem = None
    _show_end(editing, begin)


def _show_character(editing: Editing) -> None:
    st.text_input(_("Name"), key=editing.key("name"))
    st.text_input(
        _("Description"),
        key=editing.key("description"),
        help=_("For people: it stands below the name where assistants are chosen."),
    )
    st.text_area(
        _("Instructions"),
        key=editing.key("instructions"),
        height=180,
        placeholder=_("What it is, what it does, and how it speaks"),
    )
    offered = models()
    # Its own may be one that no list has.
    own = [editing.base.model] if editing.base else []
    ids = dict.fromkeys([DEFAULT_MODEL, *(model.id for model in offered), *own])
    st.selectbox(
        _("Model"),
        list(ids),
        format_func=lambda id: model_called(id, offered),
        key=editing.key("model"),
    )


def _show_answers(editing: Editing) -> None:
    with st.container(key="assistant_numbers", horizontal=True, gap="medium"):
        st.slider(
            _("Temperature"),
            0.0,
            2.0,
            step=0.05,
            key=editing.key("temperature"),
            help=_("Low: sober and steady. High: full of ideas, and less reliable."),
        )
        st.slider(
            "Top P",
            0.0,
            1.0,
            step=0.05,
            key=editing.key("top_p"),
            help=_("Below 1, unlikely words are left out. Change this or the temperature."),
        )
    st.selectbox(
        _("Form of the answer"),
        ["text", "json_object", "json_schema"],
        format_func=_format_called,
        key=editing.key("format"),
    )
    if st.session_state[editing.key("format")] == "json_schema":
        _show_json(
            editing,
            "schema",
            _("Schema of the answer"),
            EXAMPLE_OF_FORMAT,
            definitions.answer_format,
        )


def _show_functions(editing: Editing) -> None:
    label = _("Functions")
    _show_json(editing, "functions", label, EXAMPLE_OF_FUNCTIONS, definitions.functions)
    others = [tool.type for tool in editing.base.tools] if editing.base else []
    if kept := [type_ for type_ in others if type_ != "function"]:
        st.caption(_("It also has {tools}, which stay.", tools=", ".join(kept)))


def _show_json(
    editing: Editing, name: str, label: str, example: str, read: Callable[[str], object]
) -> None:
    with st.container(key=f"assistant_json_{name}", gap="xsmall"):
        key = editing.key(name)
        typed = str(st.text_area(label, key=key, height="content", placeholder=example))
        if not typed.strip() and not editing.problem:
            st.caption(_("JSON in the form of OpenAI's API, as in the example."))
            return
        try:
            read(typed)
        except Wrong as wrong:
            words = _("Line {line}: {words}", line=wrong.line, words=wrong)
            line = "".join(typed.split("\n")[wrong.line - 1 : wrong.line])
            st.error(f"{literally(words)}  \n:small[{literally(line)}]", icon=":material/error:")


def _show_end(editing: Editing, begin: Callable[[str], None]) -> None:
    base = editing.base
    if editing.problem:
        st.error(editing.problem, icon=":material/error:")
    elif editing.is_changed:
        st.caption(_("Not saved yet"))
    with st.container(key="assistant_end", horizontal=True, gap="small"):
        label = _("Save") if base else _("Create")
        st.button(label, key="save", type="primary", on_click=_save, args=(editing,))
        if editing.is_changed:
            st.button(_("Discard the changes"), key="discard", on_click=_discard, args=(editing,))
        elif base:
            label = _("Begin a conversation")
            st.button(label, key="begin_with", on_click=begin, args=(base.id,))
        if base and st.button(f":red[{_('Delete')}]", key="delete_assistant", type="tertiary"):
            assistant_deletion.ask(base)
    if base:
        st.caption(as_code(base.id))


# --- what a person does


def _save(editing: Editing) -> None:
    _take(editing)
    editing.problem, editing.refused = None, replace(editing.draft)
    try:
        if editing.base is None:
            made = assistants.created(creation(editing.draft))
            del _all()[editing.id]
            assistants_address.go(made.id)
        else:
            told = changes(editing.base, editing.draft)
            editing.begin(assistants.changed(editing.id, told) if told else editing.base)
        st.toast(_("Saved"), icon=":material/check:")
    except Wrong:
        editing.problem = _("Not saved: the JSON above has to be mended first.")
    except APIError as error:
        editing.problem = _problem(editing, error)


def _problem(editing: Editing, error: APIError) -> str:
    if isinstance(error, APIConnectionError):
        return _("The server cannot be reached. What you typed is still here.")
    if isinstance(error, NotFoundError) and _is_gone(editing):
        editing.base = None
        return _("It was deleted meanwhile. “Create” makes it anew.")
    return explained(error)


def _is_gone(editing: Editing) -> bool:
    """It may as well be its model that is not there."""
    try:
        return editing.base is not None and assistants.read(editing.id) is None
    except APIError:
        return False


def _discard(editing: Editing) -> None:
    del _all()[editing.id]
    if editing.base is None:
        assistants_address.go()


# --- what is typed


def _all() -> dict[str, Editing]:
    """Those of this page, by their ids."""
    if "editing" not in st.session_state:
        st.session_state.editing = {}
    return cast("dict[str, Editing]", st.session_state.editing)


def _opened(id: str) -> Editing | None:
    """None where there is no such assistant. Raises openai.APIError."""
    editing = _all().get(id)
    if editing is None:
        is_new = id == assistants_address.NEW
        base = None if is_new else assistants.read(id)
        if base is None and not is_new:
            return None
        editing = _all()[id] = Editing(id, base)
    for each in fields(Draft):
        # A widget that was not drawn for a while has lost what was typed into it.
        if editing.key(each.name) not in st.session_state:
            st.session_state[editing.key(each.name)] = getattr(editing.draft, each.name)
    return editing


def _take(editing: Editing) -> None:
    """What stands in the widgets."""
    for each in fields(Draft):
        typed: Any = st.session_state.get(editing.key(each.name))
        if typed is not None:
            # A slider counts in steps, and 0.1 + 0.2 is not 0.3.
            setattr(editing.draft, each.name, round(typed, 6) if type(typed) is float else typed)


def _format_called(format: str) -> str:
    return {
        "text": _("Text"),
        "json_object": _("JSON, any"),
        "json_schema": _("JSON, after a schema"),
    }[format]
