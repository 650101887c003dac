"""What is heard of a model's thoughts while its run goes on. Draws nothing."""

import time
from collections.abc import Mapping
from typing import Any

from openai.types.beta.threads import Run

from xiaozhi.ui.growing_text import GrowingText

DELTA = "thread.run.reasoning.delta"
COMPLETED = "thread.run.reasoning.completed"


class Thinking:
    """`text`: everything that was thought so far, in one turn of the run or more."""

    def __init__(self) -> None:
        self._text = GrowingText()
        self._seconds = 0.0
        self._since: float | None = None

    @property
    def text(self) -> str:
        return str(self._text)

    @property
    def goes_on(self) -> bool:
        return self._since is not None

    @property
    def seconds(self) -> float:
        """For how long it has thought until now."""
        return self._seconds + (time.monotonic() - self._since if self._since else 0.0)

    def take(self, event: str, told: Mapping[str, Any]) -> None:
        """`told`: the data of an event of the run (docs/extensions.md), whatever it is."""
        if event == DELTA:
            if self._since is None:
                self._since = time.monotonic()
                self._text.add("\n\n" if self._text else "")
            self._text.add(told["delta"]["text"])
        elif event == COMPLETED:
            self._since = None
            self._seconds += told["seconds"] or 0.0


def seconds_of(run: Run) -> float | None:
    """For how long the model thought in a run that is over; None where it did not."""
    turns: list[dict[str, Any]] = (run.model_extra or {}).get("reasoning", [])
    return sum(turn["seconds"] or 0.0 for turn in turns) if turns else None


def text_of(run: Run) -> str:
    """What was thought in a run that was read with it."""
    turns: list[dict[str, Any]] = (run.model_extra or {}).get("reasoning", [])
    return "\n\n".join(turn["text"] for turn in turns)
