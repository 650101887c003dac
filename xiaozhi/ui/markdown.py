"""Markdown as models write it, made into what Streamlit reads. Pure.

This half finds the blocks (code, tables, lists, quotes, formulas); `inline.py` reads what is in
their lines. Containers are taken off, what is in them is read by itself, and they are put on
again: so Streamlit sees the blocks that we saw, and nothing that we took for code is a picture.
"""

import re

from xiaozhi.ui.inline import Inline

_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)\Z")
_QUOTE = re.compile(r" {0,3}>[ ]?")
_ITEM = re.compile(r"( {0,3})([-*+]|(\d{1,9})[.)])(?:( +)(?=\S)|[ ]*\Z)")
_LEAD = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)?")
_HEADING = re.compile(r"( {0,3}#{1,6})([ \t].*)?\Z")
# Chinese models leave the space out. One # alone is a hashtag.
_TIGHT_HEADING = re.compile(r"( {0,3}#{2,6})(?=[\d⺀-鿿豈-﫿＀-￯“《【])(.*)\Z")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|(?:\*[ \t]*){3,})\Z")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*\Z")
_DELIMITERS = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_CODE_IN_ROW = re.compile(r"(?<!`)(`+)(?!`)([^`]+)\1(?!`)")
_PIPE = re.compile(r"(?<!\\)\|")
_CLOSERS = {"$$": "$$", r"\[": r"\]"}
_DEEPEST = 12  # containers in containers; nobody reads what is deeper


