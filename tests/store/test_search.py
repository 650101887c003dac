"""The search on both databases: it finds what a look at every text would, and stays in step."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, MetaData

from tests.store.conftest import Database, on_sqlite
from xiaozhi import threads
from xiaozhi.requests import CreateMessage, CreateThread, ModifyThread
from xiaozhi.store import (
    PageWanted,
    ThreadsWanted,
    message_rows,
    schema,
    search_postgres,
    thread_page,
    thread_rows,
)
from xiaozhi.store.folding import folded, snippet, words_of
from xiaozhi.store.objects import messages

LETTERS = "aAbß小智天 é%\"*_\u3000Ａ😀\n\0\\'"
# FTS5 gets U+E000 to U+E07F for punctuation, Postgres U+FFFF for NUL (store/search_*.py).
STAND_INS = [*map(chr, range(0xE000, 0xE080)), "\uffff"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=STAND_INS))


@pytest.fixture
def made(database: Database) -> Database:
    """With the schema of today."""
    database(schema.bring_up_to_date)
    return database


def found(connection: Connection, query: str, metadata: Sequence[tuple[str, str]] = ()) -> set[str]:
    page, _ = thread_page(connection, PageWanted(limit=100), ThreadsWanted.by(query, metadata))
    return {thread.id for thread in page}


def thread_with(connection: Connection, *said: str, title: str = "", **metadata: str) -> str:
    parts: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": words}]} for words in said
    ]
    request = CreateThread.model_validate(
        {"messages": parts, "metadata": {"title": title, **metadata}}
    )
    return threads.add_thread(connection, request, 1).id


def holds(said: Sequence[str], query: str) -> bool:
    return all(any(word in folded(text) for text in said) for word in words_of(query))


def test_it_finds_what_a_look_at_every_text_would_find(made: Database):
    chance = random.Random(1)

    def text(longest: int) -> str:
        return "x" + "".join(chance.choices(LETTERS, k=chance.randint(0, longest)))

    def story(connection: Connection) -> None:
        kept: dict[str, list[str]] = {}
        for _ in range(40):
            said = [text(12) for _ in range(3)]
            kept[thread_with(connection, *said[1:], title=said[0])] = said
        for id in list(kept)[::4]:
            kept[id][0] = text(12)
            request = ModifyThread(metadata={"title": kept[id][0]})
            threads.modify_thread(connection, id, request)
        for id in list(kept)[::5]:
            thread_rows.delete(connection, id)
            del kept[id]
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("INSERT INTO search (search) VALUES ('integrity-check')")
        for _ in range(1_000):
            query = "".join(chance.choices(LETTERS, k=chance.randint(1, 5)))
            expected = {id for id, said in kept.items() if holds(said, query)}
            assert found(connection, query) == expected, query

    made(story)


def test_nothing_that_people_write_or_look_for_is_taken_for_anything_else(made: Database):
    def story(connection: Connection) -> None:
        # What is looked for is a piece of a text, often enough
        @given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS, st.data())
        @settings(
            max_examples=150,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            database=None,
        )
        @example(["小智"], "' | !a:* & \\", None)
        @example(["a\0b", "ﷺ"], "\0", None)
        def same(said: list[str], other: str, data: st.DataObject | None) -> None:
            queries = [other]
            if data is not None and (text := data.draw(st.sampled_from(said))):
                start = data.draw(st.integers(0, len(text) - 1))
                queries.append(text[start : data.draw(st.integers(start + 1, len(text)))])
            undone = connection.begin_nested()
            id = thread_with(connection, *said[1:], title=said[0])
            for query in queries:
                assert (found(connection, query) == {id}) == holds(said, query)
            undone.rollback()

        same()

    made(story)


def test_a_pair_of_metadata_is_found_whatever_is_in_it(made: Database):
    def story(connection: Connection) -> None:
        pairs = {"user": "lin", "a.b": "'\"\\", "x" * 64: "中" * 512, "": "", "中": "\\u0000"}
        having = thread_with(connection, **pairs, nul="\0")
        other = thread_with(connection, user="lin2", object="thread")
        for pair in pairs.items():
            assert found(connection, "", [pair]) == {having}
        assert found(connection, "", list(pairs.items())) == {having}
        for pair in (("user", "li"), ("use", "rlin"), ("object", "x"), ("id", having)):
            assert found(connection, "", [pair]) == set()
        threads.modify_thread(connection, other, ModifyThread(metadata={"user": "lin"}))
        assert found(connection, "", [("user", "lin")]) == {having, other}
        assert found(connection, "", [("object", "thread")]) == set()
        # A piece of it is no word of the title.
        assert found(connection, "lin") == set()
        # SQLite's functions for JSON end a text at a NUL.
        assert found(connection, "", [("nul", "\0")]) in (set(), {having})

    made(story)


def test_the_longest_message_is_found_by_its_end(made: Database):
    def story(connection: Connection) -> None:
        chance = random.Random(1)
        said = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(255_990))
        id = thread_with(connection, said + "\0结束了", title="x" * 512)
        for query in (said[-200:], "束了", "\0结", "x" * 200):
            assert found(connection, query) == {id}

    made(story)


def test_a_message_is_found_as_it_is_now(made: Database):
    def story(connection: Connection) -> None:
        thread = thread_with(connection, "先说的", "后说的")
        first, second = messages.all(connection, thread_id=thread)
        changed = first.model_copy(update={"content": second.content})
        message_rows.put(connection, changed)
        assert found(connection, "先说") == set()
        page, _ = thread_page(connection, PageWanted(), ThreadsWanted.by("后说", ()))
        assert [(one.id, one.snippet) for one in page] == [(thread, "后说的")]
        message_rows.delete(connection, first.id, thread)
        assert found(connection, "后说") == {thread}
        message_rows.drop(connection, second.id)
        assert found(connection, "后说") == set()
        left = connection.exec_driver_sql("SELECT count(*) FROM search").scalar()
        assert left == (1 if connection.dialect.name == "postgresql" else 0)

    made(story)


def test_what_is_undone_is_not_found(made: Database):
    def story(connection: Connection) -> None:
        thread = threads.add_thread(connection, CreateThread(), 1)
        kept, undone = (CreateMessage(role="user", content=words) for words in ("留下", "撤销"))
        threads.add_message(connection, thread.id, kept, 1)
        connection.exec_driver_sql("SAVEPOINT unit")
        threads.add_message(connection, thread.id, undone, 1)
        connection.exec_driver_sql("ROLLBACK TO unit")
        assert (found(connection, "留下"), found(connection, "撤销")) == ({thread.id}, set())

    made(story)


def test_a_snippet_lies_where_the_hit_is():
    long = "前" * 100 + "ﬁﬁﬁ Straße 结果" + "后" * 100
    for word in ("fiﬁ", "strasse", "结果", "前ﬁ"):
        shown = snippet(long, folded(word))
        assert folded(word) in folded(shown), word
        assert len(shown) <= 82
    assert snippet("short\n and  simple", "simple") == "short and simple"
    assert snippet("Begins here" + "x" * 200, "begins").startswith("Begins here")
    assert snippet("x" * 200 + "ends here", "here").endswith("ends here")


def test_one_of_several_values_of_a_key(database: Database):
    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        made = [
            threads.add_thread(connection, CreateThread(metadata=metadata), number).id
            for number, metadata in enumerate(
                [{"of": "a"}, {"of": "b", "app": "x"}, {"of": "c", "app": "x"}, {"app": "x"}, {}]
            )
        ]

        def places_of(*pairs: tuple[str, str]) -> list[int]:
            page, _ = thread_page(connection, PageWanted(), ThreadsWanted.by("", pairs))
            return sorted(made.index(thread.id) for thread in page)

        assert places_of(("of", "a"), ("of", "b"), ("of", "none")) == [0, 1]
        assert places_of(("of", "a"), ("of", "c"), ("app", "x")) == [2]
        assert places_of(("of", "a"), ("app", "x")) == []
        assert places_of(("app", "x")) == [1, 2, 3]

    database(story)


def test_a_look_up_by_metadata_costs_no_look_at_every_thread(tmp_path: Path):
    """Counted in steps of SQLite's machine: a look into each of 3,000 threads takes far more."""

    def story(connection: Connection) -> None:
        schema.bring_up_to_date(connection)
        for number in range(3_000):
            metadata = {"app": "x", "kept_for": f"thread_{number}"}
            if number % 1_000 == 0:
                metadata["shelf"] = "pinned"
            threads.add_thread(connection, CreateThread(metadata=metadata), number)
        for pairs in (
            [("kept_for", "thread_7")],
            [("kept_for", "none")],
            [("app", "x"), ("shelf", "pinned")],
        ):
            assert steps(connection, ThreadsWanted.by("", pairs)) < 12_000, pairs
        assert steps(connection, ThreadsWanted.by("", [("app", "x")])) < 30_000

    on_sqlite(tmp_path / "x.db")(story)


