"""Writes down what happens in one segment of a run, then tells it.

One method for each thing that can happen; each saves in one transaction, then publishes, so that
what a client has been told, it can also read. Every event name of a run stands in this room, in
order (contract 9.3):

    thread.run.created, .queued                       Telling.created
    thread.run.in_progress                            began
    thread.run.reasoning.delta, .completed            thought (told to who asks for it)
    thread.run.step.created, .in_progress,
    thread.message.created, .in_progress, .delta      said (its first piece; then .delta alone)
    thread.message.completed, thread.run.step.completed,
    thread.run.step.created, .in_progress, .delta     called (a message that is open ends before)
    thread.run.requires_action                        action_required
    thread.run.cancelling                             cancelling
    thread.message.completed | .incomplete,
    thread.run.step.completed | .failed | …,
    thread.run.completed | .incomplete | …            ended

Two exceptions to "save, then tell", both for speed: `thread.run.in_progress` is told while it is
being saved, and pieces of text and thoughts are saved once a second and at the end.
"""

import logging
from collections.abc import Mapping, Sequence

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.run import Usage
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.chat_models import CallPiece, closed
from xiaozhi.errors import Unavailable, XiaozhiError
from xiaozhi.events import Events
from xiaozhi.ids import now
from xiaozhi.runs import step_rows, watched
from xiaozhi.runs.answer import Answer, Kind
from xiaozhi.runs.calls import Calls, asked_for
from xiaozhi.runs.earlier_try import EarlierTry
from xiaozhi.runs.lifecycle import before, moved
from xiaozhi.runs.outcome import ActionRequired, Outcome
from xiaozhi.runs.patience import until_available
from xiaozhi.runs.said_behind import SaidBehind, events_of
from xiaozhi.runs.saves import Saves
from xiaozhi.runs.shielding import shielded
from xiaozhi.runs.steps import closed_step, time_of_answer, time_of_calls, total_usage
from xiaozhi.runs.thoughts import Thoughts
from xiaozhi.store import Connection, Segment, Store, Work, changed, message_rows, run_rows, written
from xiaozhi.store.reasoning_rows import Reasoning

TEXT_IS_SAVED_WITHIN = 1.0  # s
START_IS_SAVED_WITHIN = 0.01  # s; a fast model's first words come with it in one transaction

log = logging.getLogger(__name__)

# An answer that has ended completely: what follows in the same turn are calls
_SAID = Outcome("completed")


class TakenOver(XiaozhiError):
    """The run's row no longer says what we think: cancelled, held by another process, gone."""


