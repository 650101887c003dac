"""What these stories share: a server that can be killed, a model that survives it, a seed."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.resilience.killable import OneServer
from tests.resilience.talk import Talk
from xiaozhi.chat_models.scripted import Scripted


@pytest.fixture
def seed() -> str:
    """Of all that is random in a story: from SEED, or told in the test's output."""
    found = os.environ.get("SEED") or str(random.randrange(10**6))
    print(f"SEED={found}")
    return found


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def one_server(tmp_path: Path, talk: Talk) -> Iterator[OneServer]:
    with Scripted(otherwise=talk.reply).served() as url:
        server = OneServer(tmp_path / "data", "--model-url", url)
        server.start()
        try:
            yield server
        finally:
            server.kill()
