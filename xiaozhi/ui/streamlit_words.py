"""Streamlit's own few texts that the page shows, which Streamlit has in English only.

A script in the browser (static/streamlit_words.js) puts the words of the catalogue in their place.
"""

import json

from xiaozhi.ui.texts import catalogue

# As Streamlit 1.67 says them; {rest} is whatever stands there, and stays.
WORDS = (
    "Skip to main content",
    "Sidebar",
    "Collapse sidebar",
    "Expand sidebar",
    "file upload",
    "Upload files",
    "Upload or drag and drop files {rest}",
    "Drag and drop files here",
    "Send message",
    "Remove {rest}",
    "Fullscreen",
    "Fullscreen: {rest}",
    "Close fullscreen",
    "Close fullscreen: {rest}",
    "Link to heading",
    "Copy to clipboard",
    "Clear entry",
    "Close",
    "Help for {rest}",
    "Choose an option",
    "Open",
    "Dismiss",
    "Shortcut {rest}",
)


def script(language: str) -> str:
    """HTML that carries them for the browser's script. `language`: "zh-CN" or "en"."""
    if not language.startswith("zh"):
        return ""
    say = catalogue("zh").gettext
    words = json.dumps({sentence: say(sentence) for sentence in WORDS}, ensure_ascii=False)
    # Nothing in it can end the element.
    words = words.replace("<", "\\u003c")
    return f'<script type="application/json" id="streamlit-words">{words}</script>'
