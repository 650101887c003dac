"""Keys for what is done often, and none of them while an input method is at work."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.looking import GROWING, Looking
from tests.ui.test_accessible import serious
from xiaozhi.chat_models.scripted import Scripted


def test_the_search_and_the_composer_are_a_key_away(look: Looking):
    seen = look()
    field = seen.page.locator(".st-key-search input")
    expect(field).to_be_visible()
    seen.page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    # Whoever types means the sign.
    seen.page.keyboard.type("?/")
    expect(field).to_have_value("?/")
    field.fill("")
    field.blur()
    seen.page.keyboard.press("/")
    expect(seen.composer).to_be_focused()
    expect(seen.composer).to_have_value("")


def test_escape_stops_an_answer_and_nothing_that_is_open(look: Looking, model: Scripted):
    model.script = [GROWING]
    seen = look()
    with model.held():
        seen.ask("慢慢说")
        expect(seen.answers.last).to_contain_text("字3")
        seen.page.keyboard.press("Control+k")
        expect(seen.page.locator(".st-key-search input")).to_be_focused()
        seen.page.keyboard.press("Escape")
        expect(seen.stop).to_be_visible()
        seen.composer.focus()
        seen.page.keyboard.press("Escape")
        expect(seen.answers.last).to_have_text(re.compile("■ 已停止$"))
        expect(seen.stop).to_have_count(0)


@pytest.mark.parametrize(
    ("locale", "title"), [("zh-CN", "键盘快捷键"), ("en-US", "Keyboard shortcuts")]
)
def test_they_are_listed(look: Looking, locale: str, title: str):
    seen = look(locale=locale)
    seen.page.locator("h1").click()
    seen.page.keyboard.press("?")
    listed = seen.page.get_by_role("dialog", name=title)
    expect(listed).to_be_visible()
    expect(listed.locator("kbd")).to_have_count(5)
    assert serious(seen.page) == []
    seen.page.keyboard.press("Escape")
    expect(listed).to_be_hidden()


def test_enter_in_mid_composition_sends_nothing(look: Looking):
    seen = look()
    seen.composer.focus()
    keys: Any = seen.page.context.new_cdp_session(seen.page)
    keys.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    keys.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    keys.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    keys.send("Input.insertText", {"text": "你好"})
    expect(seen.composer).to_have_value("你好")
    expect(seen.questions).to_have_count(0)
    seen.composer.press("Enter")
    expect(seen.questions).to_have_text(["你好"])
