"""What is remembered: tables, objects kept whole, and the databases that hold them."""

from sqlalchemy import Connection

from xiaozhi.store.collection import Page, PageWanted, changed, written
from xiaozhi.store.objects import assistants, messages, runs, steps, threads, waiting_messages
from xiaozhi.store.run_rows import Segment
from xiaozhi.store.sqlite import SQLite
from xiaozhi.store.sqlite_opening import migrate
from xiaozhi.store.store import Store, Work
from xiaozhi.store.thread_list import ListedThread, ThreadsWanted, thread_page
from xiaozhi.store.watched import Watched

__all__ = [
    "Connection",
    "ListedThread",
    "Page",
    "PageWanted",
    "SQLite",
    "Segment",
    "Store",
    "ThreadsWanted",
    "Watched",
    "Work",
    "assistants",
    "changed",
    "messages",
    "migrate",
    "runs",
    "steps",
    "thread_page",
    "threads",
    "waiting_messages",
    "written",
]
