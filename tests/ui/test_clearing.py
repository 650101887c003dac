"""Deleting all conversations costs what they are, not the square of it; no browser."""

from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.running import KEY, running, until
from tests.ui.test_history import is_there
from xiaozhi.ui import shelves
from xiaozhi.ui.clearing import Clearing
from xiaozhi.ui.client import create_client

CONVERSATIONS = 250


def test_versions_are_looked_for_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sent: Counter[str] = Counter()

    def count(request: httpx2.Request) -> None:
        sent[request.method] += 1

    http = httpx2.Client(event_hooks={"request": [count]})
    with running(tmp_path, model_url="") as server, create_client(server.url, KEY, http) as page:
        for name in ("client", "reader"):
            monkeypatch.setattr(shelves, name, lambda: page)
        threads = page.beta.threads
        talks = [
            threads.create(metadata={"app": "xiaozhi", "shelf": "recent"}).id
            for _number in range(CONVERSATIONS)
        ]
        archives = [threads.create(metadata={"kept_for": talk}).id for talk in talks[:3] * 2]
        foreign = [
            threads.create(metadata={"kept_for": "thread_another"}).id,
            threads.create().id,
        ]
        sent.clear()
        clearing = Clearing()
        until(lambda: clearing.has_ended, 60)
        assert not clearing.broke_off
        # Pages of 100: the conversations on three shelves, all threads, and those that are left
        assert sent == {"DELETE": CONVERSATIONS + len(archives), "GET": 3 + 2 + 3 + 1}
        assert not any(is_there(page, thread) for thread in [*archives, talks[0], talks[-1]])
        assert all(is_there(page, thread) for thread in foreign)
