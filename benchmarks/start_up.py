"""How long from the command to a page that one can type into, and how much memory does it take?

Without the model (a scripted one answers), with warm file caches and bytecode; beside it a plain
Streamlit page, in the same run. Memory is the resident set of the server's process. Expected: at
most 4 s to the page, 3 s to the API; at most 120 MB for the API alone and 200 MB with the page.

    .venv/bin/python -m benchmarks.start_up

2026-11-24, 2 idle cores, Python 3.11: API ready 1.4 s and 120 MB, the page 3.8 s and 165 MB; plain
Streamlit 2.9 s and 95 MB.
"""

import os
import shutil
import statistics
import sys
import time
from contextlib import ExitStack

import psutil
from playwright.sync_api import Browser, sync_playwright

from benchmarks.processes import PLAIN, process, scripted_model, server, wait_for
from tests.ui.conftest import FLAGS

STARTS = 5
COMPOSER = '[data-testid="stChatInput"] textarea'


def memory(pid: int) -> float:
    """MB, as `ps` counts them."""
    return psutil.Process(pid).memory_info().rss / 2**20


def shown(browser: Browser, address: str, began: float) -> float:
    """S from `began` until something can be typed."""
    page = browser.new_context().new_page()
    page.goto(address)
    page.locator(COMPOSER).wait_for(timeout=60_000)
    took = time.monotonic() - began
    page.context.close()
    return took


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit("Chromium is missing.")
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        model = stack.enter_context(scripted_model(9030))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(STARTS + 1):
            began = time.monotonic()
            with server(9031, model, "--no-ui") as api:
                found.setdefault("API ready, s", []).append(time.monotonic() - began)
                found.setdefault("memory, API alone, MB", []).append(memory(api.pid))
            began = time.monotonic()
            with server(9031, model) as ours:
                page = shown(browser, "http://127.0.0.1:9031", began)
                found.setdefault("page to type into, s", []).append(page)
                time.sleep(1)
                found.setdefault("memory with the page, MB", []).append(memory(ours.pid))
            began = time.monotonic()
            options = ["--server.port=9032", *PLAIN]
            plain = os.path.join(os.path.dirname(__file__), "plain_page.py")
            with process("streamlit", "run", plain, *options, MODEL_URL=model) as peer:
                wait_for("http://127.0.0.1:9032/_stcore/health")
                page = shown(browser, "http://127.0.0.1:9032", began)
                found.setdefault("plain Streamlit page, s", []).append(page)
                time.sleep(1)
                found.setdefault("memory, plain Streamlit, MB", []).append(memory(peer.pid))
        browser.close()
    for name, values in found.items():
        counted = sorted(values[1:])
        low, high = counted[0], counted[-1]
        print(f"{name:28} median {statistics.median(counted):6.1f}   range {low:.1f}–{high:.1f}")


if __name__ == "__main__":
    main()
