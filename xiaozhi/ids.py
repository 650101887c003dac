"""New ids, and the time."""

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


def _letters(random: bytes) -> str:
    number = int.from_bytes(random)
    letters: list[str] = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(LETTERS_AND_DIGITS))
        letters.append(LETTERS_AND_DIGITS[index])
    return "".join(letters)
