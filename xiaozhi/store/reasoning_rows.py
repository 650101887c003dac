"""What the model thought in each turn of a run, before it said or called something."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from xiaozhi.store import tables

_row = tables.reasoning.c
_TURN = (_row.run_id == bindparam("run"), _row.number == bindparam("turn"))
_ADD = insert(tables.reasoning)
_CHANGE = (
    update(tables.reasoning)
    .where(*_TURN)
    .values(text=bindparam("new_text"), ms=bindparam("new_ms"), field=bindparam("new_field"))
)
_DROP = delete(tables.reasoning).where(*_TURN)
_OF_RUNS = _row.run_id.in_(bindparam("runs", expanding=True))
_ORDER = (_row.run_id, _row.number)
_KNOWN = (_row.run_id, _row.number, _row.ms, _row.field)
_WHOLE = select(*_KNOWN, _row.text).where(_OF_RUNS).order_by(*_ORDER)
_WITHOUT_TEXTS = select(*_KNOWN).where(_OF_RUNS).order_by(*_ORDER)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`number`: how many steps the run had made before the turn. `ms`: None while it thinks.

    `field`: in which the model's server sent it; empty where it stood in the text.
    """

    run_id: str
    number: int
    text: str
    ms: int | None
    field: str


def put(connection: Connection, reasoning: Reasoning) -> None:
    """Write it, whether it is new or not."""
    text = json.dumps(reasoning.text, ensure_ascii=False)
    run, turn = reasoning.run_id, reasoning.number
    new = {"new_text": text, "new_ms": reasoning.ms, "new_field": reasoning.field}
    if connection.execute(_CHANGE, {"run": run, "turn": turn, **new}).rowcount == 0:
        values = {"text": text, "ms": reasoning.ms, "field": reasoning.field}
        connection.execute(_ADD, {"run_id": run, "number": turn, **values})


def drop(connection: Connection, run_id: str, number: int) -> None:
    """Remove it, if it is there."""
    connection.execute(_DROP, {"run": run_id, "turn": number})


def of_runs(
    connection: Connection, run_ids: Sequence[str], *, texts: bool = True
) -> list[Reasoning]:
    """In each run, the oldest first. Without `texts` their `text` is empty."""
    statement = _WHOLE if texts else _WITHOUT_TEXTS
    rows = connection.execute(statement, {"runs": run_ids}).all()
    return [
        Reasoning(row.run_id, row.number, json.loads(row.text) if texts else "", row.ms, row.field)
        for row in rows
    ]
