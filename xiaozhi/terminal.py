"""What the person at the terminal is told, in their language."""

import os
import sys
import time

from xiaozhi.errors import CannotStart, Sentence
from xiaozhi.language import catalogue, of_terminal


def say(sentence: str, **values: object) -> None:
    """`sentence` holds {names} of `values`."""
    try:
        print(_translated(sentence).format(**values), flush=True)
    except OSError:
        # The terminal was closed: there is nobody to be told, at the end of the program neither.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def complain(error: CannotStart) -> None:
    """What is wrong, and the way out."""
    words = [
        _said(Sentence(part, **error.values)) for part in (error.sentence, error.way_out) if part
    ]
    print("\n".join(words), file=sys.stderr, flush=True)


class BytesProgress:
    """Shows how far a download is: a line that renews itself, or (no terminal) one each tenth."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = -1
        self._renews = sys.stdout.isatty()
        self._began = time.monotonic()
        self._had: int | None = None

    def __call__(self, done: int) -> None:
        """`done`: bytes so far."""
        if self._had is None:
            self._had = done
        step = done * (200 if self._renews else 10) // self._total
        if step == self._shown:
            return
        self._shown = step
        speed = (done - self._had) / max(time.monotonic() - self._began, 0.1)
        line = f"  {done / 1e6:6.1f} / {self._total / 1e6:.1f} MB  {done * 100 // self._total:3d}%"
        line += f"  {speed / 1e6:.1f} MB/s"
        print(f"\r{line}  " if self._renews else line, end="" if self._renews else "\n", flush=True)

    def end(self) -> None:
        if self._renews and self._shown >= 0:
            print(flush=True)


def _said(sentence: Sentence) -> str:
    values = {
        name: _said(value) if isinstance(value, Sentence) else value
        for name, value in sentence.values.items()
    }
    return _translated(sentence.text).format(**values)


def _translated(sentence: str) -> str:
    # gettext answers an empty msgid with the catalogue's header.
    return catalogue(of_terminal()).gettext(sentence) if sentence else ""
