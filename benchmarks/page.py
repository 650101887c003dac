"""How quick is the page, and what does it cost, beside a plain Streamlit page and Chainlit?

In Chromium, with a scripted model over HTTP that says 200 tokens, 20 ms apart. Without messages
each question is the first one of a page that was just opened; with 1,000 they are asked one after
the other. Measured from the key's press in the browser to the frame that shows it; the model's
own 20 ms are taken off the first token. Main thread and server CPU are those of a whole answer
with all that is drawn behind it. Memory is the resident set's growth with 10 open tabs. Cold is
from the command to a composer, with an empty browser cache, warm file caches and no model.
Expected: own message 150 ms; first token 150 ms, 250 with 1,000 messages; main thread 600 ms;
server CPU 400 ms; 5 MB a session; 4 s cold.

    .venv/bin/python -m benchmarks.page [--peers NAME [NAME …]] [--repeats N]

Chainlit gets an environment of its own, from benchmarks/chainlit_page/requirements.txt; its
messages are those that its page sends itself at the beginning, for it keeps none.
"""

import argparse
import math
import os
import platform
import re
import shutil
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright
from playwright.sync_api import TimeoutError as NotSeen

from benchmarks.peers import PEERS, Peer, Served, prepare, told
from tests.ui.conftest import FLAGS
from xiaozhi.chat_models.scripted import Says, Scripted

TOKENS = 200
PAUSE = 0.02  # s before each token
WARM_UP = 1  # questions
PATIENCE = 30.0  # s for anything that is waited for
BOUND = 90.0  # s for a line of the table: what has not been measured then is left out
REST = 1.5  # s until everything that an answer began has come to an end
STARTS = 3
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no page waits for the outside
SESSIONS = 10

# Only what has changed is looked at: with 1,000 messages anything else would be measured too.
WATCH = """({question, first, last, questions}) => {
    const seen = window.seen = {};
    const marked = new Set();
    let pressed;
    addEventListener('keydown', event => {
        if (event.key === 'Enter' && pressed === undefined) pressed = performance.now();
    }, true);
    const mark = name => {
        if (marked.has(name)) return;
        marked.add(name);
        requestAnimationFrame(() => { seen[name] = performance.now() - pressed; });
    };
    const look = node => {
        const text = node.textContent;
        const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
        if (text.includes(question) && element
            && (element.closest(questions) || element.querySelector(questions))) mark('own');
        if (text.includes(first)) mark('first');
        if (text.includes(last)) mark('last');
    };
    new MutationObserver((records, watcher) => {
        if (pressed === undefined) return;
        for (const record of records) {
            if (record.type === 'characterData') look(record.target);
            else record.addedNodes.forEach(look);
        }
        if (marked.has('last')) watcher.disconnect();
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@dataclass
class Found:
    """`own`, `first`: ms from the key's press. `browser`, `server`: ms of CPU an answer.

    `session`: MB. `failed`: what did not come in time.
    """

    load: float
    own: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    browser: list[float] = field(default_factory=list[float])
    server: list[float] = field(default_factory=list[float])
    session: float | None = None
    failed: str | None = None


NUMBERS = count()


def reply(body: Mapping[str, Any]) -> Says:
    """An answer that can be told from all others; to an aside (a title) a short one."""
    asked = re.search(r"question(\d+)", str(body["messages"][-1]["content"]))
    if asked is None or not body.get("stream"):
        return Says("A short title")
    number = asked[1]
    return Says([f"reply{number}", *[" word"] * (TOKENS - 2), f" end{number}"], pause=PAUSE)


def opened(context: BrowserContext, peer: Peer, address: str, history: int) -> Page:
    """When something can be typed, and the last message is there."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(address)
    page.locator(peer.composer).wait_for()
    if history:
        page.get_by_text(told(history - 1)).first.wait_for()
    page.wait_for_timeout(REST * 1000)
    return page


def main_thread(cdp: CDPSession) -> float:
    """Ms that it has worked until now."""
    answer = cast("Any", cdp.send("Performance.getMetrics"))  # pyright: ignore[reportUnknownMemberType]
    metrics = cast("list[dict[str, Any]]", answer["metrics"])
    values: dict[str, float] = {each["name"]: each["value"] for each in metrics}
    return values["TaskDuration"] * 1000


def cpu(served: Served) -> float:
    """Ms, user and system."""
    return sum(served.process.cpu_times()[:2]) * 1000


