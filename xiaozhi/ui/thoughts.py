"""What the model thought, above its answer: a line that says for how long, and its thoughts.

The line is a component: its seconds go on in the browser, and whether it is open outlives the end
of the run. What was thought is fetched, and sent to the browser, only where it is open.
"""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from openai import APIError
from openai.types.beta.threads import Run
from streamlit.components.v2 import component

from xiaozhi.ui.client import explained, reader
from xiaozhi.ui.follow import Followed
from xiaozhi.ui.markdown import for_streamlit
from xiaozhi.ui.texts import _
from xiaozhi.ui.thinking import seconds_of, text_of
from xiaozhi.ui.transcript import Growing

STATIC = Path(__file__).parent / "static"


class GrowingThoughts:
    """Drawn in a fragment that draws itself anew when `is_outdated`."""

    def __init__(self, answer: Followed) -> None:
        self._thinking = answer.thinking
        self._drawn = self._state()
        self._place: Growing | None = None
        if not self._thinking.text:
            return
        run_id, goes_on = answer.run.id, self._thinking.goes_on
        if _line(run_id, self._thinking.seconds, goes_on=goes_on):
            self._place = Growing(f"thoughts_{run_id}", cursor=goes_on)

    def show(self) -> None:
        """All of it so far, where it is open."""
        if self._place is not None:
            self._place.show(self._thinking.text)

    @property
    def is_outdated(self) -> bool:
        """Whether the line would say something else now."""
        return self._drawn != self._state()

    def _state(self) -> tuple[bool, bool]:
        return bool(self._thinking.text), self._thinking.goes_on


def show(run: Run) -> None:
    """Of a run that is over, read with the seconds of its thoughts; nothing where it had none."""
    seconds = seconds_of(run)
    if seconds is None:
        return

    # Opening it draws this anew, and nothing else.
    @st.fragment
    def folded() -> None:
        if _line(run.id, seconds, goes_on=False):
            with st.container(key=f"thoughts_{run.id}"):
                st.markdown(_read(run))

    folded()


def _line(run_id: str, seconds: float, *, goes_on: bool) -> bool:
    """Whether it is open."""
    opened: set[str] = st.session_state.setdefault("opened_thoughts", set())
    key = f"thought_{run_id}"

    def toggled() -> None:
        (opened.add if st.session_state[key].open == "yes" else opened.discard)(run_id)

    _component()(
        key=key,
        data={
            "is_open": run_id in opened,
            "goes_on": goes_on,
            "seconds": seconds,
            # The browser fills in the numbers.
            "say": _("Thinking… {time}", time="{time}")
            if goes_on
            else _("Thought for {time}", time="{time}"),
            "say_seconds": _("{seconds} s", seconds="{seconds}"),
            "say_minutes": _("{minutes} min {seconds} s", minutes="{minutes}", seconds="{seconds}"),
        },
        on_open_change=toggled,
    )
    return run_id in opened


def _read(run: Run) -> str:
    try:
        whole = reader().beta.threads.runs.retrieve(
            run.id, thread_id=run.thread_id, extra_query={"include[]": "reasoning"}
        )
    except APIError as error:
        return f":material/error: {explained(error)}"
    return for_streamlit(text_of(whole))


@cache
def _component() -> Any:
    return component(
        "thought_line",
        html="<button type='button'></button>",
        css=(STATIC / "thought_line.css").read_text(),
        # The signs are those of the rows.
        js="".join((STATIC / name).read_text() for name in ("row.js", "thought_line.js")),
    )
