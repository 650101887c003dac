"""The search on real SQLite: it finds what a look at every text would, and stays in step."""

import random
from pathlib import Path

import pytest
from sqlalchemy import Connection

from xiaozhi import threads
from xiaozhi.requests import CreateMessage, CreateThread, ModifyThread
from xiaozhi.store import PageWanted, ThreadsWanted, schema, thread_page, thread_rows
from xiaozhi.store.folding import folded, snippet, words_of
from xiaozhi.store.sqlite import engine

LETTERS = 'aAbß小智天 é%"*_\u3000Ａ😀\n'


@pytest.fixture
def connection(tmp_path: Path):
    with engine(tmp_path / "x.db", writes=True).connect() as connection:
        with connection.begin():
            schema.bring_up_to_date(connection)
        with connection.begin():
            yield connection


def found(connection: Connection, query: str) -> set[str]:
    page, _ = thread_page(connection, PageWanted(limit=100), ThreadsWanted.by(query, ()))
    return {thread.id for thread in page}


def test_it_finds_what_a_look_at_every_text_would_find(connection: Connection):
    chance = random.Random(1)

    def text(longest: int) -> str:
        return "x" + "".join(chance.choices(LETTERS, k=chance.randint(0, longest)))

    kept: dict[str, list[str]] = {}
    for _ in range(40):
        said = [text(12) for _ in range(3)]
        request = CreateThread.model_validate(
            {
                "messages": [{"role": "user", "content": words} for words in said[1:]],
                "metadata": {"title": said[0]},
            }
        )
        kept[threads.add_thread(connection, request, 1).id] = said
    for id in list(kept)[::4]:
        kept[id][0] = text(12)
        request = ModifyThread(metadata={"title": kept[id][0]})
        threads.modify_thread(connection, id, request)
    for id in list(kept)[::5]:
        thread_rows.delete(connection, id)
        del kept[id]
    connection.exec_driver_sql("INSERT INTO search (search) VALUES ('integrity-check')")
    for _ in range(1_500):
        query = "".join(chance.choices(LETTERS, k=chance.randint(1, 5)))
        words = words_of(query)
        expected = {
            id
            for id, said in kept.items()
            if all(any(word in folded(text) for text in said) for word in words)
        }
        assert found(connection, query) == expected, query


def test_what_is_undone_is_not_found(connection: Connection):
    thread = threads.add_thread(connection, CreateThread(), 1)
    kept, undone = (CreateMessage(role="user", content=words) for words in ("留下", "撤销"))
    threads.add_message(connection, thread.id, kept, 1)
    connection.exec_driver_sql("SAVEPOINT unit")
    threads.add_message(connection, thread.id, undone, 1)
    connection.exec_driver_sql("ROLLBACK TO unit")
    assert (found(connection, "留下"), found(connection, "撤销")) == ({thread.id}, set())


def test_a_snippet_lies_where_the_hit_is():
    long = "前" * 100 + "ﬁﬁﬁ Straße 结果" + "后" * 100
    for word in ("fiﬁ", "strasse", "结果", "前ﬁ"):
        shown = snippet(long, folded(word))
        assert folded(word) in folded(shown), word
        assert len(shown) <= 82
    assert snippet("short\n and  simple", "simple") == "short and simple"
    assert snippet("Begins here" + "x" * 200, "begins").startswith("Begins here")
    assert snippet("x" * 200 + "ends here", "here").endswith("ends here")
