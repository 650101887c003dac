"""End a run by its rows alone: nobody executes it any more, or whoever does cannot write its end.

Functions that take a connection run inside a unit of work (`Store.write`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.ids import now
from xiaozhi.runs import watched
from xiaozhi.runs.earlier_try import closed
from xiaozhi.runs.lifecycle import before, moved
from xiaozhi.runs.outcome import Outcome
from xiaozhi.runs.steps import message_id, total_usage
from xiaozhi.runs.telling import Telling
from xiaozhi.runs.waiting import turn_usage
from xiaozhi.store import Connection, Store, message_rows, run_rows


@dataclass(frozen=True, slots=True)
class Ended:
    """`steps`: those that ended with the run. `messages`: theirs, by id."""

    run: Run
    steps: Sequence[RunStep]
    messages: Mapping[str, Message]


class ForcedEnd:
    def __init__(self, store: Store, telling: Telling) -> None:
        self._store = store
        self._telling = telling

    async def write(
        self, run_id: str, outcome: Outcome, *, epoch: int | None = None
    ) -> Ended | None:
        """As `forced_end`. Raises Unavailable besides."""
        return await self._store.write(lambda c: forced_end(c, run_id, outcome, now(), epoch=epoch))

    def tell(self, ended: Ended) -> None:
        """Tell listeners and metrics, once it is written."""
        self._telling.ended(ended.run, ended.steps, ended.messages)
        watched.ended(ended.run)


def forced_end(
    connection: Connection, run_id: str, outcome: Outcome, at: int, *, epoch: int | None = None
) -> Ended | None:
    """The run as it has ended; None where it had ended before, or cannot end so.

    A run that is being cancelled ends as cancelled, whatever `outcome` says. From now on whoever
    executes it changes nothing any more. `epoch`: only where it is held in this one. `at`: Unix
    seconds. Raises NotFound.
    """
    run = store.runs.locked(connection, run_id)
    if epoch is not None and not run_rows.is_held(connection, run_id, epoch):
        return None
    if run.status == "cancelling":
        outcome = Outcome("cancelled")
    if run.status not in before(outcome.status):
        return None
    return end(connection, run, outcome, at)


def end(connection: Connection, run: Run, outcome: Outcome, at: int) -> Ended:
    """As `forced_end`, for a run that was locked in this unit of work and may end so."""
    steps = store.steps.all(connection, run_id=run.id)
    own = {message.id: message for message in store.messages.all(connection, run_id=run.id)}
    ended = [
        closed(step, own.get(message_id(step) or ""), outcome, turn_usage(connection, step), at)
        for step in steps
        if step.status == "in_progress"
    ]
    done = [step for step in steps if step.status != "in_progress"]
    usage = total_usage([*done, *(step for step, _ in ended)])
    run = moved(run, outcome.status, at, usage=usage, **outcome.changes)
    kept = run_rows.move_run(connection, run, was=before(outcome.status), fence=True)
    assert kept is not None, "it was read in this unit of work"
    for step, message in ended:
        store.steps.put(connection, step, run_id=run.id, usage=None)
        if message is not None:
            message_rows.put(connection, message)
    run_rows.unlock_thread(connection, kept, at)
    messages = {message.id: message for _, message in ended if message is not None}
    return Ended(kept, [step for step, _ in ended], messages)
