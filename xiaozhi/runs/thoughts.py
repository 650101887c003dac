"""What the model thinks in one turn, before it answers: told to who asks for it, kept with the run.

It is no part of the message, and no client hears of it that does not ask (docs/extensions.md).
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from openai.types.beta.threads import Run

from xiaozhi.events import Events, Text
from xiaozhi.ids import derived_id
from xiaozhi.runs.saves import Saves
from xiaozhi.store import Connection, Page, Work, reasoning_rows
from xiaozhi.store.reasoning_rows import Reasoning

# Every event of it begins so.
REASONING = "thread.run.reasoning."
DELTA = REASONING + "delta"
COMPLETED = REASONING + "completed"
SAVED_WITHIN = 1.0  # s


class Thoughts:
    """Of one segment. `must_be_held`: raises TakenOver where nothing may be written any more."""

    def __init__(self, saves: Saves, must_be_held: Callable[[Connection], None]) -> None:
        self._saves = saves
        self._must_be_held = must_be_held
        self._row: Reasoning | None = None
        self._pieces: list[str] = []
        self._began = 0.0
        self._earlier_ms = 0
        self._told_as: Text | None = None

    def __bool__(self) -> bool:
        return self._row is not None

    def add(self, events: Events, run: Run, number: int, piece: str, field: str) -> None:
        """Take a piece. `number`: of the run's steps before this turn. `field`: as in `Piece`."""
        if self._row is None or self._told_as is None:
            if not piece.strip():
                return
            self._row = Reasoning(run.id, number, "", None, field)
            self._told_as = _deltas(run.id, number)
            self._began = time.monotonic()
        if self._row.ms is not None:
            # It thinks once more, in the midst of its answer.
            self._earlier_ms, self._began = self._row.ms, time.monotonic()
            self._row = replace(self._row, ms=None)
        self._pieces.append(piece)
        events.publish_piece(run.id, self._told_as, json.dumps(piece, ensure_ascii=False)[1:-1])
        self._saves.soon("thoughts", self.keeping, SAVED_WITHIN)

    def end(self, events: Events) -> None:
        """What follows is the answer, or nothing."""
        if self._row is not None and self._row.ms is None:
            ms = round((time.monotonic() - self._began) * 1000)
            # Who listens adds up.
            events.publish(self._row.run_id, COMPLETED, _completed(replace(self._row, ms=ms)))
            self._row = replace(self._row, ms=self._earlier_ms + ms)
            self._saves.soon("thoughts", self.keeping, SAVED_WITHIN)

    def keeping(self) -> Work[None]:
        """Write what was thought so far."""
        assert self._row is not None, "somebody must have thought"
        row = replace(self._row, text="".join(self._pieces))

        def work(connection: Connection) -> None:
            self._must_be_held(connection)
            reasoning_rows.put(connection, row)

        return work

    def give_way(self, connection: Connection, run: Run, number: int) -> None:
        """What an earlier try of the turn has thought goes, where this one has thought nothing."""
        if self._row is None:
            reasoning_rows.drop(connection, run.id, number)


def with_reasoning(connection: Connection, page: Page, wanted: Literal["seconds", "text"]) -> Page:
    """The same runs, each with its `reasoning`. `wanted`: "seconds" leaves the texts out."""
    texts = wanted == "text"
    of_run: dict[str, list[dict[str, Any]]] = {id: [] for id in page.ids}
    for one in reasoning_rows.of_runs(connection, page.ids, texts=texts):
        of_run[one.run_id].append(told(one, texts=texts))
    bodies = [
        f'{body[:-1]},"reasoning":{json.dumps(of_run[id], ensure_ascii=False)}}}'
        for id, body in zip(page.ids, page.bodies, strict=True)
    ]
    return Page(page.ids, bodies, page.has_more)


def told(reasoning: Reasoning, *, texts: bool = True) -> dict[str, Any]:
    """As a client gets it, that asked for it. `step_id`: of the first step that it led to."""
    text = {"text": reasoning.text} if texts else {}
    return {
        "step_id": _step_id(reasoning.run_id, reasoning.number),
        "seconds": None if reasoning.ms is None else reasoning.ms / 1000,
        **text,
    }


def replayed(thoughts: Sequence[Reasoning], numbers: range) -> Iterator[tuple[str, str]]:
    """(event, JSON) of those with such a number, each text in one piece."""
    for reasoning in thoughts:
        if reasoning.number in numbers:
            text = json.dumps(reasoning.text, ensure_ascii=False)[1:-1]
            yield DELTA, _deltas(reasoning.run_id, reasoning.number).data(text)
            yield COMPLETED, _completed(reasoning)


def _completed(reasoning: Reasoning) -> str:
    found = {"id": reasoning.run_id, "object": "thread.run.reasoning"}
    return json.dumps({**found, **told(reasoning, texts=False)}, ensure_ascii=False)


def _deltas(run_id: str, number: int) -> Text:
    start = (
        f'{{"id":"{run_id}","object":"{DELTA}","delta":'
        f'{{"step_id":"{_step_id(run_id, number)}","text":"'
    )
    return Text(DELTA, start, '"}}', '"}}')


def _step_id(run_id: str, number: int) -> str:
    return derived_id("step_", run_id, number)
