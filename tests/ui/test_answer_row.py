"""What a person can do with an answer that stands."""

import re
import time

from openai import OpenAI
from playwright.sync_api import expect

from tests.ui.looking import Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted


def said_to(model: Scripted) -> list[str]:
    """What the model was asked last, without the instructions."""
    return [said["content"] for said in model.requests[-1]["messages"] if said["role"] != "system"]


def thread_of(seen: Seen) -> str:
    return seen.page.url.split("c=")[1]


def has_vote(seen: Seen, client: OpenAI, vote: str | None) -> bool:
    """Whether the last answer comes to have this thumb."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        newest = client.beta.threads.messages.list(thread_of(seen), limit=1).data[0]
        if (newest.metadata or {}).get("feedback") == vote:
            return True
        seen.page.wait_for_timeout(100)
    return False


def test_an_answer_is_copied_as_the_model_wrote_it(look: Looking, model: Scripted):
    model.script = [Says("**粗** 和 `码`")]
    seen = look()
    seen.ask("写点什么")
    seen.says("粗 和 码")
    seen.page.get_by_role("button", name="复制", exact=True).click()
    expect(seen.button("已复制")).to_be_visible()
    # Where it was copied to: the composer takes it.
    seen.composer.focus()
    seen.page.keyboard.press("Control+V")
    expect(seen.composer).to_have_value("**粗** 和 `码`")


def test_a_thumb_is_kept_and_can_be_taken_back(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("好")]
    seen = look()
    seen.ask("你好")
    seen.says("好")
    good, bad = seen.button("回答得好"), seen.button("回答得不好")
    good.first.click()
    assert has_vote(seen, client, "up")
    seen.page.reload()
    expect(good.first).to_have_attribute("aria-pressed", "true")
    bad.click()
    expect(good.first).to_have_attribute("aria-pressed", "false")
    bad.click()
    assert has_vote(seen, client, None)


def test_another_answer_is_asked_for_and_the_first_one_kept(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("第一个"), Says("第二个"), Says("第三个"), Says("谢谢")]
    seen = look()
    # What is about to go is still in the page for a moment, as stale.
    row = seen.page.locator('[class*="st-key-under_"][data-stale="false"]')
    seen.ask("说一个")
    seen.says("第一个")
    row.get_by_role("button", name="重新回答").click()
    seen.says("第二个")
    expect(row).to_contain_text("2/2")
    # What is not shown is not in the prompt.
    assert said_to(model) == ["说一个"]
    row.get_by_role("button", name="重新回答").click()
    seen.says("第三个")
    expect(row).to_contain_text("3/3")
    row.get_by_role("button", name="上一个版本").click()
    seen.says("第二个")
    expect(row).to_contain_text("2/3")
    row.get_by_role("button", name="上一个版本").click()
    seen.says("第一个")
    # A thumb belongs to its version.
    row.get_by_role("button", name="回答得好").click()
    assert has_vote(seen, client, "up")
    row.get_by_role("button", name="下一个版本").click()
    seen.says("第二个")
    expect(row.get_by_role("button", name="回答得好")).to_have_attribute("aria-pressed", "false")
    row.get_by_role("button", name="上一个版本").click()
    seen.says("第一个")
    expect(row.get_by_role("button", name="回答得好")).to_have_attribute("aria-pressed", "true")
    seen.page.reload()
    expect(row).to_contain_text("1/3")
    expect(row.get_by_role("button", name="上一个版本")).to_be_disabled()
    row.get_by_role("button", name="下一个版本").click()
    seen.says("第二个")
    seen.ask("谢谢")
    seen.says("谢谢")
    assert said_to(model) == ["说一个", "第二个", "谢谢"]
    expect(seen.questions).to_have_count(2)
    expect(seen.answers).to_have_count(2)


def test_it_is_told_who_answered_and_what_it_took(look: Looking, model: Scripted):
    model.script = [Says(["字"] * 40, pause=0.1)]
    seen = look(locale="en-US")
    seen.ask("hello")
    seen.says("字" * 40)
    row = seen.page.locator('[class*="st-key-under_"]')
    told = re.compile(r"^Scripted · \d+:\d\d.[AP]M · 40 tokens · \d+ tokens/s$")
    expect(row).to_have_text(told)
