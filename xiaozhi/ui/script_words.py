"""What scripts in the browser say: the catalogue's words for it.

Of Streamlit, which has its own few texts in English only (static/streamlit_words.js puts these in
their place), and of our own (scroll.js, shortcuts.js).
"""

import json

from xiaozhi.ui.texts import catalogue

# As Streamlit 1.67 says them; {rest} is whatever stands there, and stays.
STREAMLIT = (
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
OURS = (
    "Jump to the end",
    "Keyboard shortcuts",
    "Close",
    "New chat",
    "Search conversations",
    "Go to the message field",
    "Stop the answer",
    "Show this list",
)


def script(language: str) -> str:
    """HTML that carries them for the browser's script. `language`: "zh-CN" or "en"."""
    if not language.startswith("zh"):
        return ""
    say = catalogue("zh").gettext
    told = [{words: say(words) for words in those} for those in (STREAMLIT, OURS)]
    # Nothing in it can end the element.
    streamlit, ours = (
        json.dumps(each, ensure_ascii=False).replace("<", "\\u003c") for each in told
    )
    return (
        f'<script type="application/json" id="streamlit-words">{streamlit}</script>'
        f'<script type="application/json" id="our-words">{ours}</script>'
    )
