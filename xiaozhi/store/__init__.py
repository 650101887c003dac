"""What is remembered: tables, objects kept whole, and the databases that hold them."""

from sqlalchemy import Connection

from xiaozhi.store.collection import Page, PageWanted, changed, written
from xiaozhi.store.objects import assistants, messages, runs, steps, threads
from xiaozhi.store.run_rows import Segment
from xiaozhi.store.sqlite import SQLite
from xiaozhi.store.store import Store, Work

__all__ = [
    "Connection",
    "Page",
    "PageWanted",
    "SQLite",
    "Segment",
    "Store",
    "Work",
    "assistants",
    "changed",
    "messages",
    "runs",
    "steps",
    "threads",
    "written",
]
