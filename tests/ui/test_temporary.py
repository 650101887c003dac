"""Conversations that leave nothing behind."""

import time

import httpx2
import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.running import KEY, Running, until
from tests.ui.looking import GROWING, Looking, Seen
from tests.ui.test_history import Listed, is_there, thread_of
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.ui import shelves, temporary
from xiaozhi.ui.client import create_client

SOON = shelves.LINGERS + 20  # s until what was left has to be gone


def begun(look: Looking, words: str) -> tuple[Seen, str]:
    seen = look()
    seen.button("临时对话").click()
    expect(seen.page.locator("h1")).to_have_text("临时对话")
    seen.ask(words)
    expect(seen.answers).to_have_count(1)
    return seen, thread_of(seen)


def test_one_is_in_no_list_and_deleted_when_it_is_left(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("嘘。"), Says("还在。")]
    seen, thread = begun(look, "临时的秘密")
    seen.says("嘘。")
    seen.ask("还在吗？")
    seen.says("还在。")
    listed = Listed(seen)
    listed.search("临时的秘密")
    expect(seen.page.locator(".st-key-history")).to_contain_text("没有找到")
    assert "title" not in (client.beta.threads.retrieve(thread).metadata or {})
    listed.search("")
    seen.button("新对话").click()
    expect(seen.page.locator("h1")).to_have_text("小智·Zero")
    until(lambda: not is_there(client, thread), SOON)


def test_a_reload_loses_nothing_and_who_comes_back_at_once_finds_it(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("我在。")]
    seen, thread = begun(look, "会丢吗？")
    seen.says("我在。")
    seen.page.reload()
    seen.says("我在。")
    seen.button("新对话").click()
    expect(seen.page.locator("h1")).to_have_text("小智·Zero")
    seen.page.go_back()
    seen.says("我在。")
    time.sleep(shelves.LINGERS + 1)
    assert is_there(client, thread)


def test_one_that_another_tab_has_open_stays(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("我在。"), Says("还在。")]
    seen, thread = begun(look, "两个标签页")
    seen.says("我在。")
    other = look(seen.page.url)
    other.says("我在。")
    seen.button("新对话").click()
    expect(seen.page.locator("h1")).to_have_text("小智·Zero")
    time.sleep(shelves.LINGERS + 1)
    assert is_there(client, thread)
    other.ask("还在吗？")
    other.says("还在。")
    other.button("新对话").click()
    until(lambda: not is_there(client, thread), SOON)


def test_one_can_be_kept(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("好主意。")]
    seen, thread = begun(look, "值得留下的主意")
    seen.says("好主意。")
    seen.button("保留").click()
    expect(Listed(seen).row("值得留下的主意")).to_be_visible()
    seen.button("新对话").click()
    time.sleep(shelves.LINGERS + 1)
    assert client.beta.threads.retrieve(thread).metadata == {
        "app": "xiaozhi",
        "shelf": "recent",
        "title": "值得留下的主意",
    }


def test_one_that_is_left_in_mid_answer_is_deleted_too(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [GROWING]
    with model.held():
        seen, thread = begun(look, "说到一半")
        expect(seen.answers.last).to_contain_text("字20")
        seen.button("新对话").click()
        until(lambda: not is_there(client, thread), SOON)


@pytest.mark.parametrize(
    ("ago", "is_kept"), [(temporary.KEPT - 60, True), (temporary.KEPT + 1, False), (None, False)]
)
def test_one_that_nobody_has_open_is_deleted_in_a_while(
    server: Running,
    client: OpenAI,
    monkeypatch: pytest.MonkeyPatch,
    ago: float | None,
    is_kept: bool,
):
    """As after a closed tab, or the end of the process that showed it."""
    seen_at = "what another client wrote" if ago is None else str(int(time.time() - ago))
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "你好"}],
        metadata={"app": "xiaozhi", "shelf": "temporary", "seen": seen_at},
    ).id
    with create_client(server.url, KEY, httpx2.Client()) as page:
        for name in ("client", "reader"):
            monkeypatch.setattr(shelves, name, lambda: page)
        temporary.sweep()
    assert is_there(client, thread) == is_kept


def test_an_open_page_says_so(look: Looking, client: OpenAI):
    seen_at = int(time.time() - temporary.RENEWED)
    thread = client.beta.threads.create(
        messages=[{"role": "user", "content": "你好"}],
        metadata={"app": "xiaozhi", "shelf": "temporary", "seen": str(seen_at)},
    ).id
    seen = look(f"{look.address}?c={thread}")
    expect(seen.page.get_by_text("临时对话")).to_be_visible()
    assert int((client.beta.threads.retrieve(thread).metadata or {})["seen"]) > seen_at
