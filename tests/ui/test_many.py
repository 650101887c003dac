"""Many people at once, and long conversations: every answer is whole and in its place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.ui.looking import Looking
from xiaozhi.chat_models.scripted import Says, Scripted

SESSIONS = 20
PATIENCE = 120_000  # ms, on a machine that has other things to do


@pytest.fixture
def each_its_own(model: Scripted) -> Iterator[None]:
    """The model answers each question by its number, word by word."""
    before = model.otherwise
    model.otherwise = _answer
    yield
    model.otherwise = before


def _answer(body: Mapping[str, Any]) -> Says:
    asked = re.search(r"第(\d+)问", str(body["messages"][-1]["content"]))
    assert asked
    return Says(_words(int(asked[1])), pause=0.02)


def _words(number: int) -> list[str]:
    return [f"答{number}之{word} " for word in range(40)]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("each_its_own")
def test_twenty_tabs_ask_at_once_and_each_has_its_own_answer(look: Looking):
    tabs = [look.at(look.address) for _ in range(SESSIONS)]
    for seen in tabs:
        expect(seen.composer).to_be_visible(timeout=PATIENCE)
    for number, seen in enumerate(tabs):
        seen.ask(f"第{number}问")
    for number, seen in enumerate(tabs):
        whole = "".join(_words(number)).strip()
        expect(seen.answers).to_have_text([whole], timeout=PATIENCE)
        expect(seen.stop).to_have_count(0, timeout=PATIENCE)
        expect(seen.questions).to_have_text([f"第{number}问"])
    assert len({seen.page.url for seen in tabs}) == SESSIONS


def _talk(client: OpenAI, count: int) -> str:
    """The id of a conversation with `count` messages, questions and answers in turn."""
    said: Any = [
        {"role": ("user", "assistant")[number % 2], "content": f"第 {number} 句"}
        for number in range(count)
    ]
    return client.beta.threads.create(messages=said).id


def test_a_conversation_that_is_full_can_be_read_and_left(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("新的开始")]
    seen = look(f"{look.address}?c={_talk(client, 1000)}")
    expect(seen.page.get_by_text("我们已经在这里说了 1,000 条消息")).to_be_visible()
    expect(seen.composer).to_have_count(0)
    shown = range(960, 1000)
    expect(seen.questions).to_have_text([f"第 {number} 句" for number in shown[::2]])
    expect(seen.answers).to_have_text([f"第 {number} 句" for number in shown[1::2]])
    for shown in (range(920, 1000), range(880, 1000)):
        seen.button("更早的消息").click()
        expect(seen.questions).to_have_text([f"第 {number} 句" for number in shown[::2]])
        expect(seen.answers).to_have_text([f"第 {number} 句" for number in shown[1::2]])
    seen.button("新对话").first.click()
    seen.ask("从头来")
    seen.says("新的开始")


def test_the_last_questions_before_the_end_are_answered(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("倒数第二答"), Says("最后一答")]
    end = "我们已经在这里说了 1,000 条消息"
    seen = look(f"{look.address}?c={_talk(client, 996)}")
    seen.ask("倒数第二问")
    expect(seen.questions.last).to_have_text("倒数第二问")
    seen.says("倒数第二答")
    expect(seen.page.get_by_text(end)).to_have_count(0)
    # Somebody else says something too, and takes it back.
    thread_id = seen.page.url.partition("?c=")[2]
    beside = client.beta.threads.messages.create(thread_id, role="user", content="旁白")
    client.beta.threads.messages.delete(beside.id, thread_id=thread_id)
    seen.ask("最后一问")
    expect(seen.questions.last).to_have_text("最后一问")
    seen.says("最后一答")
    expect(seen.page.get_by_text(end)).to_be_visible()
    expect(seen.composer).to_have_count(0)
    seen.page.reload()
    seen.says("最后一答")
    expect(seen.page.get_by_text(end)).to_be_visible()
