"""New ids, and the time: whole seconds, by which clients sort."""

import hashlib
import os
import string
import time

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
LENGTH = 24  # characters after the prefix, as recorded from OpenAI's service (contract 3.1)


def new_id(prefix: str) -> str:
    """An id that nobody can guess: `prefix` and 24 letters and digits (143 bits)."""
    return prefix + _letters(os.urandom(32))


def derived_id(prefix: str, *parts: object) -> str:
    """The same id each time for the same `parts`: a repeated segment of a run writes the same rows.

    `parts` must hold an unguessable id, then the result cannot be guessed either.
    """
    return prefix + _letters(hashlib.sha256("\0".join(map(str, parts)).encode()).digest())


def now() -> int:
    """Unix time in whole seconds, the API's unit."""
    return int(time.time())


# Seconds by which a thread's newest message may lie ahead of the clock: a program that gets several
# answers a second runs ahead. Further ahead than that, the clock was set back (decision 30).
FURTHEST_AHEAD = 60


def not_before(newest: int, at: int) -> int:
    """The time of what comes behind something made at `newest`. `at`: what the clock says."""
    return at if newest > at + FURTHEST_AHEAD else max(at, newest)


def later_than(newest: int, at: int, *, ahead: int = FURTHEST_AHEAD) -> int:
    """As `not_before`, and a second later than `newest` where the clock does not say so already.

    `ahead`: seconds by which that second may lie ahead of the clock; beyond, both times are equal.
    """
    if newest > at + FURTHEST_AHEAD:
        return at
    return max(at, newest, min(newest + 1, at + ahead))


def _letters(random: bytes) -> str:
    number = int.from_bytes(random)
    letters: list[str] = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(LETTERS_AND_DIGITS))
        letters.append(LETTERS_AND_DIGITS[index])
    return "".join(letters)
