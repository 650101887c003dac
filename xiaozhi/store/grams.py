"""Texts cut for the search: every piece of a word stands in the index, so that any is found. Pure.

A database cannot cut Chinese into words, and what it knows of trigrams finds nothing shorter than
three characters. So texts are cut here, one gram for each character: that character and those
behind it in its word (two together in Chinese and the like, three in an alphabet; fewer at a word's
end):

    小智 hello  →  小智 智 hel ell llo lo o

What is looked for is cut in the same way. Why, and what it costs: docs/decisions/0007-search.md.
Whoever changes this adds a migration that fills the index again.
"""

# Alphabets stand below it. What is above needs no spaces between words.
_FIRST_WIDE = "\u2e80"


def grams(word: str) -> list[str]:
    """One for each character of a word (folded, without spaces), in order."""
    # Not by `length`: a call for each character would be half of the time.
    return [
        word[start : start + (2 if first >= _FIRST_WIDE else 3)] for start, first in enumerate(word)
    ]


def covering(word: str) -> list[str]:
    """Those of its grams that are whole, in order; the last one may be the beginning of one.

    Whatever holds the word holds them in this order, one beginning a character behind the other.
    """
    found: list[str] = []
    for start, gram in enumerate(grams(word)):
        found.append(gram)
        if start + len(gram) == len(word):
            break
    return found


def length(gram: str) -> int:
    """How many characters a whole gram has that begins like this one."""
    return 2 if gram >= _FIRST_WIDE else 3
