"""What a model says behind the functions that it calls, in the same turn.

The calls' step is told as it comes, and no message may stand open beside it (contract 7.8). So
these words become a message and a step of their own when the turn ends, whole, behind the calls.
"""

from collections.abc import Iterator

from openai.types.beta.threads import Run

from xiaozhi.runs.answer import Answer, Kind
from xiaozhi.runs.calls import Calls
from xiaozhi.runs.earlier_try import EarlierTry
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.step_rows import Written
from xiaozhi.runs.steps import behind


class SaidBehind:
    def __init__(self) -> None:
        self._answer: Answer | None = None

    def add(self, run: Run, calls: Calls, at: int, piece: str, kind: Kind) -> None:
        """`at`: the `created_at` of the message, Unix seconds."""
        if self._answer is None:
            self._answer = Answer.new(run, behind(calls.number), at)
        self._answer.add(piece, kind)

    def closed(self, outcome: Outcome, at: int) -> list[Written]:
        """Step and message as they are after they have ended so; nothing where nothing was said."""
        return [self._answer.closed(outcome, None, at)] if self._answer else []


def events_of(said: list[Written]) -> Iterator[tuple[str, str]]:
    """(event, JSON) of all that was said behind the calls. `said`: as `closed` gives it."""
    return EarlierTry(said).untold(said)
