"""Looks whether Streamlit's inner parts are what the page expects, and says loudly what will fail.

The parts in this process are tried each time the page is made: that takes no time. What the browser
loads is read only with another version than the one that was tried: 23 MB.
"""

import dataclasses
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import streamlit
import streamlit.logger as streamlit_logger
from streamlit import config, net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.runtime.scriptrunner_utils.script_run_context import (
    FragmentThreadState,
    ScriptRunContext,
)

from xiaozhi.ui.script_words import STREAMLIT as WORDS
from xiaozhi.ui.streamlit_support.pending_reruns import is_other_pending

TRIED = "1.67.0"  # the version with which all of it was seen to work
OPTIONS = ("global.minCachedMessageSize", "runner.postScriptGC")
BROWSER = Path(streamlit.__file__).parent / "static"
OURS = Path(__file__).parents[1] / "static"
# It makes these of pieces: they stand nowhere as they are said.
COMPOSED = ("Upload files", "Upload or drag", "Fullscreen: ", "Close fullscreen: ")
# What shell.py replaces, and the key of theme.js
HTML = ('<html lang="en">', "<title>Streamlit</title>", "</head>")
THEME_KEY = re.compile(r"=2,\w+=`stActiveTheme-\$\{window\.location\.pathname\}`")

logger = logging.getLogger(__name__)


def report() -> list[str]:
    """What will not work, a sentence each; each is logged as an error."""
    broken = [*broken_parts()]
    if streamlit.__version__ != TRIED:
        broken += missing_in_browser(BROWSER)
    for sentence in broken:
        logger.error(
            "Streamlit %s is not as the page expects it (tried with %s): %s",
            streamlit.__version__,
            TRIED,
            sentence,
        )
    return broken


def broken_parts() -> Iterator[str]:
    """Of this process. To be asked after the parts were changed."""
    if not sends_ends_of_fragments(ForwardMsgQueue):
        yield "rows that a search rules out may stay (fragment_ends.py)."
    if not tells_of_pending_reruns(ScriptRequests):
        yield "a click while an answer grows may wait up to ten seconds (pending_reruns.py)."
    formatters = ("setup_formatter", "update_formatter")
    if not all(callable(getattr(streamlit_logger, name, None)) for name in formatters):
        yield "its own log lines do not come in the server's format (loggers.py)."
    if not callable(getattr(net_util, "get_external_ip", None)):
        yield "it may ask the internet for this machine's address (addresses.py)."
    if unknown := unknown_options(OPTIONS):
        yield f"it has no setting {', '.join(unknown)}: the page is slower (config.toml)."


def sends_ends_of_fragments(queue_class: type[ForwardMsgQueue]) -> bool:
    """Whether the end of a fragment's run is still sent when the next one begins."""
    queue = queue_class()
    ended = ForwardMsg()
    ended.script_finished = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
    queue.enqueue(ended)
    try:
        queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["another"])
    except TypeError:
        return False
    sent = queue.flush()
    finished = [message.script_finished for message in sent]
    return "_delta_index_map" in vars(queue) and finished == [
        ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
    ]


def tells_of_pending_reruns(requests_class: type[ScriptRequests]) -> bool:
    """Whether a click can be told from the next turn of the same fragment."""
    fields = {field.name for field in dataclasses.fields(ScriptRunContext)}
    if not {"script_requests", "fragment_ids_this_run"} <= fields:
        return False
    if "fragment_id" not in {field.name for field in dataclasses.fields(FragmentThreadState)}:
        return False
    idle, own, click, stop = (requests_class() for _each in range(4))
    own.request_rerun(RerunData(fragment_id_queue=["own"]))
    click.request_rerun(RerunData())
    stop.request_stop()
    told = [is_other_pending(each, ["own"]) for each in (idle, own, click, stop)]
    return told == [False, False, True, True]


def unknown_options(names: Iterable[str]) -> list[str]:
    """Those of `names` that Streamlit has no setting for."""
    # To ask for a setting would read config.toml, before Streamlit knows where ours is.
    known = vars(config).get("_config_options_template", {})
    return [name for name in names if name not in known]


def missing_in_browser(browser: Path) -> list[str]:
    """What our style sheet and scripts look for and is not in the files under `browser`."""
    html = (browser / "index.html").read_text()
    script = "\n".join(path.read_text() for path in sorted(browser.rglob("*.js")))
    missing = [f"the HTML page has no {each} (shell.py)." for each in HTML if each not in html]
    if not THEME_KEY.search(script):
        missing.append("light and dark follow the choice only after a reload (theme.js).")
    names = set(re.findall(r"[A-Za-z]\w+", script))
    lost = sorted(relied_on() - names)
    missing += [f"nothing is called {name} any more (static/)." for name in lost]
    begun = {words: words.partition("{rest}")[0] for words in WORDS}
    missing += [
        f"“{words}” is said in other words, and in English only (script_words.py)."
        for words, start in begun.items()
        if start not in script and not words.startswith(COMPOSED)
    ]
    return missing


def relied_on() -> set[str]:
    """The names (data-testid) by which our style sheet and scripts find Streamlit's elements."""
    ours = "\n".join(path.read_text() for path in OURS.iterdir() if path.suffix in (".css", ".js"))
    return set(re.findall(r'data-testid="(\w+)"', ours))
