"""Who answers: a model's name as people say it, the choice, and what this server is."""

import re
from collections.abc import Callable, Sequence

import streamlit as st
from openai import APIError
from openai.types import Model
from openai.types.beta import Assistant

from xiaozhi.ui import assistants, assistants_address, choice
from xiaozhi.ui.client import DEFAULT_MODEL, explained, models
from xiaozhi.ui.signs import as_code, literally
from xiaozhi.ui.texts import _

FEW = 6  # assistants, up to which all of them are seen at once
OWN_MODEL = ""  # the choice of none

# How a model was packed, and that it can chat: nothing that a person needs to know
_PACKED = re.compile(
    r"(\.gguf|:latest|[-_.:](i?q\d\w*|b?f(p)?16|fp8|int[48]|awq|gptq|gguf|instruct|it))$", re.I
)
_SIZE = re.compile(r"^(e|a)?\d+(\.\d+)?[bm]$", re.I)
_ALWAYS_UPPER = {"gpt", "glm", "ai"}


def readable(name: str) -> str:
    """`Qwen/qwen3-0.6b-instruct-q4_k_m.gguf` is "Qwen3 0.6B"."""
    short = name.rstrip("/").rsplit("/", 1)[-1]
    while (less := _PACKED.sub("", short)) != short:
        short = less
    words = [_word(word) for word in re.split(r"[-_: ]+", short) if word]
    return " ".join(words) or name


def show(name: str) -> None:
    """The head of the page. `name`: what the page calls itself."""
    offered = models()
    try:
        assistant = choice.assistant()
        others = assistants.listed()
    except APIError:
        return
    model = chosen() or _own_model(assistant, offered)
    words = f"**{literally(readable(model))}**"
    if assistant.name != name:
        words = f"**{literally(called(assistant))}** :gray[{literally(readable(model))}]"
    with st.popover(words, type="tertiary", key="who"):
        _show_assistants(assistant, others)
        _show_models(assistant, offered)
        with st.container(key="who_more", gap=None):
            st.button(
                _("Edit this assistant"),
                icon=":material/edit:",
                key="who_edit",
                type="tertiary",
                on_click=assistants_address.go,
                args=(assistant.id,),
            )
            st.button(
                _("New assistant"),
                icon=":material/add:",
                key="who_add",
                type="tertiary",
                on_click=assistants_address.go,
                args=(assistants_address.NEW,),
            )
        _show_what(name, model, offered)


def show_gone() -> None:
    """Where the assistant of a conversation was deleted: a sentence, and a way on."""
    if not choice.current().is_gone:
        return
    try:
        own = choice.assistant()
    except APIError:
        return
    words = _("The assistant that was chosen here was deleted. Choose another one above, or:")
    st.info(words, icon=":material/person_off:")
    label = _("Go on with {name}", name=literally(called(own)))
    st.button(label, key="go_on_with_own", on_click=_choose_assistant, args=(own.id,))


def chosen() -> str | None:
    """The model that was chosen here; None: the assistant's own."""
    return choice.current().model


def called(assistant: Assistant) -> str:
    """As it is, not as markdown."""
    return " ".join((assistant.name or "").split()) or _("Without a name")


def model_called(id: str, offered: Sequence[Model]) -> str:
    """As it is. The word for the server's default is told with what that is at the moment."""
    if id != DEFAULT_MODEL:
        return _told_apart([model.id for model in offered], id)
    if not offered:
        return _("The server's default")
    return _("The server's default ({model})", model=readable(offered[0].id))


def what(model: Model) -> str:
    """What it means for what people say, in a sentence or two."""
    if model.owned_by == "xiaozhi":
        return _(
            "A model on the server itself: what you say does not leave it. It is small and quick, "
            "and it makes mistakes."
        )
    return _("A model behind the address that the server was given: what you say is sent there.")


def _show_assistants(answering: Assistant, others: Sequence[Assistant]) -> None:
    by_id = {answering.id: answering} | {assistant.id: assistant for assistant in others}
    # The server's default comes first, the others by their names.
    own = assistants.id_of_own()
    ids = sorted(by_id, key=lambda id: (id != own, called(by_id[id]).casefold(), id))
    if len(ids) < 2:
        return
    st.session_state.assistants = answering.id
    label = _("Who answers")
    if len(ids) > FEW:
        st.selectbox(
            label,
            ids,
            format_func=lambda id: called(by_id[id]),
            key="assistants",
            on_change=_choose_picked,
        )
        return
    st.radio(
        label,
        ids,
        format_func=lambda id: literally(called(by_id[id])),
        captions=[literally(by_id[id].description or "") for id in ids],
        key="assistants",
        on_change=_choose_picked,
    )


def _show_models(answering: Assistant, offered: Sequence[Model]) -> None:
    ids = [model.id for model in offered]
    now = chosen()
    if now and now not in ids:
        ids.append(now)
    if len(ids) < 2:
        return
    own = readable(_own_model(answering, offered))
    st.session_state.models = now or OWN_MODEL
    st.selectbox(
        _("Model"),
        [OWN_MODEL, *ids],
        format_func=lambda id: (
            _told_apart(ids, id) if id else _("The assistant's own ({model})", model=own)
        ),
        key="models",
        on_change=_choose_model,
    )


def _show_what(name: str, model: str, offered: Sequence[Model]) -> None:
    known = next((each for each in offered if each.id == model), None)
    if known:
        st.caption(f"{what(known)}  \n{as_code(model)}")
    st.caption(
        _(
            "{name} is a server of your own with OpenAI's Assistants API. Your conversations "
            "are kept on it.",
            name=name,
        )
    )


def _choose_model() -> None:
    _tell(lambda: choice.choose_model(st.session_state.models or None))


def _choose_picked() -> None:
    _choose_assistant(st.session_state.assistants)


def _choose_assistant(id: str) -> None:
    _tell(lambda: choice.choose_assistant(id))


def _tell(choosing: Callable[[], None]) -> None:
    try:
        choosing()
    except APIError as error:
        st.session_state.problem = explained(error)


def _own_model(assistant: Assistant, offered: Sequence[Model]) -> str:
    is_default = assistant.model == DEFAULT_MODEL
    return offered[0].id if is_default and offered else assistant.model


def _told_apart(ids: Sequence[str], id: str) -> str:
    """Its readable name, unless another of `ids` has the same."""
    name = readable(id)
    is_one = sum(readable(other) == name for other in ids) == 1
    return name if is_one else id


def _word(word: str) -> str:
    if _SIZE.match(word) or word.lower() in _ALWAYS_UPPER:
        return word.upper()
    return word[0].upper() + word[1:]