class Recorder:
    """`steps`: those that the run has done, oldest first; `own`: its messages, by id.

    `thoughts`: what led to these steps.
    """

    def __init__(self, segment: Segment, store: Store, events: Events) -> None:
        self.run = segment.run
        self.epoch = segment.epoch
        # By time.monotonic(); None where the run's creation lies further back
        self.accepted = segment.accepted if segment.epoch == 0 else None
        # Of the thread, where they need not be read
        self.messages = segment.messages
        # The latest created_at of the thread's other messages, in Unix seconds
        self.newest_message_at = 0
        self.steps: list[RunStep] = []
        self.own: dict[str, Message] = {}
        self.thoughts: list[Reasoning] = []
        self._store = store
        self._events = events
        self._saves = Saves(store, f"run {segment.run.id}")
        self._thoughts = Thoughts(self._saves, self._must_be_held)
        self._answer: Answer | None = None
        self._calls: Calls | None = None
        self._behind = SaidBehind()
        # How many steps the run had made before this turn
        self._turn = 0
        self._earlier = EarlierTry()
        # Whether the rows may hold open steps that are not known here
        self._is_unsure = False

    @property
    def has_calls(self) -> bool:
        """Whether the model has called functions in this turn."""
        return self._calls is not None

    def adopt(
        self, steps: Sequence[RunStep], own: Mapping[str, Message], thoughts: Sequence[Reasoning]
    ) -> None:
        """Go on where another segment or process left off. `own`: the run's messages, by id."""
        self.own = dict(own)
        self.steps, self._earlier = EarlierTry.found(steps, own)
        self._turn = len(self.steps)
        self.thoughts = [one for one in thoughts if one.number < len(self.steps)]

    def began(self) -> None:
        """The model is being asked. A segment that is done again has begun before."""
        if self.run.status == "queued":
            run = self.run = moved(self.run, "in_progress", now())

            def work(connection: Connection) -> None:
                run_rows.move_run(connection, run, was={"queued"}, epoch=self.epoch)

            self._saves.soon("start", lambda: work, START_IS_SAVED_WITHIN)
        self._publish("thread.run.in_progress", self.run)

    def thought(self, piece: str, field: str) -> None:
        """A piece of what the model thinks, before it answers or in between.

        `field`: as `Piece` has it. Raises TakenOver.
        """
        if self._saves.refused:
            raise self._saves.refused
        self._thoughts.add(self._events, self.run, self._turn, piece, field)

    def had_thought(self, until: str) -> None:
        """What was said so far was thought, up to and with `until`: its beginning was not told.

        The message goes on without it; deltas that were told of it cannot be taken back.
        """
        if (answer := self._answer) is not None:
            thought = closed(answer.take_back() + until)
            self._thoughts.add(self._events, self.run, self._turn, thought, "")
            self._thoughts.end(self._events)
            self._saves.soon("answer", lambda: self._keeping(answer), TEXT_IS_SAVED_WITHIN)

    async def said(self, piece: str, kind: Kind = "text") -> None:
        """A piece of the model's answer. The first one makes the message. Raises TakenOver."""
        if self._saves.refused:
            # Nobody wants what the model goes on to say.
            raise self._saves.refused
        if self._calls is not None:
            # Told when the turn ends: a message comes before the calls, or after (contract 7.8).
            at = time_of_answer(self.newest_message_at, [*self.steps, self._calls.step], now())
            self._behind.add(self.run, self._calls, at, piece, kind)
        elif self._answer is None:
            await shielded(self._new_answer(piece, kind))
        else:
            self._thoughts.end(self._events)
            self._tell_text(self._answer, piece, kind)

    async def called(self, pieces: Sequence[CallPiece]) -> None:
        """Pieces of the functions that the model calls. The first one makes the step.

        Raises TakenOver.
        """
        calls = self._calls or await shielded(self._new_calls())
        for piece in pieces:
            for data in calls.add(piece):
                self._events.publish(self.run.id, "thread.run.step.delta", data)

    def cancelling(self, run: Run) -> None:
        """A client has cancelled the run. `run`: as its row has it now."""
        self.run = run
        self._publish("thread.run.cancelling", run)

    async def action_required(self, asked: ActionRequired) -> None:
        """The turn is over, and the run waits for its client.

        Raises TakenOver, and Unavailable where it cannot be saved; then it may be called again.
        """
        await shielded(self._wait_for_client(asked.usage))

    async def ended(self, outcome: Outcome) -> None:
        """The run is over.

        Raises TakenOver, and Unavailable where it cannot be saved; then it may be called again.
        """
        await shielded(self._end(outcome))

    async def left(self) -> None:
        """This process stops here; the run stays as it is, for whoever takes it up."""
        if self._answer:
            await shielded(self._saves.now(self._keeping(self._answer)))
        elif self._thoughts:
            await shielded(self._saves.now(self._thoughts.keeping()))

    def deleted(self) -> None:
        """The run is gone, with its thread. Nothing is left to save; listeners hear an end."""
        run = changed(self.run, {"status": "cancelled", "cancelled_at": now(), "expires_at": None})
        self._publish("thread.run.cancelled", run)
        self._events.close(self.run.id)
        watched.ended(run, self.accepted)

    def gave_up(self) -> None:
        """The end is not ours to write, or cannot be written yet: listeners must not wait for it.

        From now on nothing is told; whoever wants to know reads the rows.
        """
        self._events.moved_away(self.run.id)
        self._events = Events()
        self._events.open(self.run.id)

    async def _new_answer(self, piece: str, kind: Kind) -> None:
        self._thoughts.end(self._events)
        time = time_of_answer(self.newest_message_at, self.steps, now())
        answer = Answer.new(self.run, len(self.steps), time)
        step, message = answer.step, answer.message()
        await self._begin(step, message)
        self._answer, self._earlier = answer, EarlierTry()
        self._publish_begun(step)
        self._publish("thread.message.created", message)
        self._publish("thread.message.in_progress", message)
        # With the others in one go, not a turn of the event loop later
        self._tell_text(answer, piece, kind)

    def _tell_text(self, answer: Answer, piece: str, kind: Kind) -> None:
        self._events.publish_piece(self.run.id, *answer.add(piece, kind))
        self._saves.soon("answer", lambda: self._keeping(answer), TEXT_IS_SAVED_WITHIN)

    async def _new_calls(self) -> Calls:
        self._thoughts.end(self._events)
        said = self._answer.closed(_SAID, None, now()) if self._answer else None
        steps = [*self.steps, said[0]] if said else self.steps
        calls = Calls(self.run, len(steps), time_of_calls(steps, now()))
        self._saves.drop("answer")
        await self._begin(calls.step, said=said)
        self._calls, self._answer, self._earlier = calls, None, EarlierTry()
        if said:
            step, message = said
            self.steps.append(step)
            self.own[message.id] = message
            self._publish_ended(step, message)
        self._publish_begun(calls.step)
        return calls

    async def _wait_for_client(self, usage: Usage | None) -> None:
        assert self._calls is not None, "somebody must have called"
        step = self._calls.whole()
        action = asked_for(step)
        run = moved(self.run, "requires_action", now(), required_action=action)
        said = self._behind.closed(_SAID, now())

        def work(connection: Connection) -> Run:
            kept = run_rows.move_run(
                connection, run, was=before("requires_action"), epoch=self.epoch, let_go=True
            )
            if kept is None:
                return self._written_before(connection, run)
            turn = usage.to_json(indent=None) if usage else None
            store.steps.put(connection, step, run_id=run.id, usage=turn)
            for each, message in said:
                step_rows.put(connection, each, message)
            return kept

        self._thoughts.end(self._events)
        self.run = await self._saves.now(work)
        for event, data in events_of(said):
            self._events.publish(self.run.id, event, data)
        self._publish("thread.run.requires_action", self.run)
        self._events.stop(self.run.id)

    async def _end(self, outcome: Outcome) -> None:
        self._thoughts.end(self._events)
        at = now()
        open_steps = self._closings(outcome, at)
        said = self._behind.closed(outcome, at)
        usage = total_usage(
            [*self.steps, *(step for step, _ in open_steps)],
            None if open_steps else outcome.usage,
        )
        run = moved(self.run, outcome.status, at, usage=usage, **outcome.changes)

        def work(connection: Connection) -> tuple[Run, EarlierTry]:
            was = before(outcome.status)
            kept = run_rows.move_run(connection, run, was=was, epoch=self.epoch)
            if kept is None:
                return self._written_before(connection, run), EarlierTry()
            for step, message in [*open_steps, *said]:
                step_rows.put(connection, step, message)
            left = step_rows.still_open(connection, run.id) if self._is_unsure else ()
            unknown = EarlierTry(left)
            for step, message in unknown.closed(outcome, at):
                step_rows.put(connection, step, message)
            run_rows.unlock_thread(connection, run, at)
            return kept, unknown

        self._saves.drop("answer")
        self.run, unknown = await self._saves.now(work)
        self._answer = self._calls = None
        for step, message in () if self._earlier else open_steps:
            self._publish_ended(step, message)
        for event, data in (
            *self._earlier.untold(open_steps),
            *events_of(said),
            *unknown.untold(unknown.closed(outcome, at)),
        ):
            self._events.publish(self.run.id, event, data)
        self._publish(f"thread.run.{self.run.status}", self.run)
        self._events.close(self.run.id)
        watched.ended(self.run, self.accepted)

    def _closings(self, outcome: Outcome, at: int) -> list[tuple[RunStep, Message | None]]:
        """The open steps, as they are after the run has ended so."""
        if self._answer:
            return [self._answer.closed(outcome, outcome.usage, at)]
        if self._calls:
            return [(closed_step(self._calls.whole(), outcome, outcome.usage, at), None)]
        # Where that is not known, the rows tell what of it is left.
        return [] if self._is_unsure else self._earlier.closed(outcome, at)

    async def _begin(
        self,
        step: RunStep,
        message: Message | None = None,
        *,
        said: tuple[RunStep, Message] | None = None,
    ) -> None:
        """Write a new step (and message); of what an earlier try has left, only its rows stay.

        `said`: an answer that ends before.
        """

        async def write(*, again: bool) -> None:
            await self._saves.now(self._beginning(step, message, said, again=again))

        # Where this fails its rows may be there all the same, and nobody else would ever end them.
        was_unsure, self._is_unsure = self._is_unsure, True
        try:
            await write(again=self.epoch > 0)
        except Unavailable:
            what = f"run {self.run.id}: what it begins cannot be written"
            await until_available(what, lambda: write(again=True))
        self._is_unsure = was_unsure

    def _beginning(
        self,
        step: RunStep,
        message: Message | None,
        said: tuple[RunStep, Message] | None,
        *,
        again: bool,
    ) -> Work[None]:
        """`again`: the rows of an earlier try may be there."""
        earlier = self._earlier

        def work(connection: Connection) -> None:
            self._must_be_held(connection)
            earlier.give_way(connection, step)
            if again:
                self._thoughts.give_way(connection, self.run, self._turn)
            if said:
                step_rows.put(connection, *said)
            (step_rows.put if again else step_rows.add)(connection, step, message)

        return work

    def _keeping(self, answer: Answer) -> Work[None]:
        """Write what has been said so far; the step is kept already, and has not changed."""
        message = answer.message()

        def work(connection: Connection) -> None:
            self._must_be_held(connection)
            message_rows.put(connection, message)

        return work

    def _written_before(self, connection: Connection, run: Run) -> Run:
        """The run as its row has it, if it says what was to be written.

        Then that was written, and only the answer was lost. Raises TakenOver.
        """
        if run_rows.is_held(connection, run.id, self.epoch):
            held = run_rows.held_run(connection, run.id, self.epoch)
            if held is not None and held.status == run.status:
                return held
        raise TakenOver(f"Run '{run.id}' cannot become {run.status} any more.")

    def _must_be_held(self, connection: Connection) -> None:
        if not run_rows.is_held(connection, self.run.id, self.epoch):
            raise TakenOver(f"Run '{self.run.id}' was taken over, or deleted.")

    def _publish_begun(self, step: RunStep) -> None:
        self._publish("thread.run.step.created", step)
        self._publish("thread.run.step.in_progress", step)

    def _publish_ended(self, step: RunStep, message: Message | None) -> None:
        if message is not None:
            self._publish(f"thread.message.{message.status}", message)
        self._publish(f"thread.run.step.{step.status}", step)

    def _publish(self, event: str, obj: Run | RunStep | Message) -> None:
        self._events.publish(self.run.id, event, written(obj))
