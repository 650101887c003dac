"""Keeps long computations off the event loop, which serves everybody else meanwhile.

A worker thread shares the interpreter with the loop, and gives it back every 5 ms; but not inside
one call of C or Rust, such as `json.loads`. So what is large is done in many small calls there.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

# Bytes or characters to be parsed, encoded or read through: about a millisecond's work
LARGE = 32_768
A_VALUE = 16  # bytes that handling a value costs like

Args = ParamSpec("Args")
Result = TypeVar("Result")


async def offload(
    is_large: bool, work: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs
) -> Result:
    """What `work` returns, from a worker thread where `is_large`: a thread costs 0.1 ms."""
    if is_large:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


def is_large(value: Any) -> bool:
    """Whether a JSON-like value is; looks no further than it must."""
    left, there = LARGE, [value]
    while there and left > 0:
        found = there.pop()
        if isinstance(found, str):
            left -= len(found)
        elif isinstance(found, dict):
            there.extend(cast("dict[str, Any]", found).values())
        elif isinstance(found, list | tuple):
            there.extend(cast("list[Any]", found))
        left -= A_VALUE
    return left <= 0