def ask(page: Page, peer: Peer, served: Served, found: Found | None) -> None:
    """One question; its figures go to `found`. Raises NotSeen."""
    number = next(NUMBERS)
    words = {"question": f"question{number}.", "first": f"reply{number}", "last": f"end{number}"}
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable")  # pyright: ignore[reportUnknownMemberType]
    composer = page.locator(peer.composer)
    composer.fill(words["question"])
    page.wait_for_timeout(300)
    page.evaluate(WATCH, {**words, "questions": peer.questions})
    before = main_thread(cdp), cpu(served)
    composer.press("Enter")
    is_over = "() => window.seen.own && window.seen.first && window.seen.last"
    page.wait_for_function(is_over, polling=250, timeout=PATIENCE * 1000)
    page.wait_for_timeout(REST * 1000)
    after = main_thread(cdp), cpu(served)
    seen: dict[str, float] = page.evaluate("window.seen")
    cdp.detach()
    if found is not None:
        found.own.append(seen["own"])
        found.first.append(seen["first"] - PAUSE * 1000)
        found.browser.append(after[0] - before[0])
        found.server.append(after[1] - before[1])


def ask_often(
    context: BrowserContext, peer: Peer, served: Served, history: int, found: Found, repeats: int
) -> None:
    """Raises NotSeen."""
    page = None
    until = time.monotonic() + BOUND / 2
    for number in range(WARM_UP + repeats):
        if found.own and time.monotonic() > until:
            found.failed = f"{len(found.own)} questions in {BOUND / 2:.0f} s"
            break
        if page is None:
            page = opened(context, peer, served.address, history)
        ask(page, peer, served, found if number >= WARM_UP else None)
        if not history:
            page.close()
            page = None
    if page is not None:
        page.close()


def memory_a_session(context: BrowserContext, peer: Peer, served: Served, history: int) -> float:
    """MB, of the server. Raises NotSeen."""
    until = time.monotonic() + BOUND / 2
    # The first ones bring what all of them share.
    pages = [opened(context, peer, served.address, history) for _ in range(2)]
    before = served.process.memory_info().rss
    for _ in range(SESSIONS):
        if time.monotonic() > until:
            raise NotSeen(f"{SESSIONS} sessions were not open within {BOUND / 2:.0f} s")
        pages.append(opened(context, peer, served.address, history))
    after = served.process.memory_info().rss
    for page in pages:
        page.close()
    return (after - before) / SESSIONS / 2**20


def measured(browser: Browser, model: str, peer: Peer, history: int, repeats: int) -> Found:
    """What did not come within PATIENCE is told by `failed`; the rest stands."""
    found = Found(os.getloadavg()[0])
    # With the questions it is 1,000 messages at most: ours takes no more.
    messages = history - 2 * (WARM_UP + repeats) if history else 0
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    try:
        with peer.served(model, messages) as served:
            ask_often(context, peer, served, messages, found, repeats)
        # Another process: in what the answers have left, ten sessions would find room.
        with peer.served(model, messages) as served:
            found.session = memory_a_session(context, peer, served, messages)
    except NotSeen as error:
        found.failed = str(error).splitlines()[0]
    context.close()
    return found


def cold(browser: Browser, model: str, peer: Peer) -> list[float]:
    """S from the command to a composer, start after start. The first fills the file caches."""
    took: list[float] = []
    for _ in range(STARTS + 1):
        began = time.monotonic()
        with peer.served(model, 0) as served:
            page = browser.new_context().new_page()
            page.goto(served.address, timeout=PATIENCE * 1000)
            page.locator(peer.composer).wait_for(timeout=PATIENCE * 1000)
            took.append(time.monotonic() - began)
            page.context.close()
    return took[1:]


HEAD = """
p50 (p95) in ms, main thread and server CPU in ms, memory in MB a session, cold in s

| page | messages | own message | first token | main thread | server CPU | memory | cold | load |
|---|---|---|---|---|---|---|---|---|"""


def spread(found: list[float]) -> str:
    """Median and p95."""
    if not found:
        return "–"
    p95 = sorted(found)[math.ceil(0.95 * len(found)) - 1]
    return f"{statistics.median(found):.0f} ({p95:.0f})"


def median(found: list[float], digits: int = 0) -> str:
    return f"{statistics.median(found):.{digits}f}" if found else "–"


def row(peer: Peer, history: int, found: Found, starts: list[float]) -> str:
    session = "–" if found.session is None else f"{found.session:.1f}"
    cells = [
        peer.name,
        f"{history:,}",
        spread(found.own),
        spread(found.first),
        median(found.browser),
        median(found.server),
        session,
        median(starts, 1),
        f"{found.load:.1f}",
    ]
    told = f"\n\n{peer.name} with {history:,} messages: {found.failed}\n" if found.failed else ""
    return f"| {' | '.join(cells)} |{told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=5, help="questions each")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or sys.exit("Chromium is missing.")
    prepare(given.peers)
    began = time.monotonic()
    python = platform.python_version()
    print(f"{os.cpu_count()} cores, Python {python}; {given.repeats} questions, medians", HEAD)
    with Scripted(otherwise=reply).served() as model, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, ALONE])
        for name in given.peers:
            peer = PEERS[name]
            starts = cold(browser, model, peer)
            for history in peer.histories:
                found = measured(browser, model, peer, history, given.repeats)
                print(row(peer, history, found, [] if history else starts), flush=True)
        browser.close()
    print(f"\n{time.monotonic() - began:.0f} s, load now {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
