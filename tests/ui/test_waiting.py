"""Questions that are asked while an answer grows: they wait, and can be taken back."""

import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI
from openai.types.beta.threads import Message, Run
from playwright.sync_api import expect

from tests.running import KEY, Running, until
from tests.ui.conftest import at_a_function
from tests.ui.looking import GROWING, Looking, Seen
from xiaozhi.chat_models.scripted import Calls, Says, Scripted
from xiaozhi.ui import conversation, transcript, waiting
from xiaozhi.ui.client import create_client
from xiaozhi.ui.follow import Followed

WAITS = "等这次回答结束后发送"


def test_they_are_there_after_a_reload_and_answered_behind_the_answer(
    look: Looking, model: Scripted
):
    model.script = [GROWING, Says("后来的回答")]
    seen = look()
    with model.held():
        ask_one_behind_the_other(seen)
        seen.page.reload()
        expect(seen.page.get_by_text(WAITS)).to_be_visible()
        expect(seen.questions).to_have_text(["先问的", "后问的"])
    expect(seen.answers.last).to_have_text("后来的回答")
    expect(seen.questions).to_have_text(["先问的", "后问的"])
    expect(seen.page.get_by_text(WAITS)).to_be_hidden()


def test_nobody_has_to_look_for_them_to_be_answered(look: Looking, client: OpenAI, model: Scripted):
    model.script = [GROWING, Says("没人看也回答")]
    seen = look()
    with model.held():
        ask_one_behind_the_other(seen)
        address = seen.page.url
        seen.page.close()
    thread = address.partition("?c=")[2]
    until(lambda: last_words(client, thread) == "没人看也回答", within=30)
    look(address).says("没人看也回答")


def test_one_that_is_taken_back_is_in_the_composer_again(look: Looking, model: Scripted):
    model.script = [Says(["啊"] * 2000, pause=0.05), Says("没有别的")]
    seen = look()
    seen.ask("先问的")
    expect(seen.answers.last).to_contain_text("啊啊")
    seen.ask("不问了")
    seen.button("撤回").click()
    expect(seen.page.get_by_text(WAITS)).to_be_hidden()
    expect(seen.composer).to_have_value("不问了")
    expect(seen.questions).to_have_text(["先问的"])
    seen.stop.click()
    expect(seen.stop).to_have_count(0)
    seen.page.reload()
    expect(seen.answers).to_have_count(1)
    expect(seen.questions).to_have_text(["先问的"])


def test_another_tab_sees_them(look: Looking, model: Scripted):
    model.script = [GROWING, Says("后来的回答")]
    one = look()
    with model.held():
        one.ask("先问的")
        expect(one.answers.last).to_contain_text("字2")
        other = look(one.page.url)
        other.ask("从另一页问的")
        expect(other.page.get_by_text(WAITS)).to_be_visible()
    for tab in (one, other):
        expect(tab.answers.last).to_have_text("后来的回答")
        expect(tab.questions).to_have_text(["先问的", "从另一页问的"])


def test_one_waits_for_a_function_too(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Calls([("weather", "{}")]), Says("查不到。"), Says("也答了")]
    seen = at_a_function(look, client)
    seen.ask("还有一问")
    expect(seen.page.get_by_text(WAITS)).to_be_visible()
    seen.button("不用它，继续").click()
    expect(seen.answers.last).to_have_text("也答了")
    expect(seen.questions).to_have_text(["天气？", "还有一问"])


def test_an_answer_that_is_there_before_the_page_asks_for_it_is_shown(
    look: Looking, client: OpenAI, model: Scripted, monkeypatch: pytest.MonkeyPatch
):
    """As if another page had been faster, between this one's look at the runs and its own try."""
    is_due, answer_next = waiting.is_due, waiting.answer_next
    faster: list[str] = []

    def is_due_to_others_too(newest: Message | None, last: Run | None) -> bool:
        due = is_due(newest, last)
        if due and newest and last and not faster:
            faster.append(last.id)
            answer_next(last.thread_id, last.assistant_id, last.model)
            until(lambda: last_words(client, last.thread_id) == "后来的回答", within=30)
        return due

    monkeypatch.setattr(waiting, "is_due", is_due_to_others_too)
    monkeypatch.setattr(waiting, "answer_when_ended", nobody)
    model.script = [GROWING, Says("后来的回答")]
    seen = look()
    with model.held():
        ask_one_behind_the_other(seen)
    expect(seen.answers.last).to_have_text("后来的回答")
    assert faster


def test_a_run_that_begins_while_a_conversation_is_read_is_read_too(
    server: Running, client: OpenAI, model: Scripted, monkeypatch: pytest.MonkeyPatch
):
    model.script = [Says("先答"), Says("再答")]
    assistant = client.beta.assistants.create(model="scripted")
    first = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "一？"}]},
        poll_interval_ms=20,
    )

    def another_one(response: httpx2.Response) -> None:
        if response.url.path.endswith("/runs") and model.script:
            client.beta.threads.runs.create_and_poll(
                thread_id=first.thread_id,
                assistant_id=assistant.id,
                additional_messages=[{"role": "user", "content": "二？"}],
                poll_interval_ms=20,
            )

    with DefaultHttpxClient(event_hooks={"response": [another_one]}) as http:
        page = create_client(server.url, KEY, http)
        monkeypatch.setattr(conversation, "reader", lambda: page)
        read = conversation.loaded(conversation.thread(first.thread_id), 40)
    assert [transcript.text_of(message) for message in read.messages] == [
        "一？",
        "先答",
        "二？",
        "再答",
    ]
    assert read.last_run is not None
    assert read.last_run.id == read.messages[-1].run_id


def ask_one_behind_the_other(seen: Seen) -> None:
    """While the model, which says GROWING, is held: the second question waits."""
    seen.ask("先问的")
    expect(seen.answers.last).to_contain_text("字2")
    seen.ask("后问的")
    expect(seen.page.get_by_text(WAITS)).to_be_visible()


def nobody(_followed: Followed, _assistant: str, _model: str | None) -> None:
    """Answers."""


def last_words(client: OpenAI, thread_id: str) -> str:
    said = client.beta.threads.messages.list(thread_id, limit=1).data[0].content
    return said[0].text.value if said and said[0].type == "text" else ""