def steps(connection: Connection, wanted: ThreadsWanted) -> int:
    """Of the virtual machine, in hundreds."""
    driver: Any = connection.connection.driver_connection
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 100
        return 0

    driver.set_progress_handler(count, 100)
    thread_page(connection, PageWanted(), wanted)
    driver.set_progress_handler(None, 0)
    return counted


def test_metadata_of_earlier_releases_are_found(database: Database):
    kept = {"app": "x", "note": "a\0b 💡", "": "empty", "quote": 'it\'s "so"'}

    def before(connection: Connection) -> None:
        schema.upgrade(connection, "0004")
        old = MetaData()
        old.reflect(connection, only=["threads"])
        bodies = [
            {"metadata": kept},
            *({"metadata": {"app": "x", "number": str(number)}} for number in range(1_200)),
            {"metadata": None},
        ]
        connection.execute(
            old.tables["threads"].insert(),
            [
                {"id": f"thread_{number}", "last_activity_at": number, "body": json.dumps(body)}
                for number, body in enumerate(bodies)
            ],
        )
        if connection.dialect.name == "postgresql":  # which had them in its index then
            for number, body in enumerate(bodies):
                search_postgres.add_thread(
                    connection, f"thread_{number}", "", body["metadata"] or {}
                )

    def after(connection: Connection) -> None:
        schema.bring_up_to_date(connection)

        def list_ids(pairs: Sequence[tuple[str, str]]) -> list[str]:
            page, _ = thread_page(connection, PageWanted(), ThreadsWanted.by("", pairs))
            return [thread.id for thread in page]

        assert list_ids(list(kept.items())) == ["thread_0"]
        assert list_ids([("number", "1199")]) == ["thread_1200"]
        thread_rows.delete(connection, "thread_0")
        assert list_ids(list(kept.items())) == []
        if connection.dialect.name == "sqlite":
            left = "SELECT count(*) FROM thread_metadata WHERE thread = 1"
            assert connection.exec_driver_sql(left).scalar() == 0

    database(before)
    database(after)
