"""Questions that are asked while an answer grows: they wait, and can be taken back."""

from openai import OpenAI
from playwright.sync_api import expect

from tests.running import until
from tests.ui.conftest import at_a_function
from tests.ui.looking import GROWING, Looking
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

WAITS = "等这次回答结束后发送"


def test_they_are_there_after_a_reload_and_answered_behind_the_answer(
    look: Looking, model: Scripted
):
    model.script = [GROWING, Says("后来的回答")]
    seen = look()
    with model.held():
        seen.ask("先问的")
        expect(seen.answers.last).to_contain_text("字2")
        seen.ask("后问的")
        expect(seen.page.get_by_text(WAITS)).to_be_visible()
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
        seen.ask("先问的")
        expect(seen.answers.last).to_contain_text("字2")
        seen.ask("后问的")
        expect(seen.page.get_by_text(WAITS)).to_be_visible()
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


def last_words(client: OpenAI, thread_id: str) -> str:
    said = client.beta.threads.messages.list(thread_id, limit=1).data[0].content
    return said[0].text.value if said and said[0].type == "text" else ""
