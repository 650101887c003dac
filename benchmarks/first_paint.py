"""How long from Enter to the first word of the answer on the screen?

In Chromium, with a scripted model that answers at once, in an empty conversation and in one with
1,000 messages; beside it the page that Streamlit's tutorial writes, with the same model and the
same history, in the same run. Expected: at most 150 ms empty and 250 ms with 1,000 messages on an
idle machine; the plain page several seconds with 1,000.

    .venv/bin/python -m benchmarks.first_paint

2026-11-24, 2 idle cores, Python 3.11, SQLite: 222 ms empty and 248 ms with 1,000 messages;
plain Streamlit 80 and 983 ms.
"""

import os
import shutil
import statistics
import sys
from contextlib import ExitStack

from openai import OpenAI
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.processes import KEY, PLAIN, process, scripted_model, server, wait_for
from tests.ui.conftest import FLAGS

QUESTIONS = 12
WARM_UP = 2
WORD = "word"

WATCH = """() => new Promise(resolve => {
    let pressed;
    document.addEventListener('keydown', event => {
        if (event.key === 'Enter' && pressed === undefined) pressed = performance.now();
    }, true);
    const before = document.body.textContent.split('word').length;
    new MutationObserver((_, watcher) => {
        if (pressed !== undefined && document.body.textContent.split('word').length > before) {
            watcher.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - pressed));
        }
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
})"""


def times(browser: Browser, address: str) -> list[float]:
    """Ms from Enter to the first word, question after question in one conversation."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address)
    composer = page.locator('[data-testid="stChatInput"] textarea')
    composer.wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    found = [ask(page) for _ in range(WARM_UP + QUESTIONS)]
    page.context.close()
    return sorted(found[WARM_UP:])


def ask(page: Page) -> float:
    composer = page.locator('[data-testid="stChatInput"] textarea')
    composer.fill("hello")
    # Without a value of its own, for one that is a promise would be waited for
    page.evaluate(f"() => {{ window.seen = ({WATCH})() }}")
    composer.press("Enter")
    took: float = page.evaluate("window.seen")
    # Until the answer is over and everything has come to rest
    page.wait_for_timeout(2500)
    return took


def thread_with(count: int, url: str) -> str:
    client = OpenAI(base_url=url, api_key=KEY)
    said = [
        {"role": ("user", "assistant")[number % 2], "content": f"Message {number} of a talk."}
        for number in range(count)
    ]
    thread = client.beta.threads.create(messages=said)  # type: ignore[arg-type]  # plain dicts
    return thread.id


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit("Chromium is missing.")
    rows: list[tuple[str, list[float]]] = []
    with ExitStack() as stack:
        model = stack.enter_context(scripted_model(9020, words=20, pause=0.02))
        stack.enter_context(server(9021, model))
        url = "http://127.0.0.1:9021"
        # One short of the friendly end at 1,000, for all the questions
        long = thread_with(1000 - 2 * (WARM_UP + QUESTIONS), f"{url}/v1")
        for port, history in ((9022, 0), (9023, 972)):
            options = [f"--server.port={port}", *PLAIN]
            page = os.path.join(os.path.dirname(__file__), "plain_page.py")
            stack.enter_context(
                process("streamlit", "run", page, *options, MODEL_URL=model, HISTORY=str(history))
            )
            wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        rows.append(("ours, empty", times(browser, url)))
        rows.append(("plain Streamlit, empty", times(browser, "http://127.0.0.1:9022")))
        rows.append(("ours, 1,000 messages", times(browser, f"{url}/?c={long}")))
        rows.append(("plain Streamlit, 1,000", times(browser, "http://127.0.0.1:9023")))
        browser.close()
    for name, found in rows:
        median, worst = statistics.median(found), found[-1]
        print(f"{name:24} median {median:7.0f} ms   worst of {QUESTIONS} {worst:7.0f} ms")


if __name__ == "__main__":
    main()
