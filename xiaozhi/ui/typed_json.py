"""JSON as a person types it: what it holds, and on which line what stands. Draws nothing."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from xiaozhi.ui.texts import _

Place = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\],:]|[^\s{}\[\],:"]+')
# What an input method for Chinese puts where JSON has a sign of its own
_FULL_WIDTH = dict(zip("“”‘’，：｛｝［］【】", "\"\"'',:{}[][]", strict=True))


class Wrong(Exception):
    """What somebody has to mend. `line`: counted from 1. Its words are for the page."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line


@dataclass(frozen=True)
class Typed:
    """`lines`: where each value begins, by its place: keys and indexes, from the outside in."""

    value: Any
    lines: dict[Place, int]

    def wrong(self, place: Place, words: str) -> Wrong:
        return Wrong(self.lines[place], words)


def read(text: str) -> Typed:
    """Raises Wrong where it is not JSON, or is none that can be sent."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        # What can be read may still be too large a number, or hold half a character.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise Wrong(error.lineno, _what(error)) from error
    except RecursionError as error:
        raise Wrong(1, _("It is nested too deeply.")) from error
    except ValueError as error:
        words = _("It holds a number or a character that JSON does not have.")
        raise Wrong(1, words) from error
    return Typed(value, _lines(text))


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _refuse(constant: str) -> NoReturn:
    """NaN and its like, which Python reads and no server does."""
    raise ValueError(constant)


def _lines(text: str) -> dict[Place, int]:
    """`text` is JSON."""
    found: dict[Place, int] = {}
    place: list[str | int | None] = []  # of the value that comes next; None: its key comes first
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign in "}]":
            place.pop()
        elif sign == ",":
            place[-1] = place[-1] + 1 if isinstance(place[-1], int) else None
        elif place and place[-1] is None:
            place[-1] = json.loads(sign)
        elif sign != ":":
            here = cast("Place", tuple(place))
            found[here] = text.count("\n", 0, token.start()) + 1
            if sign in "{[":
                place.append(None if sign == "{" else 0)
    return found


def _what(error: json.JSONDecodeError) -> str:
    sign = error.doc[error.pos : error.pos + 1]
    if sign in _FULL_WIDTH:
        other = _FULL_WIDTH[sign]
        return _("{sign} is a full-width sign: JSON has {other} there.", sign=sign, other=other)
    for beginning, words in (
        ("Expecting value", _("A value is missing here, or what stands here is none.")),
        (
            "Expecting ',' delimiter",
            _("A comma or a bracket is missing before this place."),
        ),
        ("Expecting ':' delimiter", _("A colon is missing behind a name.")),
        (
            "Expecting property name",
            _("A name in double quotes is missing here, or there is one comma too many."),
        ),
        ("Illegal trailing comma", _("There is one comma too many.")),
        ("Extra data", _("The JSON has ended before this place.")),
        ("Unterminated string", _("The text that begins here does not end.")),
        (
            "Invalid control character",
            _("A text cannot go over several lines: write \\n for the end of a line."),
        ),
    ):
        if error.msg.startswith(beginning):
            return words
    return _("This is not JSON.")
