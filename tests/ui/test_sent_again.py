"""What a look at the page costs that has been looked at before."""

from typing import Any

from openai import OpenAI
from playwright.sync_api import WebSocket, expect

from tests.ui.looking import Looking
from tests.ui.test_pictures import picture
from xiaozhi.ui.question import Picture
from xiaozhi.ui.transcript import asked_in

TURNS, WORDS = 20, "forty characters that a model has said. " * 75


def test_what_the_browser_has_is_not_sent_again(look: Looking, client: OpenAI):
    messages: Any = [
        {"role": role, "content": f"{number} {role} {WORDS}"}
        for number in range(TURNS)
        for role in ("user", "assistant")
    ]
    marks = {"app": "xiaozhi", "shelf": "recent", "title": "a long one"}
    thread = client.beta.threads.create(messages=messages, metadata=marks)
    received: list[int] = []

    def count(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: received.append(len(frame)))

    seen = look()
    seen.page.on("websocket", count)
    seen.page.goto(f"{look.address}?c={thread.id}")
    expect(seen.answers).to_have_count(TURNS)
    seen.page.wait_for_load_state("networkidle")
    first = sum(received)
    assert first > 2 * TURNS * len(WORDS)
    received.clear()
    # Opened again: the whole page is drawn anew.
    seen.page.locator(f".st-key-rowopen_{thread.id} button").click()
    expect(seen.page.locator('[class*="st-key-under_"][data-stale="false"]')).to_have_count(TURNS)
    seen.page.wait_for_timeout(2_000)
    assert 0 < sum(received) < first / 5


def test_a_picture_of_a_message_is_read_once(client: OpenAI):
    url = Picture(picture()["buffer"], "image/png").url
    content: Any = [{"type": "image_url", "image_url": {"url": url}}]
    thread = client.beta.threads.create(messages=[{"role": "user", "content": content}])
    first, again = (
        asked_in(client.beta.threads.messages.list(thread.id).data[0]) for _look in range(2)
    )
    assert first.pictures[0] is again.pictures[0]
    assert first.pictures[0].url == url
    assert first.pictures[0].digest is again.pictures[0].digest
