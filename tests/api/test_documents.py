"""The programs in the documents run as they stand, but for the address and the key."""

import re
from pathlib import Path
from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from tests.running import KEY, Running, running
from xiaozhi.chat_models.scripted import Scripted

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", ["README.md", "README.zh.md", "docs/migration.md", "docs/migration.zh.md"]
)
def test_the_programs_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    programs = [block for block in blocks if "client" in block]
    assert "OpenAI(" in programs[0]
    with Scripted().served() as url, running(tmp_path, model_url=url) as server:
        known: dict[str, Any] = {}
        clients: set[Any] = set()
        for program in programs:
            exec(readdressed(program, server), known)
            assert isinstance(known["client"], OpenAI)
            clients.add(known["client"])
        for client in clients:
            client.close()
        # What follows Azure's way to begin is then done by its client.
        azure = name.startswith("docs/migration")
        assert isinstance(known["client"], AzureOpenAI) == azure
    assert "All right." in capsys.readouterr().out


def readdressed(program: str, server: Running) -> str:
    endpoint = server.url.removesuffix("/v1")
    return program.replace("http://localhost:8501", endpoint).replace("xz-…", KEY)
