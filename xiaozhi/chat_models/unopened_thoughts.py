"""Thoughts whose opener is in the model's template, so that only their end is in the text. Pure.

    I should greet.
    </think>
    Hello!

Nothing tells such a text from an answer before its end has come. Of the first answer of a model it
has been told as an answer by then, and is taken back (`Piece.thought_until`). From then on the
model is known for it, and its answers are thoughts until they end.
"""

CLOSER, OPENER = "</think>", "<think>"
_FENCE = "```"
_QUOTES = "`\"'“‘「"


class CloserWatch:
    """Looks for an end of thoughts in what is said, wherever the pieces are cut."""

    def __init__(self) -> None:
        # The beginning of what may become a tag, and the character before it
        self._tail = ""
        self._before = ""
        self._is_over = False
        self._is_fenced = False

    def take(self, text: str) -> int | None:
        """Where in `text` the answer begins, behind the end of the thoughts; None as long as not.

        Tags that the text opens, quotes or has in a block of code are its own.
        """
        if self._is_over or not text:
            return None
        if not self._tail and "<" not in text and "`" not in text:
            self._before = text[-1]
            return None
        joined = self._tail + text
        at = joined.find(CLOSER)
        head = joined if at < 0 else joined[:at]
        behind = joined[at + len(CLOSER) :] if at >= 0 else ""
        before = (self._before + head)[-1:]
        if at < 0 or (before == " " and not behind):
            self._tail = _beginning(joined) if at < 0 else CLOSER
            head = joined[: len(joined) - len(self._tail)] if at < 0 else head
            self._before = (self._before + head)[-1:]
        self._is_fenced ^= head.count(_FENCE) % 2 == 1
        if OPENER in head:
            self._is_over = True
        if at < 0 or self._is_over or (before == " " and not behind):
            return None
        self._is_over = True
        is_quoted = before != "" and before in _QUOTES
        if self._is_fenced or is_quoted or (before == " " and behind[0] == " "):
            return None
        return len(text) - len(behind)


def closed(thought: str) -> str:
    """`thought` without the tag that it ends with, and the space around it."""
    return thought.removesuffix(CLOSER).strip()


def _beginning(text: str) -> str:
    """What `text` ends with that one of the two tags, or a fence, begins with."""
    for length in range(min(len(CLOSER) - 1, len(text)), 0, -1):
        end = text[-length:]
        if CLOSER.startswith(end) or (OPENER.startswith(end) and end != OPENER):
            return end
    return text[len(text.rstrip("`")) :][-2:] if not text.endswith(_FENCE) else ""
