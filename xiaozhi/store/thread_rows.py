"""Threads as they are written: the object, and its title where it can be found."""

from openai.types.beta import Thread
from sqlalchemy import Connection

from xiaozhi.store.objects import threads
from xiaozhi.store.search import search_on

TITLE = "title"  # the metadata key under which a thread's name stands


def add(connection: Connection, thread: Thread, at: int) -> None:
    threads.add(connection, thread, last_activity_at=at)
    search_on(connection).add_thread(connection, thread.id, title_of(thread), thread.metadata or {})


def save(connection: Connection, thread: Thread) -> None:
    """Raises NotFound."""
    threads.save(connection, thread)
    search_on(connection).change_thread(
        connection, thread.id, title_of(thread), thread.metadata or {}
    )


def delete(connection: Connection, thread_id: str) -> None:
    """With all that it holds. Raises NotFound."""
    search_on(connection).remove_thread(connection, thread_id)
    threads.delete(connection, thread_id)


def title_of(thread: Thread) -> str:
    return (thread.metadata or {}).get(TITLE, "")
