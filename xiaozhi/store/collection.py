"""Objects of one kind: kept whole, found by id, listed in pages.

All functions take the open connection of a transaction and run at once; `Store.read` and
`Store.write` say where.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, TypeVar, cast

from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from xiaozhi.errors import NotFound

PAGE_CHARACTERS = 128 * 2**20  # a page that is longer has fewer objects

AnyObject = Assistant | Thread | Message | Run | RunStep
Object = TypeVar("Object", bound=AnyObject)


@dataclass(frozen=True, slots=True)
class PageWanted:
    """Contract 3.4. `after`, `before`: ids; the page lies between them, in the order asked for."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`bodies`: JSON texts, in the order asked for."""

    ids: Sequence[str]
    bodies: Sequence[str]
    has_more: bool


def written(obj: AnyObject) -> str:
    """The JSON a client gets: every field that was set, nulls included, on one line."""
    return obj.model_dump_json(exclude_unset=True, by_alias=True)


def changed(obj: Object, changes: Mapping[str, object]) -> Object:
    """A copy of `obj` with some fields changed, checked against its type."""
    known = obj.model_dump(exclude_unset=True, by_alias=True)
    return type(obj).model_validate({**known, **changes})


@dataclass(frozen=True, slots=True)
class Collection(Generic[Object]):
    """`name`: as the API's 404 says it ("No {name} found with id …").

    `within` narrows a look-up to rows whose columns have these values.
    """

    table: Table
    type: type[Object]
    name: str

    def add(self, connection: Connection, obj: Object, **columns: object) -> None:
        """Keep a new object. `columns`: the table's own columns beside id and body."""
        row = {"id": obj.id, "body": written(obj), **columns}
        connection.execute(_insert(self.table), row)

    def body(self, connection: Connection, id: str, **within: object) -> str:
        """The object as a client gets it. Raises NotFound, also if it does not lie `within`."""
        statement = _select(self.table, "body", ("id", *within))
        found = connection.execute(statement, {"id": id, **within}).scalar()
        if found is None:
            raise self.missing(id)
        return cast(str, found)

    def exists(self, connection: Connection, id: str, **within: object) -> bool:
        statement = _select(self.table, "seq", ("id", *within))
        return connection.execute(statement, {"id": id, **within}).scalar() is not None

    def must_exist(self, connection: Connection, id: str, **within: object) -> None:
        """Raises NotFound."""
        if not self.exists(connection, id, **within):
            raise self.missing(id)

    def get(self, connection: Connection, id: str, **within: object) -> Object:
        """As `body`, read into its type."""
        return self.type.model_validate_json(self.body(connection, id, **within))

    def locked(self, connection: Connection, id: str, **within: object) -> Object:
        """As `get`; and nobody else changes it before this unit of work ends."""
        statement = _lock(self.table, ("id", *within))
        body = connection.execute(statement, {"id": id, **within}).scalar()
        if body is None:
            raise self.missing(id)
        return self.type.model_validate_json(body)

    def save(self, connection: Connection, obj: Object, **columns: object) -> None:
        """Write an object that is kept already. Raises NotFound where it was deleted meanwhile."""
        statement = _update(self.table, ("body", *columns))
        if connection.execute(statement, _new_values(obj, columns)).rowcount == 0:
            raise self.missing(obj.id)

    def put(self, connection: Connection, obj: Object, **columns: object) -> None:
        """Write it, whether it is kept already or new. Metadata that it has there stays.

        For messages and steps; runs hold JSON of their clients, see `_has_no_metadata`.
        """
        if not obj.metadata and self._replaced(connection, obj, columns):
            return
        body = connection.execute(_lock(self.table, ("id",)), {"id": obj.id}).scalar()
        if body is None:
            self.add(connection, obj, **columns)
        else:
            metadata = json.loads(body)["metadata"]
            self.save(connection, changed(obj, {"metadata": metadata}), **columns)

    def delete(self, connection: Connection, id: str, **within: object) -> None:
        """Raises NotFound."""
        statement = _delete(self.table, ("id", *within))
        if connection.execute(statement, {"id": id, **within}).rowcount == 0:
            raise self.missing(id)

    def page(self, connection: Connection, wanted: PageWanted, **within: object) -> Page:
        """Contract 3.4. An unknown cursor is ignored."""
        after, before = (self._place(connection, id) for id in (wanted.after, wanted.before))
        # With `before` alone: the ones nearest to it, still shown in the asked order.
        backwards = before is not None and after is None
        statement = _page(
            self.table, tuple(within), wanted.order, after is not None, before is not None
        )
        values = {"after": after, "before": before, "limit": wanted.limit + 1, **within}
        with closing(connection.execute(statement, values)) as rows:
            found, has_more = _as_many_as_fit(rows, wanted.limit)
        if backwards:
            found = found[::-1]
        return Page([row.id for row in found], [row.body for row in found], has_more)

    def all(self, connection: Connection, **within: object) -> list[Object]:
        """Those `within`, oldest first: for what is few by its nature, as the steps of a run."""
        statement = _all(self.table, tuple(within))
        bodies = connection.execute(statement, within).scalars()
        return [self.type.model_validate_json(body) for body in bodies]

    def _replaced(self, connection: Connection, obj: Object, columns: Mapping[str, object]) -> bool:
        """Nearly always it is there and has no metadata: then nothing need be read before."""
        statement = _replace(self.table, ("body", *columns))
        return connection.execute(statement, _new_values(obj, columns)).rowcount == 1

    def missing(self, id: str) -> NotFound:
        return NotFound(f"No {self.name} found with id '{id}'.")

    def _place(self, connection: Connection, id: str | None) -> int | None:
        if id is None:
            return None
        return connection.execute(_select(self.table, "seq", ("id",)), {"id": id}).scalar()


