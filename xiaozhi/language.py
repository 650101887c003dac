"""The languages that people are spoken to in: English, and the catalogues of `locale/`."""

import gettext
import os
from functools import cache
from pathlib import Path

CATALOGUES = Path(__file__).parent / "locale"
DOMAIN = "xiaozhi"


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """`language`: as a browser or a locale says it: zh-CN, zh_CN.UTF-8, en. Else English."""
    name = "zh_CN" if language.lower().startswith("zh") else "en"
    return gettext.translation(DOMAIN, CATALOGUES, [name], fallback=True)


def of_terminal() -> str:
    """The language that the environment asks for."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return value
    return "en"
