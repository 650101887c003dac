"""What a run waits for: the functions it asks for, to be answered by hand or refused."""

import json
from collections.abc import Callable, Mapping

import streamlit as st
from openai.types.beta.threads import Run

from xiaozhi.ui.signs import as_code, literally
from xiaozhi.ui.texts import _

# What a model is told of a function that nobody can do here
NOT_HERE = "This function is not available here. Answer without it."


def show(run: Run, settle: Callable[[Run, Mapping[str, str]], None]) -> None:
    """`settle` gets what each call gives back, by the call's id."""
    if run.required_action is None:
        return
    calls = run.required_action.submit_tool_outputs.tool_calls
    names = ", ".join(as_code(call.function.name) for call in calls)
    keys = {call.id: f"output_{run.id}_{call.id}" for call in calls}

    def given() -> None:
        settle(run, {call: str(st.session_state[key]) for call, key in keys.items()})

    def refused() -> None:
        settle(run, dict.fromkeys(keys, NOT_HERE))

    # A form: what is typed is sent with a button, not with each key.
    with st.form(key=f"functions_{run.id}"):
        words = _("The assistant wants to use {names}, which this page cannot do.", names=names)
        st.markdown(f":material/build: {words}")
        st.caption(_("You can look it up yourself and give the result, or let it do without."))
        for call in calls:
            name = call.function.name
            st.code(
                f"{name}({_readable(call.function.arguments)})", language="json", wrap_lines=True
            )
            label = _("What {name} gives back", name=literally(name))
            st.text_area(label, key=keys[call.id], height=68, placeholder=_("Text or JSON"))
        with st.container(horizontal=True, gap="small"):
            st.form_submit_button(_("Give this result"), type="primary", on_click=given)
            st.form_submit_button(_("Go on without"), on_click=refused)


def _readable(arguments: str) -> str:
    """JSON with one pair a line, as far as it is JSON."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
