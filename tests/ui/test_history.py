"""The list of conversations, as a person uses it."""

import json
import time
from pathlib import Path
from typing import Any

from openai import NotFoundError, OpenAI
from playwright.sync_api import Locator, expect

from tests.ui.looking import GROWING, GROWN, Looking, Seen
from xiaozhi.chat_models.scripted import Says, Scripted

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}


class Listed:
    """The sidebar of one page."""

    def __init__(self, seen: Seen) -> None:
        self.page = seen.page

    @property
    def rows(self) -> Locator:
        return self.page.locator('[class*="st-key-row_"]')

    @property
    def groups(self) -> Locator:
        return self.page.locator('.st-key-history [data-testid="stCaptionContainer"]')

    def row(self, words: str) -> Locator:
        return self.rows.filter(has_text=words)

    def group_of(self, words: str) -> Locator:
        """The name of the group that it stands in; also while the list is drawn anew."""
        before = "xpath=preceding::*[@data-testid='stCaptionContainer'][1]"
        return self.row(words).last.locator(before)

    def open(self, words: str) -> None:
        self.row(words).locator('[class*="st-key-rowopen_"] button').click()

    def do(self, words: str, action: str) -> None:
        menu = self.row(words).locator('[class*="st-key-rowmenu_"] button')
        # While the list is drawn anew a row may hold the old one too, for a moment.
        expect(menu).to_have_count(1)
        self.row(words).hover()
        menu.click()
        self.page.get_by_role("menuitem", name=action).click()

    def search(self, words: str) -> None:
        self.page.locator(".st-key-search input").fill(words)


def thread_of(seen: Seen) -> str:
    return seen.page.url.partition("?c=")[2]


def begun(client: OpenAI, title: str, said: str = "你好", shelf: str = "recent") -> str:
    """A conversation as the page would have made it."""
    return client.beta.threads.create(
        messages=[{"role": "user", "content": said}],
        metadata={"app": "xiaozhi", "shelf": shelf, "title": title},
    ).id


def is_there(client: OpenAI, thread: str) -> bool:
    try:
        client.beta.threads.retrieve(thread)
    except NotFoundError:
        return False
    return True


