"""What a model thinks: folded above its answer, growing where it is open."""

import re

from openai import OpenAI
from playwright.sync_api import Locator, expect

from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted

# It thinks for as long as the test needs, and is stopped then.
THINKS = Says("never", thoughts=[f"念{number} " for number in range(5000)], pause=0.03)
# It says something for as long as the test needs.
TALKS = Says([f"字{number} " for number in range(5000)], pause=0.03, thoughts="先想一想。")
BOTH = Says("你好！", thoughts="他在问好。\n\n**我**也问好。<b>不粗</b>")


def line(seen: Seen) -> Locator:
    return seen.page.locator('[class*="st-key-thought_"] button').last


def thoughts(seen: Seen) -> Locator:
    return seen.page.locator('[class*="st-key-thoughts_"]').last


def test_thoughts_are_folded_above_their_answer(look: Looking, client: OpenAI, model: Scripted):
    model.script = [BOTH]
    seen = look()
    seen.ask("你好")
    seen.says("你好！")
    expect(line(seen)).to_have_text(re.compile(r"^已思考 \d+ 秒$"))
    expect(line(seen)).to_have_attribute("aria-expanded", "false")
    expect(thoughts(seen)).to_have_count(0)
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("他在问好。")
    expect(thoughts(seen).locator("strong")).to_have_text("我")
    expect(thoughts(seen)).to_contain_text("<b>不粗</b>")
    line(seen).press("Enter")
    expect(thoughts(seen)).to_have_count(0)
    # They are there after a reload, and no part of what the answer is.
    seen.page.reload()
    seen.says("你好！")
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("他在问好。")
    thread = seen.page.url.partition("c=")[2]
    [message, _] = client.beta.threads.messages.list(thread)
    assert "他在问好" not in message.to_json()


def test_each_version_of_an_answer_has_its_own(look: Looking, model: Scripted):
    model.script = [BOTH, Says("Hallo!", thoughts="Noch einmal.")]
    seen = look()
    seen.ask("你好")
    seen.says("你好！")
    seen.button("重新回答").click()
    seen.says("Hallo!")
    lines = seen.page.locator('[class*="st-key-thought_"] button')
    seen.button("上一个版本").click()
    seen.says("你好！")
    expect(lines).to_have_count(1)
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("他在问好。")
    seen.button("下一个版本").click()
    seen.says("Hallo!")
    expect(lines).to_have_count(1)
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("Noch einmal.")


def test_thoughts_that_are_open_grow_and_stay_open_when_stopped(look: Looking, model: Scripted):
    model.script = [THINKS]
    seen = look()
    seen.ask("想一想")
    expect(line(seen)).to_have_text(re.compile(r"^正在思考… \d+ 秒$"))
    expect(seen.page.get_by_text(re.compile("^正在思考…$"))).to_have_count(0)
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("念20 ")
    expect(line(seen)).to_have_attribute("aria-expanded", "true")
    expect(thoughts(seen)).to_contain_text("念60 ")
    seen.stop.click()
    expect(seen.stop).to_have_count(0)
    expect(line(seen)).to_have_text(re.compile(r"^已思考 \d+ 秒$"))
    expect(thoughts(seen)).to_contain_text("念60 ")
    expect(seen.page.get_by_text("已停止，还没有开始回答")).to_be_visible()
    seen.page.reload()
    expect(line(seen)).to_have_text(re.compile(r"^已思考 \d+ 秒$"))
    expect(line(seen)).to_have_attribute("aria-expanded", "false")


def test_a_reload_in_mid_thought_finds_it_thinking(look: Looking, model: Scripted):
    model.script = [THINKS]
    seen = look()
    seen.ask("想一想")
    expect(line(seen)).to_be_visible()
    seen.page.reload()
    expect(line(seen)).to_have_text(re.compile(r"^正在思考… \d+ 秒$"))
    line(seen).click()
    expect(thoughts(seen)).to_contain_text("念0 念1")
    seen.stop.click()
    expect(seen.stop).to_have_count(0)


def test_opening_them_does_not_disturb_the_growing_answer(look: Looking, model: Scripted):
    model.script = [TALKS]
    seen = look()
    seen.ask("说吧")
    expect(seen.answers.last).to_contain_text("字5 ")
    expect(line(seen)).to_have_text(re.compile(r"^已思考 \d+ 秒$"))
    line(seen).click()
    expect(thoughts(seen)).to_have_text("先想一想。")
    expect(seen.answers.last).to_contain_text("字0 字1 字2")
    so_far = len(seen.answers.last.inner_text())
    seen.page.wait_for_function(
        "known => [...document.querySelectorAll('[class*=\"st-key-a_\"]')].at(-1)"
        ".innerText.length > known + 50",
        arg=so_far,
    )
    expect(thoughts(seen)).to_have_text("先想一想。")
    seen.stop.click()
    expect(seen.stop).to_have_count(0)
    expect(thoughts(seen)).to_have_text("先想一想。")
    expect(line(seen)).to_have_attribute("aria-expanded", "true")


def test_on_a_phone_a_thumb_can_open_them(look: Looking, model: Scripted):
    model.script = [Says("Hello!", thoughts="They greet me. " + "x" * 300)]
    size = {"width": 390, "height": 844}
    seen = look(locale="en-US", viewport=size, is_mobile=True, has_touch=True)
    seen.ask("hello")
    seen.says("Hello!")
    expect(line(seen)).to_have_text(re.compile(r"^Thought for \d+ s$"))
    box = line(seen).bounding_box()
    assert box
    assert box["height"] >= 40
    line(seen).tap()
    expect(thoughts(seen)).to_contain_text("They greet me.")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
