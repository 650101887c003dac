"""What a client may send in a text, on both databases: all that JSON can say, and all of a path."""

import pytest
from sqlalchemy import Connection

from tests.store.conftest import Database
from xiaozhi import store, threads
from xiaozhi.errors import NotFound
from xiaozhi.requests import CreateMessage, CreateThread, ModifyThread
from xiaozhi.store import PageWanted, ThreadsWanted, schema, thread_page

NUL = "\0"


@pytest.fixture
def made(database: Database) -> Database:
    """With the schema of today."""
    database(schema.bring_up_to_date)
    return database


def test_a_nul_comes_back_as_it_was_sent(made: Database):
    said = f"a{NUL}b \\u0000"

    def story(connection: Connection) -> None:
        request = CreateThread(
            messages=[CreateMessage(role="user", content=said, metadata={NUL: said})],
            metadata={"title": said},
        )
        thread = threads.add_thread(connection, request, 1)
        threads.modify_thread(connection, thread.id, ModifyThread(metadata={"title": said * 2}))
        assert store.threads.get(connection, thread.id).metadata == {"title": said * 2}
        message = store.messages.all(connection, thread_id=thread.id)[0]
        assert message.metadata == {NUL: said}
        assert threads.repeated_message(connection, thread.id, request.messages[0], 2)

    made(story)


@pytest.mark.parametrize("id", ["thread_\0", "\0", "thread_'\\%", "", "x" * 10_000, "\ufffd"])
def test_an_id_that_nobody_has_is_not_found(made: Database, id: str):
    def story(connection: Connection) -> None:
        thread = threads.add_thread(connection, CreateThread(), 1)
        wanted = PageWanted(after=id, before=id)
        assert store.threads.page(connection, wanted).ids == [thread.id]
        assert store.messages.page(connection, PageWanted(), thread_id=id).ids == []
        listed, _ = thread_page(connection, wanted, ThreadsWanted())
        assert [one.id for one in listed] == [thread.id]
        with pytest.raises(NotFound):
            store.threads.get(connection, id)
        with pytest.raises(NotFound):
            threads.add_message(connection, id, CreateMessage(role="user", content="a"), 1)

    made(story)
