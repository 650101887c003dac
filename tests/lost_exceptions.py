"""Exceptions that nobody saw: a task or a future failed, and nobody asked what became of it.

A server that loses one has a bug, though every answer of it was right. So each one fails the test
in which it is noticed: in the servers of the test's process by asyncio's own log, in processes of
their own by what they have printed.
"""

import logging

# asyncio's words, of tasks and of futures; and the interpreter's, of what failed in a destructor
SIGNS = ("exception was never retrieved", "Exception ignored in")
TOLD = 40  # lines of output, from the one with such words: as long as a traceback is


class Lost(logging.Handler):
    """What asyncio's log has told of since `taken` was called last."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        told = self.format(record)
        if has_lost(told):
            self._told.append(told)

    def taken(self) -> list[str]:
        told, self._told = self._told, []
        return told


def has_lost(printed: str) -> bool:
    """Whether the output of a program tells of such an exception."""
    return any(sign in printed for sign in SIGNS)


def lost_in(printed: str) -> str:
    """Where the output of a program tells of such exceptions; empty where it does not."""
    lines = printed.splitlines()
    told = (lines[at : at + TOLD] for at, line in enumerate(lines) if has_lost(line))
    return "\n\n".join("\n".join(each) for each in told)
