"""Markdown as models write it, made into what Streamlit reads. Pure.

Streamlit gives meanings of its own to signs that a model uses plainly: `~` strikes out, `$` begins
a formula, `:red[…]` colours. And an image in an answer would be fetched from wherever it says.
"""

import re

# Code stays as it is: fenced blocks (the last one may still be open), then spans.
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_DISPLAY = re.compile(r"\\\[(.+?)\\\]", re.DOTALL)
_INLINE = re.compile(r"\\\((.+?)\\\)")
_FORMULA = re.compile(r"(\$\$.+?\$\$|\$(?=\S)[^$\n]+?(?<=\S)\$(?!\d))", re.DOTALL)
_MONEY = re.compile(r"^\$[\d.,]+[^\\^_{}=]*\$$")
_SINGLE_TILDE = re.compile(r"(?<!~)~(?!~)")
_DIRECTIVE = re.compile(r":(?=[a-z0-9_+/-]+\[)", re.IGNORECASE)
_EMOJI = re.compile(r":(?=[a-z0-9_+/-]+:)", re.IGNORECASE)
_LINE_END = re.compile(r"(?<=\S)[ \t]*\n(?=[^\n])")
_JOINER = "\u2060"  # seen by nobody; after a colon it keeps a word from becoming an emoji


def for_streamlit(text: str) -> str:
    """The same text, to be given to `st.markdown`."""
    parts = _CODE.split(text)
    return "".join(part if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    text = _IMAGE.sub(r"[\1 🖼](\2)", text)
    text = _DISPLAY.sub(r"$$\1$$", text)
    text = _INLINE.sub(r"$\1$", text)
    parts = _FORMULA.split(text)
    return "".join(
        part if index % 2 and not _MONEY.match(part) else _plain(part)
        for index, part in enumerate(parts)
    )


def _plain(text: str) -> str:
    # Where a model ends a line, as in a poem, it means it.
    text = _LINE_END.sub("  \n", text)
    text = text.replace("$", r"\$")
    text = _SINGLE_TILDE.sub(r"\\~", text)
    text = _DIRECTIVE.sub(r"\\:", text)
    return _EMOJI.sub(f":{_JOINER}", text)
