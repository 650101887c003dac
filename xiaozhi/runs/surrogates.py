r"""Join UTF-16 surrogates: models cut emoji in two, within a text ("\ud83d") or over two chunks.

A surrogate alone cannot be encoded as UTF-8: neither a database nor a stream takes it.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def joined(text: str) -> str:
    """`text` with each pair of surrogates as the character it means; U+FFFD for one alone."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SurrogateJoiner:
    """Of one text that comes in pieces. Half a character at its very end is left out."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        """What of the text can be told now: empty where that was the first half of a character."""
        if self._half:
            piece, self._half = self._half + piece, ""
        if "\ud800" <= piece[-1:] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return joined(piece)
