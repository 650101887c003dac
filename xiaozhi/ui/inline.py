"""What stands in the lines of a paragraph, a heading or a cell, made into what Streamlit reads.

Streamlit gives meanings of its own to signs that a model uses plainly: `~` strikes out, `$` begins
a formula, `:red[…]` colours, `->` becomes an arrow. An image would be fetched from wherever it
says. Each sign is looked at once, so that the time grows with the length alone.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable
from typing import ClassVar
from unicodedata import category
from urllib.parse import urlsplit

JOINER = "\u2060"  # seen by nobody, and no letter of any sign: it takes their meaning from them

_SIGN = re.compile(
    r"""(?P<escape>\\[\s\S]?)
      | (?P<ticks>`+)
      | (?P<dollars>\$+)
      | (?P<tildes>~+)
      | (?P<stars>\*+)
      | (?P<image>!\[)
      | (?P<open>\[)
      | (?P<target>\]\()
      | (?P<definition>\]:)
      | (?P<url>(?:https?://|www\.)[!#-)+-;=?-Z^_a-{}~]+)
      | (?P<arrow><->|->|<-(?!-)|(?<!-)--(?!-)|>=|<=)
      | (?P<angle><(?=[A-Za-z/!?]))
      | (?P<colon>:)
      | (?P<end>(?<![ \t])[ \t]*\n)
    """,
    re.VERBOSE,
)
_BEGINS = re.compile(r"\n[ \t]*[<|:-]")
_FORMULA = re.compile(r"\$((?:[^$\\`\n]|\\.)+)\$(?![\d$])")
_MONEY = re.compile(r"[\d.,]+[^\\^_{}=]*\Z")
_TARGET = re.compile(
    r"""\]\([ \t]*(<[^<>\n]{0,2000}>|[^\s<>()]{0,2000}(?:\([^\s<>()]{0,2000}\)[^\s<>()]{0,2000})*)
        (?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*\)""",
    re.VERBOSE,
)
_DEFINED = re.compile(r"\]:[ \t]{0,9}\n?[ \t]{0,9}<?([^\s<>]{0,99})")
_NO_SPACE = re.compile(r"[^\s<>]*")
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\](?=(\(|\[[^\[\]\n]+\])?)")
_WELCOME = re.compile(r"(?:https?://[^/\s]|mailto:|\#)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?::\d+)?(?:/\S*)?\Z", re.IGNORECASE)
_AUTOLINK = re.compile(r"<(?:https?://[^\s<>]+|mailto:[^\s<>]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>")
_BREAK = re.compile(r"<br[ ]?/?>", re.IGNORECASE)
_NAME = re.compile(r":(?=[A-Za-z][\w-]*[\[{])")
_EMOJI = re.compile(r":(?=(?:100|1234|[\w+/-]*[A-Za-z+/-][\w+/-]*):|material/)")
_UNESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


class Inline:
    """`whole`: False where more is to come. `breaks`: single line ends stay. `cell`: a table's."""

    def __init__(self, text: str, *, whole: bool, breaks: bool, cell: bool) -> None:
        self._text = text
        self._whole = whole
        self._breaks = breaks
        self._cell = cell
        self._at = 0
        # While it grows: something is open that may yet take in all that follows.
        self._open = False
        self._bold = False
        self._struck = False
        self._bracket = 0
        self._ticks: dict[int, list[int]] = {}
        for run in re.finditer(r"`+", text):
            self._ticks.setdefault(len(run[0]), []).append(run.start())
        self._strikes = [run.start() for run in re.finditer(r"(?<!~)~~(?!~)", text)]
        self._found: dict[str, int] = {}

    def read(self) -> str:
        out: list[str] = []
        while sign := _SIGN.search(self._text, self._at):
            out.append(self._text[self._at : sign.start()])
            self._at = sign.end()
            assert sign.lastgroup
            out.append(self._kinds[sign.lastgroup](self, sign.start(), sign[0]))
        out.append(self._text[self._at :])
        return "".join(out)

    def _next(self, sign: str, start: int) -> int:
        """Where `sign` comes next; -1 where it does not. Each stretch is searched once."""
        found = self._found.get(sign, 0)
        if found != -1 and found < start:
            found = self._found[sign] = self._text.find(sign, start)
        return found

    def _around(self, start: int, end: int) -> tuple[str, str]:
        return self._text[start - 1 : start] if start else "", self._text[end : end + 1]

    def _escape(self, start: int, sign: str) -> str:
        closer = {r"\(": r"\)", r"\[": r"\]"}.get(sign)
        if closer is None:
            return sign
        end = self._next(closer, start + 2)
        if end == -1:
            self._open = not self._whole
            return sign
        inner = " ".join(self._text[start + 2 : end].split())
        if not inner or "$" in inner.replace(r"\$", "") or self._open or "![" in inner:
            return sign
        self._at = end + 2
        mark = "$" if sign == r"\(" else "$$"
        before, after = self._around(start, self._at)
        left = JOINER if before in ("$", "\\") else ""
        right = JOINER if after.isalnum() and after.isascii() else ""
        return left + mark + inner + mark + right

    def _ticks_end(self, start: int, length: int) -> int | None:
        runs = self._ticks.get(length, [])
        index = bisect_right(runs, start)
        return runs[index] if index < len(runs) else None

    def _code(self, start: int, sign: str) -> str:
        end = self._ticks_end(start, len(sign))
        # HTML or a table would begin there, and end the paragraph with its code.
        if end is None or _BEGINS.search(self._text, start, end):
            self._open = not self._whole
            return sign
        self._at = end + len(sign)
        return self._text[start : self._at]

    def _dollars(self, start: int, sign: str) -> str:
        escaped = r"\$" * len(sign)
        if len(sign) == 2:
            end = self._next("$$", start + 2)
            # No image is left unread, were it in a formula that Streamlit takes for none.
            if end == -1 or self._open or "![" in self._text[start:end]:
                self._open = not self._whole
                return escaped
            self._at = end + 2
            return self._text[start : self._at]
        formula = _FORMULA.match(self._text, start) if len(sign) == 1 else None
        if formula is None or self._open:
            return escaped
        inner = formula[1]
        unsure = not self._whole and (
            formula.end() == len(self._text) or ("|" in inner and "\n" not in self._text)
        )
        if unsure or inner.strip() != inner or "![" in inner or _MONEY.match(inner):
            return escaped
        self._at = formula.end()
        return formula[0]

    def _tildes(self, start: int, sign: str) -> str:
        if len(sign) == 2 and not self._open:
            if self._struck:
                self._struck = False
                return sign
            index = bisect_right(self._strikes, start)
            known = len(self._text) - (0 if self._whole else 2)
            if index < len(self._strikes) and self._strikes[index] < known:
                self._struck = True
                return sign
        joiner = JOINER if self._around(start, self._at)[1] == "=" else ""
        return r"\~" * len(sign) + joiner

    def _stars(self, start: int, sign: str) -> str:
        """CommonMark reads no ** between a Chinese letter and a quotation mark: we part them."""
        if len(sign) != 2:
            return sign
        before, after = self._around(start, self._at)
        opens = not after.isspace() and after != "" and (not self._bold or before.isspace())
        self._bold = opens
        if opens:
            return sign + JOINER if _mark(after) and _chinese(before) else sign
        return JOINER + sign if _mark(before) and _chinese(after) else sign

    def _image(self, start: int, sign: str) -> str:
        """A link to it: what another host shows is fetched by who asks for it."""
        found = _IMAGE.match(self._text, start)
        if found is None or found[2] is None:
            self._bracket = start + 1
            return r"\!["
        alt = Inline(found[1], whole=self._whole, breaks=False, cell=self._cell).read()
        words = f"{alt} 🖼".strip()
        self._at = found.end()
        if self._text[start - 1 : start] == "[" and found[2] == "(":
            # An image that is a link: a link in a link is none.
            target = _TARGET.match(self._text, found.end() - 1)
            if target:
                self._at = target.end()
                return words
        self._bracket = start + 1
        self._at -= 1
        return f"[{words}"

    def _opened(self, start: int, sign: str) -> str:
        self._bracket = start
        return sign

    def _target(self, start: int, sign: str) -> str:
        found = _TARGET.match(self._text, start)
        if found is None:
            self._open = self._open or not self._whole
            return r"\]("
        where = html.unescape(_UNESCAPED.sub(r"\1", found[1].strip("<>")))
        if not _WELCOME.match(where):
            return r"\]("
        self._at = found.end()
        words = _ADDRESS.match(self._text[self._bracket + 1 : start].strip())
        host = _host(where)
        honest = words is None or words[1].lower().removeprefix("www.") == host.removeprefix("www.")
        return found[0] if honest else f"{found[0]} ({host})"

    def _definition(self, start: int, sign: str) -> str:
        """Of a reference; a footnote's holds text."""
        if self._text.startswith("[^", self._bracket):
            return sign
        found = _DEFINED.match(self._text, start)
        where = html.unescape(_UNESCAPED.sub(r"\1", found[1])) if found else ""
        if found is None or not _WELCOME.match(where):
            return r"\]:"
        rest = _NO_SPACE.match(self._text, found.end())
        self._at = rest.end() if rest else found.end()
        return self._text[start : self._at]

    def _url(self, start: int, sign: str) -> str:
        """Streamlit takes all up to the next space for the address; Chinese has no spaces."""
        after = self._text[self._at : self._at + 1]
        bare = not after or after.isascii()
        return sign if bare or sign.startswith("www.") else f"<{sign}>"

    def _arrow(self, start: int, sign: str) -> str:
        before, after = self._around(start, self._at)
        alone = all(not one or one.isspace() or one in "*_~[]|`:)" for one in (before, after))
        return sign[0] + JOINER + sign[1:] if alone else sign

    def _angle(self, start: int, sign: str) -> str:
        link = _AUTOLINK.match(self._text, start)
        if link:
            self._at = link.end()
            return link[0]
        line_end = _BREAK.match(self._text, start) if self._cell else None
        if line_end:
            # A line end in a cell's text; the style sheet shows it (white-space: pre-line).
            self._at = line_end.end()
            return "&#10;"
        return r"\<"

    def _colon(self, start: int, sign: str) -> str:
        after = self._around(start, self._at)[1]
        before = self._text[max(0, start - 4) : start]
        begins = not before.rpartition("\n")[2].strip() and (start < 4 or "\n" in before)
        if (begins and after == ":") or _NAME.match(self._text, start):
            sign = r"\:"
        return sign + JOINER if _EMOJI.match(self._text, start) else sign

    def _end(self, start: int, sign: str) -> str:
        return "  \n" if self._breaks and start else sign

    _kinds: ClassVar[dict[str, Callable[["Inline", int, str], str]]] = {
        "escape": _escape,
        "ticks": _code,
        "dollars": _dollars,
        "tildes": _tildes,
        "stars": _stars,
        "image": _image,
        "open": _opened,
        "target": _target,
        "definition": _definition,
        "url": _url,
        "arrow": _arrow,
        "angle": _angle,
        "colon": _colon,
        "end": _end,
    }


def _mark(sign: str) -> bool:
    return bool(sign) and category(sign)[0] in "PS" and sign not in "*_"


def _chinese(sign: str) -> bool:
    return bool(sign) and not sign.isascii() and category(sign)[0] in "LN"


def _host(where: str) -> str:
    try:
        return (urlsplit(where).hostname or "").lower()
    except ValueError:
        return ""
