"""Finish what was begun, although its task is cancelled meanwhile: nothing stays half-written."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from xiaozhi.dispatch import AT_ONCE

Value = TypeVar("Value")

log = logging.getLogger(__name__)


async def shielded(doing: Coroutine[Any, Any, Value]) -> Value:
    """What `doing` returns. Where the task is cancelled, it ends before CancelledError is raised.

    Unless the task is cancelled with AT_ONCE: a process that stops cannot wait for a database that
    is away.
    """
    task = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as error:
        task.add_done_callback(_log_failure)
        cancelled = error
        while not task.done() and AT_ONCE not in cancelled.args:
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as again:
                cancelled = again
        task.cancel()
        raise cancelled from None


def _log_failure(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (failure := task.exception()):
        log.warning("interrupted, and then it failed", exc_info=failure)
