"""What an earlier try of an unfinished turn has left, when its process died in the middle.

The turn is done again. Ids are derived from run and number, so the new try writes the same rows;
what it has no use for is removed as soon as it says something else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from openai.types.beta.threads import Message
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi.runs.answer import Answer
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.replay import step_events
from xiaozhi.runs.step_rows import Written
from xiaozhi.runs.steps import closed_step, is_behind, message_id
from xiaozhi.store import Connection, message_rows, run_rows


@dataclass(frozen=True, slots=True)
class EarlierTry:
    """`left`: the turn's steps with their messages, oldest first."""

    left: Sequence[Written] = ()

    def __bool__(self) -> bool:
        return bool(self.left)

    @classmethod
    def found(
        cls, steps: Sequence[RunStep], own: Mapping[str, Message]
    ) -> tuple[list[RunStep], "EarlierTry"]:
        """The steps of the run's finished turns, and what is left of the unfinished one.

        A turn that goes on has ended with calls that were answered, and what was said behind them.
        """
        done = 0
        for index, step in enumerate(steps):
            is_said_behind = index == done and is_behind(step, index - 1)
            if is_said_behind or (step.type == "tool_calls" and step.status == "completed"):
                done = index + 1
        left = [(step, own.get(message_id(step) or "")) for step in steps[done:]]
        return list(steps[:done]), cls(left)

    def give_way(self, connection: Connection, new: RunStep) -> None:
        """Remove what the new try will not write again. `new`: its first step."""
        for step, message in self.left:
            if (step.id, step.type) == (new.id, new.type):
                continue
            # Its row is written again as a step of another type
            if step.id != new.id:
                run_rows.drop_step(connection, step.id)
            if message is not None:
                message_rows.drop(connection, message.id)

    def closed(self, outcome: Outcome, at: int) -> list[Written]:
        """The steps as they are where the new try says nothing and the run ends so."""
        return [closed(step, message, outcome, None, at) for step, message in self.left]

    def untold(self, closed: Sequence[Written]) -> Iterator[tuple[str, str]]:
        """(event, JSON) of what listeners of the new try have not heard."""
        if self.left:
            messages = {message.id: message for _, message in closed if message}
            for step, _ in closed:
                yield from step_events(step, messages)


def closed(
    step: RunStep, message: Message | None, outcome: Outcome, usage: Usage | None, at: int
) -> Written:
    """Both as they are where the run has ended so, if they had not ended before.

    `usage`: of the step's turn, where it is known. `at`: Unix seconds.
    """
    if step.status != "in_progress":
        return step, message
    if message is None:
        return closed_step(step, outcome, usage, at), None
    return Answer(step, message).closed(outcome, usage, at)
