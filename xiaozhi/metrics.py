"""What this process counts and measures, for Prometheus (docs/operating.md has the table).

The rooms call the functions here; nobody else knows Prometheus. Labels have bounded values. Nothing
is counted per piece of text: what a run cost is added once, at its end.
"""

import platform
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from xiaozhi import __version__

disable_created_metrics()

MOST_NAMES = 50  # values of a label that comes from outside; then OTHER
OTHER = "other"
METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")

_REGISTRY = CollectorRegistry()
_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # s
_SLOW = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)  # s


def _counter(name: str, words: str, *labels: str) -> Counter:
    return Counter(f"xiaozhi_{name}", words, labels, registry=_REGISTRY)


def _gauge(name: str, words: str, *labels: str) -> Gauge:
    return Gauge(f"xiaozhi_{name}", words, labels, registry=_REGISTRY)


def _histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"xiaozhi_{name}", words, labels, registry=_REGISTRY, buckets=buckets)


_BUILD = _gauge("build_info", "Always 1.", "version", "python")
_REQUESTS = _counter("http_requests", "Answered requests.", "method", "route", "status")
_ANSWERING = _histogram(
    "http_request_seconds", "From a request to the start of its answer.", _FAST, "method", "route"
)
_STREAMS = _gauge("open_streams", "Answers that are being streamed.")
_ENDED = _counter("runs_ended", "Runs that ended here.", "status")
_ACTIVE = _gauge("runs_active", "Runs in the database that have not ended.", "status")
_EXECUTING = _gauge("runs_executing", "Runs that this process works on.")
_QUEUE = _gauge("queue_length", "Runs that wait for their turn in this process.")
_QUEUED = _histogram("queue_seconds", "From a run's acceptance to its turn.", (0.001, *_SLOW))
_FIRST = _histogram(
    "first_piece_seconds", "From a run's creation to its first piece.", (0.02, 0.05, *_SLOW)
)
_TOOK = _histogram("run_seconds", "From a run's creation to its end.", _SLOW, "status")
_TOKENS = _counter("tokens", "Tokens of runs that ended here.", "direction", "model")
_MODEL_ERRORS = _counter("model_errors", "Answers that a model did not give.", "reason")
_DATABASE = _histogram(
    "database_seconds", "Units of work: waiting for their turn, and working.", _FAST, "kind", "part"
)
_GROUP = _histogram(
    "database_group_size", "Units of work in one commit.", (1, 2, 4, 8, 16, 32, 64, 128, 256)
)

_BUILD.labels(__version__, platform.python_version()).set(1)
ProcessCollector(registry=_REGISTRY)

_seen: dict[str, set[str]] = {}


def _bounded(label: str, value: str) -> str:
    seen = _seen.setdefault(label, set())
    if value not in seen:
        if len(seen) >= MOST_NAMES:
            return OTHER
        seen.add(value)
    return value


# --- requests


def answered(method: str, route: str, status: int, seconds: float | None) -> None:
    """`route`: a template. `seconds`: until the answer began; None where none did."""
    count, answering = _of_requests(method if method in METHODS else OTHER, route, status)
    count.inc()
    if seconds is not None:
        answering.observe(seconds)


@cache
def _of_requests(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, route, status), _ANSWERING.labels(method, route)


@contextmanager
def open_stream() -> Generator[None]:
    with _STREAMS.track_inprogress():
        yield


# --- runs


@contextmanager
def executing(accepted: float) -> Generator[None]:
    """`accepted`: when this process accepted the run, by time.monotonic()."""
    _QUEUED.observe(time.monotonic() - accepted)
    with _EXECUTING.track_inprogress():
        yield


def queue_length(runs: int) -> None:
    """For whoever lets runs wait for their turn, each time that it changes."""
    _QUEUE.set(runs)


def first_piece(seconds: float) -> None:
    _FIRST.observe(seconds)


def run_ended(status: str, seconds: float) -> None:
    _ENDED.labels(status).inc()
    _TOOK.labels(status).observe(seconds)


def tokens(model: str, read: int, written: int) -> None:
    """`model`: as the catalog has resolved it."""
    model = _bounded("model", model)
    _TOKENS.labels("read", model).inc(read)
    _TOKENS.labels("written", model).inc(written)


def model_failed(reason: str) -> None:
    """`reason`: one of the fixed sentences of ModelFailed."""
    _MODEL_ERRORS.labels(_bounded("reason", reason)).inc()


# --- the database


def unit_of_work(kind: str, waited: float, worked: float) -> None:
    """`kind`: read or write. `waited`, `worked`: s."""
    waiting, working = _of_units(kind)
    waiting.observe(waited)
    working.observe(worked)


@cache
def _of_units(kind: str) -> tuple[Histogram, Histogram]:
    return _DATABASE.labels(kind, "waiting"), _DATABASE.labels(kind, "working")


def committed(units: int) -> None:
    """That many units of work in one transaction."""
    _GROUP.observe(units)


# --- for Prometheus


def written(accept: str, active: Mapping[str, int]) -> tuple[bytes, str]:
    """Everything, in a format that `accept` names, and which one. `active`: runs by each status.

    Takes milliseconds, and reads files of the kernel: not for the event loop.
    """
    for status, runs in active.items():
        _ACTIVE.labels(status).set(runs)
    encode, content_type = choose_encoder(accept)
    return encode(_REGISTRY), content_type


def names() -> dict[str, str]:
    """Our metrics, as Prometheus has them, and their types."""
    found: dict[str, str] = {}
    for metric in _REGISTRY.collect():
        if metric.name.startswith("xiaozhi_"):
            suffix = "_total" if metric.type == "counter" else ""
            found[metric.name + suffix] = metric.type
    return found
