"""What the clients of a load say, and what the model answers: each answer follows from its prompt.

"#3f say 7"        seven words, one every few hundredths of a second
"#3f slowly 20"    the same, slowly: time to cancel it
"#3f weather"      calls a function, then says what it has heard
"go on"            words that are the same each time
"""

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from xiaozhi.chat_models.scripted import Calls, Line, Says

PAUSE = 0.02  # s before a word
SLOW = 0.1
WEATHER: Any = {"type": "function", "function": {"name": "weather"}}
GO_ON = "go on"

_ASKED = re.compile(r"#(\w+) (say|slowly|weather) ?(\d*)")


def answer_to(words: str, output: str = "") -> str:
    """All that is answered to `words`. `output`: what the function has found out."""
    asked = _ASKED.fullmatch(words)
    if asked is None:
        return "Going on."
    marker, what, count = asked.groups()
    if what == "weather":
        return f"#{marker}: it is {output}."
    return f"#{marker}:" + "".join(f" {number}" for number in range(int(count)))


class Talk:
    """`asked_at`: when the model was asked to answer which words (time.monotonic())."""

    def __init__(self) -> None:
        self.asked_at: dict[str, list[float]] = defaultdict(list)

    def reply(self, body: Mapping[str, Any]) -> Line:
        """To be used as what a scripted model says otherwise."""
        messages: list[dict[str, Any]] = body["messages"]
        words = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        self.asked_at[words].append(time.monotonic())
        asked = _ASKED.fullmatch(words)
        what = asked.group(2) if asked else ""
        if what == "weather" and messages[-1]["role"] != "tool":
            return Calls([("weather", '{"city": "北京"}')], pause=PAUSE)
        output = messages[-1]["content"] if what == "weather" else ""
        return Says(answer_to(words, output), pause=SLOW if what == "slowly" else PAUSE)