def for_streamlit(text: str, *, whole: bool = True) -> str:
    """The same text, to be given to `st.markdown`.

    `whole`: False while more of it is to come. Then nothing is made a formula or struck out that
    the next piece could turn into something else.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_Blocks(lines, whole=whole).read())


def settled(text: str) -> int:
    """How many characters of `text`, which is still being said, no later word can change.

    They end where a block does, so that both halves can be shown by themselves.
    """
    lines = text.split("\n")
    found = at = index = 0
    after_blank = False
    while index < len(lines) - 1:
        line = lines[index]
        # Anything else may belong to what stands before the blank line.
        if after_blank and (line[:1].isalpha() or line.startswith("#")):
            found = at
        end = _end_of_block(lines, index)
        if end is None:
            break
        after_blank = not line.strip()
        at += sum(len(one) + 1 for one in lines[index:end])
        index = end
    return found


def _end_of_block(lines: list[str], start: int) -> int | None:
    """Behind the code or formula that begins at `start`, or its line; None: not said yet."""
    line = lines[start]
    if opened := _FENCE.match(line):
        ends = _fence_end(opened[1] or opened[2])
        inner = (at for at in range(start + 1, len(lines) - 1) if ends.match(lines[at]))
        end = next(inner, None)
        return None if end is None else end + 1
    said = line.strip()
    closer = _CLOSERS.get(said[:2])
    if closer and closer not in said[2:]:
        inner = (at for at in range(start + 1, len(lines) - 1) if closer in lines[at])
        end = next(inner, None)
        return None if end is None else end + 1
    return start + 1


def _fence_end(sign: str) -> re.Pattern[str]:
    return re.compile(rf" {{0,3}}{re.escape(sign[0])}{{{len(sign)},}}[ \t]*\Z")


class _Blocks:
    """The lines of a document, or of what is in a list item or quote.

    `poem`: single line ends are meant; in a list's items they are only where a line was full.
    """

    def __init__(self, lines: list[str], *, whole: bool, poem: bool = True, depth: int = 0) -> None:
        self._lines = lines
        self._whole = whole
        self._poem = poem
        self._depth = depth
        self._at = 0
        self._paragraph: list[str] = []
        self._out: list[str] = []
        # Up to here no end of a formula was found, by the sign that begins it.
        self._no_end_before: dict[str, int] = {}

    def read(self) -> list[str]:
        kinds = (
            self._blank,
            self._fence,
            self._formula,
            self._quote,
            self._heading,
            self._line,
            self._item,
            self._indented,
            self._table,
        )
        while self._at < len(self._lines):
            line = self._lines[self._at]
            # What begins with a letter, as most does, begins no other block than a table.
            if not (self._table(line) if line[:1].isalpha() else any(k(line) for k in kinds)):
                self._paragraph.append(line)
                self._at += 1
        self._end_paragraph()
        return self._out

    def _end_paragraph(self) -> None:
        if self._paragraph:
            text = "\n".join(self._paragraph)
            self._paragraph = []
            last = self._at >= len(self._lines)
            self._out += self._inline(text, last=last, breaks=self._poem).split("\n")

    def _inline(
        self, text: str, *, last: bool = False, breaks: bool = False, cell: bool = False
    ) -> str:
        inline = Inline(text, whole=self._whole or not last, breaks=breaks, cell=cell)
        return inline.read()

    def _emit(self, lines: list[str], following: int) -> bool:
        """`lines` are what was read up to `following`."""
        self._end_paragraph()
        self._out += lines
        self._at = following
        return True

    def _blank(self, line: str) -> bool:
        return not line.strip() and self._emit([line], self._at + 1)

    def _fence(self, line: str) -> bool:
        opened = _FENCE.match(line)
        if not opened:
            return False
        ends = _fence_end(opened[1] or opened[2])
        end = self._at + 1
        while end < len(self._lines) and not ends.match(self._lines[end]):
            end += 1
        # With a pipe in it the line could be read as the head of a table.
        inner = self._lines[self._at + 1 : end + 1]
        return self._emit([line.partition("|")[0], *inner], min(end + 1, len(self._lines)))

    def _formula(self, line: str) -> bool:
        """A formula over several lines, brought into the one form that Streamlit reads."""
        said = line.strip()
        opener = said[:2]
        closer = _CLOSERS.get(opener)
        if closer is None or closer in said[2:]:
            return False
        end = self._end_of_formula(opener, closer)
        if end is None:
            return False
        before, _closer, after = self._lines[end].partition(closer)
        indent = line[: len(line) - len(line.lstrip())][:3]
        inner = [said[2:], *self._lines[self._at + 1 : end], before]
        block = [indent + "$$", *(part for part in inner if part.strip()), indent + "$$"]
        following = end + 1
        if after.strip():
            following = end
            self._lines[end] = after.lstrip()
        return self._emit(block, following)

    def _end_of_formula(self, opener: str, closer: str) -> int | None:
        if self._at < self._no_end_before.get(opener, 0):
            return None
        for index in range(self._at + 1, len(self._lines)):
            line = self._lines[index]
            if closer in line:
                return index
            if _FENCE.match(line) or _HEADING.match(line):
                break
        else:
            index = len(self._lines)
        self._no_end_before[opener] = index
        return None

    def _quote(self, line: str) -> bool:
        if not _QUOTE.match(line):
            return False
        inner: list[str] = []
        end = self._at
        while end < len(self._lines) and (mark := _QUOTE.match(self._lines[end])):
            inner.append(self._lines[end][mark.end() :])
            end += 1
        if self._depth >= _DEEPEST:
            return self._emit(["\\" + self._inline(one.lstrip()) for one in _shown(inner)], end)
        inside = self._inside(inner, end, poem=True)
        return self._emit([("> " + one).rstrip() if not one else "> " + one for one in inside], end)

    def _inside(self, inner: list[str], end: int, *, poem: bool) -> list[str]:
        whole = self._whole or end < len(self._lines)
        return _Blocks(inner, whole=whole, poem=poem, depth=self._depth + 1).read()

    def _heading(self, line: str) -> bool:
        found = _HEADING.match(line) or _TIGHT_HEADING.match(line)
        if not found:
            return False
        words: str = found[2] or ""
        space = "" if not words or words[0] in " \t" else " "
        last = self._at + 1 == len(self._lines)
        return self._emit([found[1] + space + self._inline(words, last=last)], self._at + 1)

    def _line(self, line: str) -> bool:
        """A rule, or what is under a heading and makes it one."""
        underline = self._paragraph and _UNDERLINE.match(line)
        return bool(underline or _RULE.match(line)) and self._emit([line], self._at + 1)

    def _item(self, line: str) -> bool:
        line = _untabbed(line)
        found = _ITEM.match(line)
        if not found or (self._paragraph and not _interrupts(found)):
            return False
        spaces = len(found[4] or " ")
        width = len(found[1]) + len(found[2]) + (spaces if spaces <= 4 else 1)
        inner = [line[width:]]
        end = self._at + 1
        while end < len(self._lines):
            following = _untabbed(self._lines[end])
            if following.strip() and not following.startswith(" " * width):
                break
            inner.append(following[width:])
            end += 1
        # The blank lines between this and what follows are not the item's.
        while len(inner) > 1 and not inner[-1].strip() and end < len(self._lines):
            inner.pop()
            end -= 1
        if self._depth >= _DEEPEST:
            return self._emit(["\\" + self._inline(one.lstrip()) for one in _shown(inner)], end)
        inside = self._inside(inner, end, poem=False)
        first = line[:width] + inside[0]
        return self._emit([first, *((" " * width + one) if one else "" for one in inside[1:])], end)

    def _indented(self, line: str) -> bool:
        """Code by its indent. It gets a fence, so that nobody can read it as text."""
        after_blank = self._at == 0 or not self._lines[self._at - 1].strip()
        if self._paragraph or not after_blank or not _untabbed(line).startswith("    "):
            return False
        end = self._at
        while end < len(self._lines):
            following = _untabbed(self._lines[end])
            if following.strip() and not following.startswith("    "):
                break
            end += 1
        while not self._lines[end - 1].strip():
            end -= 1
        code = [_untabbed(one)[4:] for one in self._lines[self._at : end]]
        longest = max((len(run) for one in code for run in re.findall(r"`+", one)), default=0)
        fence = "`" * max(3, longest + 1)
        return self._emit([fence, *code, fence], end)

    def _table(self, line: str) -> bool:
        following = self._lines[self._at + 1] if self._at + 1 < len(self._lines) else ""
        if "|" not in line or "-" not in following or not _DELIMITERS.match(following):
            return False
        rows = [self._row(line), following]
        end = self._at + 2
        while end < len(self._lines) and self._goes_on(self._lines[end]):
            rows.append(self._row(self._lines[end]))
            end += 1
        return self._emit(rows, end)

    def _goes_on(self, line: str) -> bool:
        others = (_FENCE, _QUOTE, _HEADING, _RULE, _ITEM)
        return bool(line.strip()) and not any(other.match(line) for other in others)

    def _row(self, line: str) -> str:
        # A pipe in code would end the cell.
        line = _CODE_IN_ROW.sub(lambda code: _PIPE.sub(r"\\|", code[0]), line)
        return "|".join(self._inline(cell, cell=True) for cell in _PIPE.split(line))


def _interrupts(item: re.Match[str]) -> bool:
    """In a paragraph, a line that begins with a year and a full stop is no list."""
    return item[4] is not None and item[3] in (None, "1")


def _untabbed(line: str) -> str:
    lead = _LEAD.match(line)
    if lead is None or "\t" not in lead[0]:
        return line
    return lead[0].expandtabs(4) + line[lead.end() :]


def _shown(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip()]
