"""Titles of conversations, made by the model behind their first answer. Nobody waits for them.

Until there is one, and where there comes none, a conversation is called by its first words.
"""

import re
import threading

import streamlit as st
from openai import APIError

from xiaozhi.ui import shelves
from xiaozhi.ui.client import DEFAULT_MODEL, client
from xiaozhi.ui.follow import Followed

WISH = (
    "Give the conversation below a title of two to six words, in the language of its question. "
    "Answer with the title only, without quotation marks."
)
READ = 400  # characters of the question, and of the answer, that the model is given
PATIENCE = 60.0  # s that the model has

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_LABEL = re.compile(r"^(?:title|标题|題目|题目)\s*[:：]\s*", re.IGNORECASE)
_QUOTES = " \t\"'“”‘’「」『』《》*`"
_BEFORE = _QUOTES + "#"
_BEHIND = _QUOTES + ".。!！,，;；:："


def make(question: str, answer: Followed, model: str | None) -> None:
    """Begins to; returns at once."""
    thread_id = answer.run.thread_id
    _pending()[thread_id] = answer
    named = threading.Thread(target=_make, args=(question, answer, model), daemon=True)
    named.name = f"title {thread_id}"
    named.start()


def is_coming(thread_id: str) -> bool:
    return thread_id in _pending()


def is_being_made(thread_id: str) -> bool:
    """Whether the answer that a title waits for is there."""
    answer = _pending().get(thread_id)
    return answer is not None and answer.ended


def tidied(said: str) -> str:
    """What a model answered, as a title; "" where it is none."""
    lines = [line.strip() for line in _THOUGHTS.sub("", said).splitlines() if line.strip()]
    if not lines:
        return ""
    title = _LABEL.sub("", lines[0].lstrip(_BEFORE)).lstrip(_BEFORE).rstrip(_BEHIND)
    # A model that has begun to answer, instead of naming what was said, goes on and on.
    return title if len(title) <= shelves.LONGEST_TITLE else ""


def _make(question: str, answer: Followed, model: str | None) -> None:
    thread_id = answer.run.thread_id
    try:
        answer.join()
        if answer.text and (title := tidied(_asked(question, answer.text, model))):
            shelves.retitle(thread_id, shelves.first_words(question), title)
    except APIError:
        # It keeps its first words.
        pass
    finally:
        _pending().pop(thread_id, None)


def _asked(question: str, answer: str, model: str | None) -> str:
    words = f"{WISH}\n\nQuestion: {question[:READ]}\n\nAnswer: {answer[:READ]}"
    said = ""
    # Streamed to be left when there is enough: a limit of tokens is refused by some models.
    with client().chat.completions.create(
        model=model or DEFAULT_MODEL,
        messages=[{"role": "user", "content": words}],
        stream=True,
        timeout=PATIENCE,
    ) as told:
        for chunk in told:
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            if _is_enough(said):
                break
    return said


def _is_enough(said: str) -> bool:
    """Whether what comes further is no part of the title."""
    title = _THOUGHTS.sub("", said).lstrip()
    return "\n" in title or len(title) > 2 * shelves.LONGEST_TITLE


@st.cache_resource
def _pending() -> dict[str, Followed]:
    """By the thread's id: the answer behind which a title comes."""
    return {}