def test_a_conversation_is_listed_named_and_opened_again(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [Says("苹果是水果", think=1.0), Says("梨也是")]
    seen = look()
    listed = Listed(seen)
    seen.ask("苹果 是什么？")
    # By its first words, until the model has found a title; nothing waits for that.
    expect(listed.row("苹果 是什么？")).to_be_visible()
    expect(listed.row("苹果★")).to_be_visible()
    seen.says("苹果是水果")
    assert client.beta.threads.retrieve(thread_of(seen)).metadata == {
        "app": "xiaozhi",
        "shelf": "recent",
        "title": "苹果★",
    }
    apple = seen.page.url
    expect(listed.groups.filter(has_text="今天")).to_be_visible()
    seen.button("新对话").first.click()
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    expect(seen.questions).to_have_count(0)
    seen.ask("梨子 是什么？")
    seen.says("梨也是")
    expect(listed.rows.first).to_contain_text("梨子")
    expect(seen.page.locator('[class*="st-key-row_"][class*="_on"]')).to_contain_text("梨子")
    listed.open("苹果★")
    seen.says("苹果是水果")
    expect(seen.questions).to_have_text(["苹果 是什么？"])
    assert seen.page.url == apple
    expect(seen.page.locator('[class*="st-key-row_"][class*="_on"]')).to_contain_text("苹果★")


def test_it_works_while_an_answer_grows(look: Looking, client: OpenAI, model: Scripted):
    begun(client, "旁边的谈话", "旁边说过的话")
    model.script = [GROWING]
    seen = look()
    listed = Listed(seen)
    with model.held():
        seen.ask("慢慢说吧")
        expect(seen.answers.last).to_contain_text("字1")
        listed.search("旁边")
        expect(listed.rows).to_have_count(1)
        listed.do("旁边的谈话", "置顶")
        listed.search("")
        expect(listed.groups.first).to_have_text("置顶")
        expect(seen.answers.last).to_contain_text("▌")
        growing = seen.page.url
        listed.open("旁边的谈话")
        expect(seen.questions).to_have_text(["旁边说过的话"])
        seen.page.goto(growing)
        expect(seen.answers.last).to_contain_text("▌")
    seen.says(GROWN)


def test_found_by_title_and_by_text_while_typing(look: Looking, client: OpenAI):
    begun(client, "龙井的泡法", "水温八十五度")
    begun(client, "Green tea", "Eighty-five degrees is *enough* for longjing")
    begun(client, "放起来的普洱", "陈年的茶", shelf="archived")
    seen = look()
    listed = Listed(seen)
    listed.search("井的")
    expect(listed.rows).to_have_count(1)
    expect(listed.rows).to_contain_text("龙井的泡法")
    listed.search("八十五")
    expect(listed.rows).to_contain_text("水温八十五度")
    listed.search("ENOUGH longjing")
    expect(listed.rows).to_contain_text("is *enough* for")
    listed.search("普洱")
    expect(listed.rows).to_contain_text("放起来的普洱")
    listed.search("没有人说过的话")
    expect(seen.page.get_by_text("没有找到")).to_be_visible()
    expect(listed.rows).to_have_count(0)


def test_renamed(look: Looking, client: OpenAI):
    thread = begun(client, "旧名字甲")
    seen = look()
    listed = Listed(seen)
    listed.do("旧名字甲", "重命名")
    name = seen.page.locator(".st-key-naming input")
    expect(name).to_be_focused()
    name.fill("新名字 **乙** :smile:")
    name.press("Enter")
    expect(listed.row("新名字 **乙**")).to_be_visible()
    expect(listed.row("旧名字甲")).to_have_count(0)
    metadata = client.beta.threads.retrieve(thread).metadata
    assert metadata == {"app": "xiaozhi", "shelf": "recent", "title": "新名字 **乙** :smile:"}
    listed.do("新名字 **乙**", "重命名")
    seen.page.locator(".st-key-naming").get_by_role("button", name="取消").click()
    expect(listed.row("新名字 **乙**")).to_be_visible()


def test_pinned_and_archived_as_any_client_sees(look: Looking, client: OpenAI):
    thread = begun(client, "要留着的丙")
    seen = look()
    listed = Listed(seen)

    def shelf() -> str:
        return (client.beta.threads.retrieve(thread).metadata or {})["shelf"]

    listed.do("要留着的丙", "置顶")
    expect(listed.group_of("要留着的丙")).to_have_text("置顶")
    expect(listed.row("要留着的丙")).to_have_count(1)
    expect(seen.page.get_by_role("menuitem")).to_have_count(0)
    assert shelf() == "pinned"
    listed.do("要留着的丙", "取消置顶")
    expect(listed.group_of("要留着的丙")).to_have_text("今天")
    expect(listed.row("要留着的丙")).to_have_count(1)
    listed.do("要留着的丙", "归档")
    expect(listed.row("要留着的丙")).to_have_count(0)
    assert shelf() == "archived"
    seen.button("归档箱").click()
    expect(listed.row("要留着的丙")).to_be_visible()
    listed.do("要留着的丙", "取消归档")
    expect(listed.row("要留着的丙")).to_have_count(0)
    seen.button("返回对话列表").click()
    expect(listed.row("要留着的丙")).to_be_visible()
    assert shelf() == "recent"


def test_deleted_with_a_moment_to_think_again(look: Looking, client: OpenAI):
    thread = begun(client, "删错了的丁", "不该丢的话")
    # Where the earlier versions of its answers are
    beside = client.beta.threads.create(metadata={"kept_for": thread}).id
    seen = look(f"{look.address}?c={thread}")
    listed = Listed(seen)
    listed.do("删错了的丁", "删除")
    expect(seen.page.get_by_text("已删除：删错了的丁")).to_be_visible()
    expect(listed.row("删错了的丁")).to_have_count(0)
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    seen.button("撤销").click()
    expect(listed.row("删错了的丁")).to_be_visible()
    expect(seen.questions).to_have_text(["不该丢的话"])
    # And where nobody thinks again, it is gone, also when the page was closed.
    listed.do("删错了的丁", "删除")
    expect(seen.page.get_by_text("已删除：删错了的丁")).to_be_visible()
    expect(seen.button("撤销")).to_be_hidden()
    seen.page.close()
    until = time.monotonic() + 30
    while is_there(client, thread):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert not is_there(client, beside)


def test_exported_to_read_and_for_programs(look: Looking, model: Scripted):
    model.script = [Says("因为 **瑞利** 散射。")]
    seen = look()
    listed = Listed(seen)
    seen.ask("蓝天 为什么？")
    seen.says("因为 瑞利 散射。")
    listed.do("蓝天★", "导出")
    export = seen.page.locator(".st-key-export")
    with seen.page.expect_download() as download:
        export.get_by_role("button", name="Markdown").click()
    assert download.value.suggested_filename == "蓝天.md"
    text = Path(download.value.path()).read_text()
    assert text.startswith("# 蓝天★\n\n**你** · 20")
    assert "\n\n蓝天 为什么？\n\n**小智·Zero** · " in text
    assert text.endswith("因为 **瑞利** 散射。\n")
    with seen.page.expect_download() as download:
        export.get_by_role("button", name="JSON").click()
    thread = json.loads(Path(download.value.path()).read_text())
    assert thread["id"] == thread_of(seen)
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant"]
    export.get_by_role("button", name="关闭").click()
    expect(export).to_have_count(0)


def test_thirty_at_a_time_and_none_of_other_programs(look: Looking, client: OpenAI):
    foreign = client.beta.threads.create(metadata={"title": "别的程序的"})
    for number in range(65):
        begun(client, f"第 {number} 段", shelf="archived")
    seen = look()
    listed = Listed(seen)
    seen.button("归档箱").click()
    expect(listed.rows).to_have_count(30)
    expect(listed.rows.first).to_contain_text("第 64 段")
    seen.button("更多对话").click()
    expect(listed.rows).to_have_count(60)
    listed.search("别的程序的")
    expect(seen.page.get_by_text("没有找到")).to_be_visible()
    # It is opened by its address all the same.
    other = look(f"{look.address}?c={foreign.id}")
    expect(other.composer).to_be_visible()


def test_the_drawer_of_a_phone_closes_behind_a_choice(look: Looking, client: OpenAI):
    begun(client, "手机上的戊", "在路上说的")
    seen = look(**PHONE)
    listed = Listed(seen)
    seen.page.locator('[data-testid="stExpandSidebarButton"]').click()
    expect(listed.row("手机上的戊")).to_be_in_viewport()
    expect(listed.row("手机上的戊").locator('[class*="st-key-rowmenu_"]')).to_be_visible()
    listed.open("手机上的戊")
    expect(seen.questions).to_have_text(["在路上说的"])
    expect(listed.row("手机上的戊")).not_to_be_in_viewport()


def test_the_list_speaks_english_too(look: Looking, client: OpenAI):
    begun(client, "An English one", shelf="pinned")
    seen = look(locale="en-US")
    listed = Listed(seen)
    expect(listed.groups.first).to_have_text("Pinned")
    expect(seen.page.get_by_placeholder("Search conversations")).to_be_visible()
    listed.do("An English one", "Delete")
    expect(seen.page.get_by_text("Deleted: An English one")).to_be_visible()
