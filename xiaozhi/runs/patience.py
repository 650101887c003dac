"""What must be written, or read, is tried until the database can be had again: a full disk passes.

Nobody starts the server anew because a disk was full, so there is no last attempt: a run that were
given up would hold its thread for ever.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from xiaozhi.errors import Unavailable

PAUSES = (0.1, 0.5, 2.0, 5.0)  # s; the last one again and again

Value = TypeVar("Value")

log = logging.getLogger(__name__)


async def until_available(
    what: str,
    doing: Callable[[], Awaitable[Value]],
    *,
    takes_long: Callable[[], None] = lambda: None,
    pauses: Sequence[float] = PAUSES,
) -> Value:
    """What `doing` returns, once it does not raise Unavailable. It may be done again.

    `what`: cannot be done, for the log. `takes_long`: called once, when each pause has been made.
    """
    ever = itertools.chain(pauses, itertools.repeat(pauses[-1]))
    for attempt, pause in enumerate(ever):
        try:
            return await doing()
        except Unavailable as error:
            log.error("%s: %s", what, error)
            if attempt == len(pauses):
                takes_long()
            await asyncio.sleep(pause)
    raise AssertionError("the pauses have no end")
