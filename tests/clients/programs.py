"""Runs a client's program as its users would: in its own environment, unchanged but for the URL."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.prepare import node, python_of
from tests.running import KEY, Running

HERE = Path(__file__).parent
PATIENCE = 150  # s; the first import compiles thousands of files
# Whoever asks something outside this machine is refused at once.
NOWHERE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


def seen_by(client: str, conversation: str, server: Running, *, azure: bool = False) -> Any:
    """What `client` saw of the conversation: the last line that it prints, as JSON.

    `azure`: the client is the one that was made for Azure, with its own names in the environment.
    """
    folder = HERE / client
    program = next(folder.glob("conversations.*"))
    interpreter = node() if program.suffix == ".mjs" else python_of(folder)
    assert any(folder.glob("*/installed")), "python tests/clients/prepare.py installs it"
    process = subprocess.run(
        [interpreter, program, conversation],
        env={
            **os.environ,
            **NOWHERE,
            "NO_PROXY": "127.0.0.1",
            **(_azure(server) if azure else _openai(server)),
            # Compiled once for both conversations, wherever the tests run
            "PYTHONDONTWRITEBYTECODE": "",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def _openai(server: Running) -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}


def _azure(server: Running) -> dict[str, str]:
    return {
        "AZURE_OPENAI_ENDPOINT": server.url.removesuffix("/v1"),
        "AZURE_OPENAI_API_KEY": KEY,
        "OPENAI_API_VERSION": "2024-05-01-preview",
    }
