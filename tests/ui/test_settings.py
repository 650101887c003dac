"""What a person prefers, chosen on the page and kept by the browser; and what the server is."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Locator, expect

from tests.ui.conftest import OLD_ASSISTANT
from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted

DARK, LIGHT = "rgb(26, 26, 30)", "rgb(255, 255, 255)"
LONG = [f"字{number} " for number in range(2000)]


@pytest.fixture
def settled(look: Looking, contexts: dict[str, Any]) -> Callable[..., Seen]:
    """Opens the page in a browser of its own, in which nobody has chosen anything yet."""

    def opened(**options: Any) -> Seen:
        options = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **options}
        for kind, context in contexts.items():
            if "color_scheme" in kind:
                context.clear_cookies()
        return look(**options)

    return opened


def settings_of(seen: Seen) -> Locator:
    """Opened."""
    seen.page.locator(".st-key-nav_settings button").click()
    settings = seen.page.get_by_role("dialog")
    expect(settings.locator(".st-key-about")).to_be_visible()
    return settings


def cookie(seen: Seen, name: str) -> dict[str, Any] | None:
    found = [one for one in seen.page.context.cookies() if one.get("name") == name]
    return dict(found[0]) if found else None


def background(seen: Seen) -> Locator:
    return seen.page.locator(".stApp")


def test_the_language_is_chosen_and_stays(settled: Callable[..., Seen]):
    seen = settled()
    settings_of(seen).get_by_text("English", exact=True).click()
    expect(seen.page.locator("html")).to_have_attribute("lang", "en")
    expect(seen.page.locator(".st-key-nav_settings")).to_contain_text("Settings")
    expect(seen.page.get_by_text("My private assistant")).to_be_visible()
    kept = cookie(seen, "zero_language")
    assert kept is not None
    assert (kept["value"], kept["path"], kept["sameSite"]) == ("en", "/", "Lax")
    seen.page.reload()
    expect(seen.page.get_by_text("My private assistant")).to_be_visible()
    settings_of(seen).get_by_text("As the browser").click()
    expect(seen.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    assert cookie(seen, "zero_language") is None


def test_the_theme_is_the_systems_until_one_is_chosen(settled: Callable[..., Seen]):
    seen = settled()
    page = seen.page
    page.emulate_media(color_scheme="dark")
    expect(background(seen)).to_have_css("background-color", DARK)
    page.emulate_media(color_scheme="light")
    expect(background(seen)).to_have_css("background-color", LIGHT)
    frame = page.locator('meta[name="theme-color"]')
    expect(frame).to_have_count(2)
    settings_of(seen).get_by_text("深色", exact=True).click()
    expect(background(seen)).to_have_css("background-color", DARK)
    expect(frame).to_have_count(1)
    expect(frame).to_have_attribute("content", "#1A1A1E")
    settings_of(seen).get_by_text("跟随系统").click()
    expect(background(seen)).to_have_css("background-color", LIGHT)
    assert cookie(seen, "zero_theme") is None


def test_a_chosen_theme_is_there_before_anything_is_painted(settled: Callable[..., Seen]):
    seen = settled()
    page = seen.page
    settings_of(seen).get_by_text("深色", exact=True).click()
    expect(background(seen)).to_have_css("background-color", DARK)
    # Each look at the page, from the first on
    page.add_init_script(
        """window.seen = new Set();
        new MutationObserver(() => {
          const app = document.querySelector(".stApp");
          if (app) window.seen.add(getComputedStyle(app).backgroundColor);
        }).observe(document, { childList: true, subtree: true });"""
    )
    page.reload()
    expect(seen.composer).to_be_visible()
    expect(background(seen)).to_have_css("background-color", DARK)
    # Streamlit's own dark comes before ours.
    assert set(page.evaluate("[...window.seen]")) <= {"rgb(23, 22, 20)", DARK}


def test_an_answer_goes_on_growing_behind_the_settings(
    settled: Callable[..., Seen], model: Scripted
):
    model.script = [Says(LONG, pause=0.05)]
    seen = settled()
    seen.ask("说很久")
    expect(seen.answers.last).to_contain_text("字3 ")
    settings_of(seen)
    said = len(seen.answers.last.inner_text())
    expect(seen.answers.last).to_have_text(re.compile(rf"^[\s\S]{{{said + 60},}}$"))
    # Another language loads the page anew, and the answer is still there.
    seen.page.get_by_role("dialog").get_by_text("English", exact=True).click()
    expect(seen.page.locator("html")).to_have_attribute("lang", "en")
    expect(seen.answers.last).to_contain_text("字3 ")
    seen.stop.click()
    expect(seen.stop).to_have_count(0)


def test_new_conversations_begin_as_was_chosen(
    settled: Callable[..., Seen], client: OpenAI, model: Scripted
):
    chosen = client.beta.assistants.create(model="scripted", name="偏好的助手")
    seen = settled()
    who = seen.page.locator(".st-key-who")
    expect(who).not_to_contain_text("偏好的助手")
    settings = settings_of(seen)
    settings.get_by_label("新对话的助手").click()
    seen.page.get_by_role("option", name="偏好的助手").click()
    seen.page.keyboard.press("Escape")
    expect(settings).to_have_count(0)
    # The new one that is already there, and those to come
    expect(who).to_contain_text("偏好的助手")
    seen.page.wait_for_function(
        "id => document.cookie.split('; ').includes(`zero_assistant=${id}`)", arg=chosen.id
    )
    seen.page.reload()
    expect(who).to_contain_text("偏好的助手")
    model.script = [Says("好")]
    seen.ask("你是谁？")
    seen.says("好")
    thread = seen.page.url.partition("?c=")[2]
    assert client.beta.threads.runs.list(thread).data[0].assistant_id == chosen.id
    # Its own default is no choice.
    settings = settings_of(seen)
    settings.get_by_label("新对话的助手").click()
    own = client.beta.assistants.retrieve(OLD_ASSISTANT).name or ""
    seen.page.get_by_role("option", name=own).first.click()
    seen.page.keyboard.press("Escape")
    expect(settings).to_have_count(0)
    seen.page.wait_for_function("() => !document.cookie.includes('zero_assistant=')")
    client.beta.assistants.delete(chosen.id)


def test_it_says_what_the_server_is(settled: Callable[..., Seen], look: Looking):
    settings = settings_of(settled())
    expect(settings).to_contain_text("版本 0.1.0 · 运行正常")
    expect(settings).to_contain_text("模型：Scripted")
    expect(settings.locator(".st-key-about code")).to_have_text(f"{look.address}v1")


def test_what_somebody_wrote_into_the_cookies_is_not_believed(
    settled: Callable[..., Seen], look: Looking
):
    seen = settled()
    names = ["language", "theme", "assistant", "model"]
    odd = "%22%3E%3Cb%3E%E0%A4%A"
    seen.page.context.add_cookies(
        [{"name": f"zero_{name}", "value": odd, "url": look.address} for name in names]
    )
    seen.page.reload()
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    expect(seen.page.locator("html")).to_have_attribute("lang", "zh-CN")
    settings = settings_of(seen)
    settings.get_by_text("English", exact=True).click()
    expect(seen.page.locator("html")).to_have_attribute("lang", "en")
