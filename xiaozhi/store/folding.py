"""How texts are compared in a search, and the piece of a text that shows a hit. Pure.

Case, width (Ａ and A) and composition (é in one character or two) make no difference.
"""

from unicodedata import normalize

SNIPPET = 80  # characters
BEFORE = 24  # of them before the hit


class _Folds(dict[int, str]):
    def __missing__(self, code: int) -> str:
        # A character alone, so that a place in the folded text is a place in the text.
        folded = self[code] = normalize("NFKC", chr(code)).casefold()
        return folded


_FOLDS = _Folds()


def folded(text: str) -> str:
    return normalize("NFC", text).translate(_FOLDS)


def words_of(query: str) -> list[str]:
    """What must be found, folded: whatever stands between spaces, each once, in order."""
    return list(dict.fromkeys(folded(query).split()))


def snippet(text: str, word: str) -> str:
    """The text around the first place of `word` (folded), on one line. The whole text if short."""
    text = normalize("NFC", text)
    at = _place(text, folded(text).find(word))
    start = max(min(at - BEFORE, len(text) - SNIPPET), 0)
    shown = " ".join(text[start : start + SNIPPET].split())
    return f"{'…' * (start > 0)}{shown}{'…' * (start + SNIPPET < len(text))}"


def _place(text: str, folded_place: int) -> int:
    """Where in `text` stands what is at `folded_place` in its folded form (ﬁ becomes two)."""
    if folded_place <= 0 or len(text) == len(folded(text)):
        return max(folded_place, 0)
    passed = 0
    for place, character in enumerate(text):
        passed += len(_FOLDS[ord(character)])
        if passed > folded_place:
            return place
    return 0
