"""Join the halves of UTF-16 surrogate pairs that a model sends in two pieces. Pure.

    "a\\ud83d", "\\ude00b"  ──►  "a", "😀b"        "\\ud83d", "x"  ──►  "", "\\ufffdx"

A lone half is no character: neither a database nor a stream takes it. It becomes U+FFFD.
"""


class SurrogateJoiner:
    """Of one text, which comes in pieces."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        # The first half of a pair, whose second half may come with the next piece
        self._half = ""

    def take(self, piece: str) -> str:
        """`piece`, as far as its characters are whole."""
        if not self._half and (piece.isascii() or is_whole(piece)):
            return piece
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return without_halves(text.removesuffix(self._half))

    @property
    def is_open(self) -> bool:
        """Whether half a character waits for its other half."""
        return bool(self._half)

    def rest(self) -> str:
        """What is left at the end of the text."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


def is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_halves(text: str) -> str:
    """`text` with its pairs joined and U+FFFD for each lone half."""
    if text.isascii() or is_whole(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
