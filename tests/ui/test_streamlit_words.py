"""Streamlit's own words are in the page's language, and what somebody said stays as it is."""

from playwright.sync_api import Page, expect

from tests.ui.looking import Looking
from xiaozhi.chat_models.scripted import Says, Scripted

# Of this page's own, or of another program's, no word is Streamlit's English.
NAMES = """() => [...document.querySelectorAll("[aria-label], [title], [placeholder]")].flatMap(
    (each) => ["aria-label", "title", "placeholder"].map((name) => each.getAttribute(name) ?? "")
)"""
ENGLISH = {
    "Sidebar",
    "Collapse sidebar",
    "file upload",
    "Upload files",
    "Send message",
    "Link to heading",
    "Copy to clipboard",
    "Clear entry",
}


def english(page: Page) -> set[str]:
    return ENGLISH & set(page.evaluate(NAMES))


def test_names_and_tooltips_are_chinese(look: Looking, model: Scripted):
    model.script = [Says(["## Close\n\nSend message\n\n```\nFullscreen\n```\n"])]
    seen = look()
    expect(seen.page.get_by_role("button", name="发送消息")).to_be_visible()
    seen.ask("Upload files")
    expect(seen.answers.last).to_contain_text("Send message")
    expect(seen.stop).to_have_count(0)
    seen.answers.last.locator("pre").hover()
    expect(seen.page.get_by_role("button", name="复制", exact=True).first).to_be_visible()
    assert english(seen.page) == set()
    # Somebody's words are nobody's to translate.
    expect(seen.questions).to_have_text(["Upload files"])
    expect(seen.answers.last.locator("h2")).to_contain_text("Close")
    expect(seen.answers.last.locator("pre")).to_have_text("Fullscreen")


def test_in_english_they_stay(look: Looking):
    seen = look(locale="en-US")
    expect(seen.page.get_by_role("button", name="Send message")).to_be_visible()
    expect(seen.page.locator("#streamlit-words")).to_have_count(0)
