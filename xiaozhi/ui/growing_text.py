"""A text that grows by pieces, each at the cost of its own length.

Adding to a string that an attribute holds copies all of it with each piece.
"""

from io import StringIO


class GrowingText:
    """One thread adds to it while others read it. `str` of it costs its length."""

    def __init__(self) -> None:
        # No line end becomes another one.
        self._text = StringIO(newline="")
        self._length = 0

    def add(self, piece: str) -> None:
        self._text.write(piece)
        self._length += len(piece)

    def __str__(self) -> str:
        return self._text.getvalue()

    def __len__(self) -> int:
        return self._length
