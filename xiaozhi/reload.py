"""`--dev`: the server as a child process, started again whenever the code changes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from xiaozhi.terminal import say

CODE = Path(__file__).parent
SUFFIXES = (".py", ".toml", ".css", ".mo")
SETTLES_WITHIN = 0.3  # s: an editor writes several files at once


def run_and_reload() -> int:
    """Runs the same command without `--dev`, again and again, until Ctrl+C."""
    command = [sys.executable, "-m", "xiaozhi", *(word for word in sys.argv[1:] if word != "--dev")]
    if command[3:4] not in (["start"], ["serve"]):
        command.insert(3, "start")
    changed = threading.Event()
    observer = Observer()
    observer.schedule(_Changes(changed), str(CODE), recursive=True)
    observer.start()
    # Nobody who changes the code waits for an answer to end.
    environment = {"XIAOZHI_STOP_WITHIN": "0", **os.environ}
    child = subprocess.Popen(command, env=environment)
    try:
        while True:
            changed.wait()
            while changed.is_set():
                changed.clear()
                changed.wait(SETTLES_WITHIN)
            say("The code has changed: starting again…")
            child.terminate()
            child.wait()
            child = subprocess.Popen(command, env=environment)
    except KeyboardInterrupt:
        # The child has got it too.
        return child.wait()
    finally:
        observer.stop()


class _Changes(FileSystemEventHandler):
    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        written = event.event_type in ("created", "modified", "moved", "deleted")
        if written and str(event.dest_path or event.src_path).endswith(SUFFIXES):
            self._changed.set()
