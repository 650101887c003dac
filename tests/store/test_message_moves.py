"""Messages move between threads: exactly, in order, found where they are, in few statements."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.store.conftest import Database
from xiaozhi import threads
from xiaozhi.errors import NotFound
from xiaozhi.requests import CreateMessage, CreateThread, Exchange
from xiaozhi.store import PageWanted, ThreadsWanted, messages, schema, thread_page, written

MANY = 200


def make(connection: Connection, *words: str) -> tuple[str, list[str]]:
    """A thread with messages; its id and theirs."""
    said = [CreateMessage(role="user", content=word) for word in words]
    thread = threads.add_thread(connection, CreateThread(messages=said), 1)
    return thread.id, ids(connection, thread.id)


def ids(connection: Connection, thread_id: str) -> list[str]:
    wanted = PageWanted(limit=1_000, order="asc")
    return list(messages.page(connection, wanted, thread_id=thread_id).ids)


def search(connection: Connection, words: str) -> list[str]:
    page, _ = thread_page(connection, PageWanted(), ThreadsWanted.by(words, ()))
    return [thread.id for thread in page]


def exchange(connection: Connection, thread: str, other: str, since: str, *coming: str) -> None:
    request = Exchange(other_thread_id=other, since=since, messages=list(coming))
    threads.exchange_messages(connection, thread, request, 2)


def test_everything_stays_but_the_thread(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        thread, _ = make(connection)
        beside, _ = make(connection)
        words = f'{{"thread_id":"{thread}"}} a\0b 💡 \\u0000 "thread_id":"{thread}"'
        request = CreateMessage(
            role="user",
            content=words,
            metadata={"thread_id": thread, "a\0b": f'"thread_id":"{thread}"', "é": "1e999"},
        )
        threads.add_message(connection, thread, request, 1)
        [id] = ids(connection, thread)
        before = messages.get(connection, id)
        exchange(connection, thread, beside, id)
        after = messages.get(connection, id)
        assert after.to_dict() == {**before.to_dict(), "thread_id": beside}
        assert messages.body(connection, id) == written(after)
        assert ids(connection, thread) == []

    database(story)


def test_they_come_in_order_and_are_found_where_they_are(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        words = [f"Wanderfalke {number:04}" for number in range(MANY)]
        thread, first = make(connection, "Anfang", *words)
        beside, second = make(connection, "Turmfalke", "Sperber", "Habicht")
        wanted = [second[2], second[0]]
        exchange(connection, thread, beside, first[1], *wanted)
        assert ids(connection, thread) == [first[0], *wanted]
        assert ids(connection, beside) == [second[1], *first[1:]]
        assert search(connection, "Wanderfalke") == [beside]
        assert search(connection, "0199") == [beside]
        assert search(connection, "Turmfalke") == search(connection, "Habicht") == [thread]
        assert search(connection, "Sperber") == [beside]
        # What is new comes behind them, and what is deleted is not found.
        threads.add_message(connection, beside, CreateMessage(role="user", content="zuletzt"), 3)
        assert ids(connection, beside)[:-1] == [second[1], *first[1:]]
        threads.delete_message(connection, beside, first[-1])
        assert search(connection, "0199") == []

    database(story)


def test_a_place_is_never_given_twice(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        thread, [first, second] = make(connection, "one", "two")
        beside, _ = make(connection)
        exchange(connection, thread, beside, first)
        place = "SELECT max(seq) FROM messages"
        last: Any = connection.exec_driver_sql(place).scalar()
        threads.delete_message(connection, beside, second)
        make(connection, "new")
        assert connection.exec_driver_sql(place).scalar() == last + 1

    database(story)


def test_many_cost_as_many_statements_as_few(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        counts: list[int] = []
        for size in (2, MANY):
            thread, first = make(connection, *map(str, range(size)))
            beside, second = make(connection, *map(str, range(size)))
            with counted(connection) as statements:
                exchange(connection, thread, beside, first[0], *second)
            assert ids(connection, thread) == second
            assert ids(connection, beside) == first
            counts.append(len(statements))
        assert counts[0] == counts[1] < 25

    database(story)


@contextmanager
def counted(connection: Connection) -> Generator[list[str]]:
    """The statements that are executed meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield statements
    event.remove(connection, "before_cursor_execute", note)


def test_what_is_not_there_is_named(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        thread, [first] = make(connection, "one")
        beside, [second] = make(connection, "two")
        for since, coming, missing in (
            (second, [], second),
            ("msg_none", [], "msg_none"),
            (first, [second, first], first),
            (first, ["msg_a\0b"], "msg_a\0b"),
        ):
            with pytest.raises(NotFound, match=f"found with id '{missing}'"):
                exchange(connection, thread, beside, since, *coming)
        assert (ids(connection, thread), ids(connection, beside)) == ([first], [second])

    database(story)
