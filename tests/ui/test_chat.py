"""What a person can do with the page, in real Chromium."""

import re

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.running import until
from tests.ui.conftest import OLD_ASSISTANT, at_a_function
from tests.ui.looking import GROWING, GROWN, Looking
from xiaozhi.chat_models.scripted import Calls, Fails, Hangs, Says, Scripted


def test_the_first_question_is_answered_word_by_word(look: Looking, model: Scripted):
    model.script = [GROWING, Says("再见！")]
    seen = look()
    expect(seen.page).to_have_title("小智·Zero")
    expect(seen.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(seen.page.get_by_role("heading", name="小智·Zero")).to_be_visible()
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    expect(seen.composer).to_have_attribute("placeholder", "小智， 你好！")
    with model.held():
        seen.ask("你好")
        expect(seen.questions).to_have_text(["你好"])
        expect(seen.answers.last).to_have_text(re.compile("字1.*▌$", re.DOTALL))
    seen.says(GROWN)
    seen.ask("再见")
    seen.says("再见！")
    expect(seen.questions).to_have_count(2)
    expect(seen.answers).to_have_count(2)


def test_an_old_assistant_lives_on_under_its_id(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("在。"), Says("又在了。")]
    seen = look()
    seen.ask("还在吗？")
    seen.says("在。")
    assistant = client.beta.assistants.retrieve(OLD_ASSISTANT)
    assert assistant.name == "小智·Zero"
    client.beta.assistants.delete(OLD_ASSISTANT)
    seen.ask("现在呢？")
    # It was deleted under the page's eyes: the words are kept, and the next try makes it anew.
    expect(seen.page.get_by_text("No assistant found")).to_be_visible()
    expect(seen.composer).to_have_value("现在呢？")
    seen.composer.press("Enter")
    seen.says("又在了。")
    assert client.beta.assistants.retrieve(OLD_ASSISTANT).id == OLD_ASSISTANT


def test_the_page_asks_for_nothing_that_nobody_chose(look: Looking, model: Scripted):
    """Many models refuse what they have no choice in; titles are asked for like answers."""
    model.script = [Says("好的。")]
    model.asides.clear()
    seen = look()
    seen.ask("你好")
    seen.says("好的。")
    until(lambda: model.asides)
    assert set(model.requests[-1]) == {"model", "messages", "stream", "stream_options"}
    assert set(model.asides[-1]) == {"model", "messages", "stream"}


def test_a_reload_shows_the_same_conversation(look: Looking, model: Scripted):
    model.script = [Says("记住了"), GROWING]
    seen = look()
    seen.ask("记住 42")
    seen.says("记住了")
    assert re.search(r"\?c=thread_\w+", seen.page.url)
    seen.page.reload()
    expect(seen.questions).to_have_text(["记住 42"])
    seen.says("记住了")
    with model.held():
        seen.ask("说慢一点")
        expect(seen.answers.last).to_contain_text("字3")
        seen.page.reload()
        expect(seen.answers.last).to_contain_text("▌")
    seen.says(GROWN)
    expect(seen.questions).to_have_count(2)


LINES = [f"第 {number} 行\n\n" for number in range(60)]
AT_THE_END = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const isLong = main.scrollHeight > 1.5 * main.clientHeight;
    return isLong && main.scrollHeight - main.scrollTop - main.clientHeight < 5;
}"""


def test_the_end_stays_in_view_unless_somebody_scrolls_up(look: Looking, model: Scripted):
    model.script = [Says(LINES, pause=0.02), Says(LINES, pause=0.05)]
    seen = look()
    to_end = seen.page.get_by_role("button", name="回到最新")
    seen.ask("说六十行")
    seen.page.wait_for_function(AT_THE_END)
    expect(seen.answers.last).to_contain_text("第 59 行")
    expect(seen.stop).to_have_count(0)
    assert seen.page.evaluate(AT_THE_END)
    seen.page.reload()
    expect(seen.answers.last).to_contain_text("第 59 行")
    seen.page.wait_for_function(AT_THE_END)
    expect(to_end).to_be_hidden()
    seen.ask("再来六十行")
    expect(seen.answers.last).to_contain_text("第 5 行")
    seen.page.mouse.move(700, 400)
    seen.page.mouse.wheel(0, -1500)
    expect(to_end).to_be_visible()
    expect(seen.answers.last).to_contain_text("第 30 行")
    assert not seen.page.evaluate(AT_THE_END)
    to_end.click()
    expect(to_end).to_be_hidden()
    seen.says("".join(LINES).replace("\n\n", " ").strip())
    assert seen.page.evaluate(AT_THE_END)


def test_what_the_browser_moves_itself_is_not_taken_for_a_person(look: Looking, model: Scripted):
    """It does so to keep in place what is above, while a long conversation is being drawn."""
    model.script = [Says(LINES)]
    seen = look()
    seen.ask("说六十行")
    expect(seen.answers.last).to_contain_text("第 59 行")
    expect(seen.stop).to_have_count(0)
    seen.page.wait_for_function(AT_THE_END)
    # A gesture counts for a moment.
    seen.page.wait_for_timeout(1_100)
    seen.page.evaluate("""() => {
        const main = document.querySelector('[data-testid="stMain"]');
        const more = document.createElement('div');
        more.style.minHeight = '400px';
        document.querySelector('.st-key-thread').append(more);
        main.scrollTop -= 40;
    }""")
    seen.page.wait_for_function(AT_THE_END)


def test_stop_keeps_what_was_said(look: Looking, model: Scripted):
    model.script = [Says(["啊"] * 2000, pause=0.02), Says("又见面了")]
    seen = look()
    seen.ask("一直说")
    expect(seen.answers.last).to_contain_text("啊啊啊")
    seen.stop.click()
    expect(seen.answers.last).to_have_text(re.compile("^啊+■ 已停止$"))
    expect(seen.stop).to_have_count(0)
    seen.ask("你好")
    seen.says("又见面了")


@pytest.mark.parametrize(
    ("locale", "reason"),
    [("zh-CN", "模型服务拒绝了密钥。"), ("en-US", "The model endpoint refused the key.")],
)
def test_a_failed_answer_says_why_and_the_next_one_works(
    look: Looking, model: Scripted, locale: str, reason: str
):
    model.script = [Fails(401, "Incorrect API key"), Says("好了")]
    seen = look(locale=locale)
    seen.ask("你好")
    expect(seen.page.get_by_text(reason)).to_be_visible()
    expect(seen.page.get_by_text("Incorrect API key")).to_be_visible()
    seen.ask("现在呢")
    seen.says("好了")


def test_a_failed_answer_can_be_asked_for_again(look: Looking, model: Scripted):
    model.script = [Says("前半句", finish_reason=None), Says("整句")]
    seen = look()
    seen.ask("你好")
    expect(seen.page.get_by_text("模型在回答中途断开了")).to_be_visible()
    expect(seen.answers.last).to_contain_text("前半句")
    seen.button("再试一次").click()
    seen.says("整句")
    expect(seen.questions).to_have_count(1)


def test_a_function_that_the_page_cannot_do_does_not_hold_it_up(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Calls([("weather", "{}")], text="我查一下。"), Says("查不到。")]
    seen = at_a_function(look, client)
    expect(seen.page.get_by_text("助手想使用 weather，这个页面还做不到。")).to_be_visible()
    seen.button("不用它，继续").click()
    seen.says("查不到。")
    expect(seen.answers.first).to_have_text("我查一下。")
    assert "not available" in model.requests[-1]["messages"][-1]["content"]


def test_two_tabs_do_not_disturb_each_other(look: Looking, model: Scripted):
    model.script = [GROWING, Says("我在这里")]
    one, other = look(), look()
    with model.held():
        one.ask("慢慢说")
        expect(one.answers.last).to_contain_text("字2")
        other.ask("你好")
        other.says("我在这里")
        expect(other.questions).to_have_text(["你好"])
    one.says(GROWN)
    expect(one.questions).to_have_text(["慢慢说"])


def test_two_tabs_see_one_answer(look: Looking, model: Scripted):
    model.script = [GROWING]
    one = look()
    with model.held():
        one.ask("慢慢说")
        expect(one.answers.last).to_contain_text("字2")
        other = look(one.page.url)
        expect(other.answers.last).to_contain_text("▌")
        one.page.close()
    other.says(GROWN)


def test_a_question_meanwhile_waits_its_turn(look: Looking, model: Scripted):
    model.script = [GROWING, Says("第二个回答")]
    seen = look()
    with model.held():
        seen.ask("第一问")
        expect(seen.answers.last).to_contain_text("字2")
        seen.ask("第二问")
        waiting = seen.page.get_by_text("等这次回答结束后发送")
        expect(waiting).to_be_visible()
    expect(waiting).to_be_hidden()
    seen.says("第二个回答")
    expect(seen.answers.first).to_have_text(GROWN)
    expect(seen.questions).to_have_text(["第一问", "第二问"])


def test_a_new_conversation_leaves_the_old_one_in_peace(look: Looking, model: Scripted):
    model.script = [GROWING, Says("新的")]
    seen = look()
    with model.held():
        seen.ask("旧的")
        expect(seen.answers.last).to_contain_text("字2")
        old = seen.page.url
        seen.button("新对话").first.click()
        expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
        expect(seen.questions).to_have_count(0)
        seen.ask("新的？")
        seen.says("新的")
        assert seen.page.url != old
    look(old).says(GROWN)


def test_a_suggestion_is_asked_with_one_click(look: Looking, model: Scripted):
    model.script = [Says("我是小智。")]
    seen = look()
    seen.button("认识一下").click()
    expect(seen.questions).to_have_text(["用三句话介绍一下你自己"])
    seen.says("我是小智。")


def test_a_conversation_that_is_not_there_is_told_so(look: Looking):
    seen = look(f"{look.address}?c=thread_nowhere")
    expect(seen.page.get_by_text("这段对话不存在（或已被删除）。")).to_be_visible()
    seen.page.locator(".st-key-anew button").click()
    expect(seen.composer).to_be_visible()


def test_after_a_thousand_messages_there_is_a_friendly_end(
    look: Looking, client: OpenAI, model: Scripted
):
    said = [{"role": "user", "content": str(number)} for number in range(998)]
    thread = client.beta.threads.create(messages=said)  # type: ignore[arg-type]  # plain dicts
    seen = look(f"{look.address}?c={thread.id}")
    expect(seen.questions).to_have_count(40)
    seen.button("更早的消息").click()
    expect(seen.questions).to_have_count(80)
    seen.ask("最后一问")
    seen.says("All right.")
    expect(seen.page.get_by_text("我们已经在这里说了 1,000 条消息")).to_be_visible()
    expect(seen.composer).to_have_count(0)


def test_what_a_model_says_stays_text(look: Looking, model: Scripted):
    hostile = (
        "好的~ 没问题~ $5 和 $10，:red[不红] :smile: "
        "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> "
        "![小图](https://example.com/pixel.png)"
    )
    model.script = [Says([hostile])]
    seen = look()
    seen.ask("<b>粗</b> **不粗**")
    expect(seen.questions).to_have_text(["<b>粗</b> **不粗**"])
    shown = re.compile(r"好的~ 没问题~ \$5 和 \$10，:red\[不红\] :.?smile:")
    expect(seen.answers.last).to_contain_text(shown)
    expect(seen.answers.last).to_contain_text("<script>")
    expect(seen.answers.last.locator("img, script, del, b")).to_have_count(0)
    assert seen.page.evaluate("window.hacked") is None


def test_a_hanging_model_shows_that_it_thinks_and_can_be_stopped(look: Looking, model: Scripted):
    model.script = [Hangs(), Says("好")]
    seen = look()
    seen.ask("在吗")
    expect(seen.page.get_by_text("正在思考…")).to_be_visible()
    seen.stop.click()
    expect(seen.stop).to_have_count(0)
    seen.ask("在吗")
    seen.says("好")


def test_the_page_speaks_english_too(look: Looking, model: Scripted):
    seen = look(locale="en-US")
    expect(seen.page.locator("html")).to_have_attribute("lang", "en")
    expect(seen.page.get_by_text("My private assistant")).to_be_visible()
    expect(seen.composer).to_have_attribute("placeholder", "Hello, Zero!")
    seen.ask("hello")
    seen.says("All right.")


def test_the_page_fits_a_phone(look: Looking, model: Scripted):
    seen = look(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    seen.ask("你好")
    seen.says("All right.")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
