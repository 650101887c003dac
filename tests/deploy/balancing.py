"""deploy/nginx.conf in front of servers of this machine: only addresses and folders are others."""

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.prepare import nginx
from tests.process.processes import free_port

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy/nginx.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def program() -> str:
    """nginx; without one the test fails."""
    found = nginx()
    if found is None:
        pytest.fail("nginx is missing: ./test gets it (tests/deploy/prepare.py)")
    return found


def localized(port: int, replicas: Sequence[int], folder: Path) -> str:
    """The config as it is deployed, for `replicas` on 127.0.0.1, with its files in `folder`."""
    config = CONFIG.read_text()
    servers = "\n".join(f"server 127.0.0.1:{replica} fail_timeout=2s;" for replica in replicas)
    paths = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    for what, instead in (
        # Docker's name server and what asks it; Debian's nginx is older than `resolve`
        (r"resolver 127\.0\.0\.11 valid=5s;", ""),
        (r"server xiaozhi:8501 resolve fail_timeout=2s;", servers),
        (r"listen 80;", f"listen 127.0.0.1:{port};"),
        (r"http \{", f"http {{\n{paths}"),
    ):
        config, found = re.subn(what, instead, config)
        assert found, f"deploy/nginx.conf no longer has {what}"
    return config


@contextmanager
def balanced(folder: Path, replicas: Sequence[int]) -> Generator[str]:
    """Yields the balancer's address, without a path."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(localized(port, replicas, folder))
    ours = f"daemon off; pid {folder}/pid; error_log {folder}/errors;"
    if os.geteuid() == 0:
        # Its workers would be nobody, who may not enter a test's folder.
        ours += " user root;"
    command = [program(), "-p", str(folder), "-c", str(config), "-g", ours]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_open(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def status(url: str | urllib.request.Request) -> int:
    """What a GET is answered with."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _wait_until_open(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("nginx does not listen")
