"""Words that stand where Streamlit reads Markdown, and mean nothing but themselves. Pure."""

import re

_SIGN = re.compile(r"([!-/:-@\[-`{-~])")
_JOINER = "\u2060"  # seen by nobody; it keeps two signs from becoming one, or a word an emoji
_PAIRED = re.compile(r"(?<=:)(?=\w)|(?<=[-<>~=])(?=[-<>=])")


def as_code(text: str) -> str:
    """`text` on one line as code, to be given to `st.markdown`: no sign of it ends the code."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def literally(text: str) -> str:
    """`text` on one line, to be given to a label or to `st.markdown`."""
    line = _PAIRED.sub(_JOINER, " ".join(text.split()))
    return _SIGN.sub(r"\\\1", line)