def _as_many_as_fit(rows: Iterable[Row[Any, Any]], limit: int) -> tuple[list[Row[Any, Any]], bool]:
    """So many of the rows, fewer where they are long; and whether there are more.

    A hundred messages with ten pictures each would be a gigabyte.
    """
    found: list[Row[Any, Any]] = []
    characters = 0
    for row in rows:
        if len(found) == limit or characters > PAGE_CHARACTERS:
            return found, True
        found.append(row)
        characters += len(row.body)
    return found, False


# Statements are built once: building one costs five times as much as running it.


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def _select(table: Table, column: str, equal: tuple[str, ...]) -> Select[Any]:
    return select(table.c[column]).where(*_equal(table, equal))


@cache
def _lock(table: Table, equal: tuple[str, ...]) -> Select[Any]:
    """SQLite has one writer at a time, and no locks of rows: there it is a plain SELECT."""
    return _select(table, "body", equal).with_for_update()


@cache
def _update(table: Table, columns: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    return update(table).where(table.c.id == bindparam("the_id")).values(values)


@cache
def _replace(table: Table, columns: tuple[str, ...]) -> Update:
    return _update(table, columns).where(_has_no_metadata(table))


def _has_no_metadata(table: Table) -> ColumnElement[bool]:
    """Told by the text alone: what people say stands in it with its quotes escaped.

    Not so where a client's own JSON is a part of the object, as the tools of a run.
    """
    return table.c.body.contains('"metadata":{}') | table.c.body.contains('"metadata":null')


@cache
def _delete(table: Table, equal: tuple[str, ...]) -> Delete:
    return delete(table).where(*_equal(table, equal))


@cache
def _page(
    table: Table, equal: tuple[str, ...], order: str, after: bool, before: bool
) -> Select[Any, Any]:
    seq, forward = table.c.seq, order == "asc"
    rows = select(table.c.id, table.c.body).where(*_equal(table, equal))
    if after:
        rows = rows.where(seq > bindparam("after") if forward else seq < bindparam("after"))
    if before:
        rows = rows.where(seq < bindparam("before") if forward else seq > bindparam("before"))
    ascending = forward != (before and not after)
    return rows.order_by(seq.asc() if ascending else seq.desc()).limit(bindparam("limit"))


@cache
def _all(table: Table, equal: tuple[str, ...]) -> Select[Any]:
    return select(table.c.body).where(*_equal(table, equal)).order_by(table.c.seq)


def _new_values(obj: AnyObject, columns: Mapping[str, object]) -> dict[str, object]:
    """For `_update`."""
    values: dict[str, object] = {"the_id": obj.id, "new_body": written(obj)}
    return values | {f"new_{name}": value for name, value in columns.items()}


def _equal(table: Table, names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [table.c[name] == bindparam(name) for name in names]
