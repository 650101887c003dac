"""Who answers: a model's name as people say it, the choice, and what this server is."""

import re
from collections.abc import Sequence
from functools import partial

import streamlit as st
from openai.types import Model

from xiaozhi.ui.client import models
from xiaozhi.ui.texts import _

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
    if not offered:
        return
    by_id = {model.id: model for model in offered}
    answering = by_id.get(chosen() or "", offered[0])
    with st.popover(f"**{_plain(readable(answering.id))}**", type="tertiary", key="who"):
        if len(offered) > 1:
            st.radio(
                _("Who answers"),
                list(by_id),
                index=list(by_id).index(answering.id),
                format_func=partial(_told_apart, list(by_id)),
                key="models",
                on_change=_choose,
            )
        st.markdown(_what(answering))
        st.caption(f"`{answering.id}`")
        st.markdown(
            _(
                "{name} is a server of your own with OpenAI's Assistants API. Your conversations "
                "are kept on it.",
                name=name,
            )
        )


def chosen() -> str | None:
    """The model that was chosen on this page; None: the server's default."""
    return st.session_state.get("model")


def _choose() -> None:
    st.session_state.model = st.session_state.models


def _what(model: Model) -> str:
    if model.owned_by == "xiaozhi":
        return _(
            "A model on the server itself: what you say does not leave it. It is small and quick, "
            "and it makes mistakes."
        )
    return _("A model behind the address that the server was given: what you say is sent there.")


def _told_apart(ids: Sequence[str], id: str) -> str:
    """Its readable name, unless another of `ids` has the same."""
    name = readable(id)
    is_one = sum(readable(other) == name for other in ids) == 1
    return _plain(name if is_one else id)


def _word(word: str) -> str:
    if _SIZE.match(word) or word.lower() in _ALWAYS_UPPER:
        return word.upper()
    return word[0].upper() + word[1:]


def _plain(words: str) -> str:
    """Signs that markdown would take for its own mean nothing here."""
    return re.sub(r"([\\`*_\[\]:$~<])", r"\\\1", words)
