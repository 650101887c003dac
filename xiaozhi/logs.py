"""How log records look and where they go: one JSON object a line, or words for people.

Every record says which request and which run it belongs to, where that is known (`about`: tasks
copy the context that they are made in). No record holds what people say, keys, or queries: ours say
ids, numbers and fixed sentences alone, and the words of exceptions and libraries that may repeat
more are left out here.

    {"time": "2026-11-25T08:00:00.123Z", "level": "info", "logger": "xiaozhi.api.access",
     "message": "request", "request_id": "req_…", "method": "POST", "route": "/v1/threads", …}
"""

import json
import logging
import queue
import re
import sys
import threading
import time
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, TextIO

Format = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

MOST_WAITING = 10_000  # lines; while the reader of stderr takes none, further ones are left out
WRITTEN_WITHIN = 0.01  # s: the thread that writes wakes up once for many lines
FLUSHED_WITHIN = 2.0  # s

# Whose lines hold no words of people: ours, and those of libraries that were looked through. The
# lines of every other library (an HTTP client tells addresses with their queries) are left out
# below `warning`, and stand without their values from there on, whatever it is called.
KNOWN = ("xiaozhi", "uvicorn", "alembic", "py")
# Exceptions whose words name files, addresses and code; a ValueError, say, repeats the value
PLAIN = (
    AssertionError,
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
)

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039  # never changed in place

_REPEATED_VALUE = re.compile(r"input_value=.*?, (?=input_type=)", re.DOTALL)

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

log = logging.getLogger(__name__)


def about(**ids: str) -> None:
    """From here on, also in the tasks that are made from here, records are about these."""
    _about.set({**_about.get(), **ids})


def known(name: str) -> str:
    """One of the ids that records are about; "" where there is none."""
    return _about.get().get(name, "")


def fields(**values: object) -> dict[str, Any]:
    """For the `extra` of a record: what it says besides its message."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


def begin(format: Format, level: Level) -> None:
    """From here on everything that is logged, warned, or dies goes to stderr, in one way."""
    if reconfigure := getattr(sys.stderr, "reconfigure", None):
        # JSON is UTF-8 wherever it runs; half a character, from a file's name say, is escaped.
        reconfigure(encoding="utf-8", errors="backslashreplace")
    root = logging.getLogger()
    writers = [handler for handler in root.handlers if isinstance(handler, _Writer)]
    handler = writers[0] if writers else _Writer(sys.stderr)
    handler.setFormatter(_Json() if format == "json" else _Text())
    handler.setLevel(level.upper())
    handler.filters = [_is_not_private]
    root.handlers = [handler]
    # The libraries' own details are of no use to whoever runs this, and may hold anything.
    root.setLevel(max(handler.level, logging.INFO))
    logging.getLogger("xiaozhi").setLevel(level.upper())
    # Nothing that our lines say, and a fifth of what one costs
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    sys.excepthook = _died
    threading.excepthook = _thread_died


def on_loop(loop: AbstractEventLoop) -> None:
    """What fails where nobody waits for it. asyncio's own words hold the exception's."""

    def failed(_loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        words = str(context.get("message", "something failed"))
        log.error("%s", words, exc_info=context.get("exception"))

    loop.set_exception_handler(failed)


def _is_not_private(record: logging.LogRecord) -> bool:
    if record.levelno < logging.WARNING and not _is_known(record):
        return False
    # uvicorn's line about a web socket holds its address, with the query.
    return '"WebSocket' not in str(record.msg)


def _is_known(record: logging.LogRecord) -> bool:
    return record.name.split(".", 1)[0] in KNOWN


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_about.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = _error(record.exc_info[1])
        return _encode(line)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = {**_about.get(), **getattr(record, "fields", {})}
        words = [_time(record), record.levelname, f"{record.name}:", _message(record)]
        words += [f"{name}={value}" for name, value in more.items()]
        line = " ".join(words)
        if record.exc_info and record.exc_info[1]:
            line += "\n" + _error(record.exc_info[1])
        return line


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _message(record: logging.LogRecord) -> str:
    if not _is_known(record):
        return str(record.msg)
    try:
        # pydantic warns of a value, and repeats it.
        return _REPEATED_VALUE.sub("", record.getMessage())
    except (TypeError, ValueError, KeyError):
        # Somebody's arguments do not fit: a line that says less is better than none.
        return str(record.msg)


def _error(error: BaseException) -> str:
    """Where it came from, as Python shows it, without words that may repeat what people say."""
    causes: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in causes:
        causes.insert(0, found)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\n".join(_one_error(cause) for cause in causes)


def _one_error(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    words = f": {error}" if isinstance(error, PLAIN) and str(error) else ""
    return f"{frames}\n{type(error).__module__}.{type(error).__qualname__}{words}".strip()


def _died(_type: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    log.critical("the program ends by an error", exc_info=error)


def _thread_died(ended: threading.ExceptHookArgs) -> None:
    log.critical("a thread ends by an error", exc_info=ended.exc_value)


class _Writer(logging.Handler):
    """Writes on a thread of its own: a reader of stderr that stops must not stop the event loop."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._left_out = 0
        threading.Thread(target=self._write_all, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= MOST_WAITING:
            self._left_out += 1
            return
        if self._left_out:
            missing, self._left_out = self._left_out, 0
            words = f"{missing} lines before this one were left out: nobody read them in time"
            told = logging.LogRecord(__name__, logging.WARNING, "", 0, words, None, None)
            self._lines.put(self.format(told))
        self._lines.put(self.format(record))

    def flush(self) -> None:
        written = threading.Event()
        self._lines.put(written)
        written.wait(FLUSHED_WITHIN)

    def _write_all(self) -> None:
        while True:
            taken = [self._lines.get()]
            if isinstance(taken[0], str):
                time.sleep(WRITTEN_WITHIN)
            while not self._lines.empty():
                taken.append(self._lines.get())
            try:
                self._stream.write("".join(f"{line}\n" for line in taken if isinstance(line, str)))
                self._stream.flush()
            except (OSError, ValueError):
                # Nobody is there to read it, nor to be told.
                self._left_out += len(taken)
            for line in taken:
                if isinstance(line, threading.Event):
                    line.set()
