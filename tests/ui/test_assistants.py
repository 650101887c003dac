"""Who answers: chosen, made, changed and deleted, as a person does it."""

import re
from typing import Any

import pytest
from openai import NotFoundError, OpenAI
from playwright.sync_api import Locator, expect

from tests.running import until
from tests.ui.conftest import OLD_ASSISTANT
from tests.ui.looking import GROWING, GROWN, Looking, Seen
from tests.ui.test_history import PHONE
from xiaozhi.chat_models.scripted import Says, Scripted


@pytest.fixture(autouse=True)
def none_of_other_tests(client: OpenAI) -> None:
    """The server is that of all tests of the page."""
    for assistant in client.beta.assistants.list(limit=100):
        if assistant.id != OLD_ASSISTANT:
            client.beta.assistants.delete(assistant.id)


class Gallery:
    """The page of assistants."""

    def __init__(self, seen: Seen) -> None:
        self.seen, self.page = seen, seen.page

    @property
    def rows(self) -> Locator:
        return self.page.locator('[class*="st-key-assistant_asst_"]')

    def field(self, label: str) -> Locator:
        found = self._all(label)
        # While the page is drawn anew it may hold the old one too, for a moment.
        expect(found).to_have_count(1)
        return found

    def holds(self, label: str, value: str) -> None:
        """That field, and no old one beside it, has `value`; now or soon."""
        found = self._all(label)
        until(lambda: found.evaluate_all("all => all.map(one => one.value)") == [value], 30)

    def _all(self, label: str) -> Locator:
        return self.page.locator(".st-key-assistants_page").get_by_label(label, exact=True)

    def row(self, words: str) -> Locator:
        return self.rows.filter(has_text=words)

    def edit(self, words: str) -> None:
        self.row(words).locator('[class*="st-key-assistantopen_"] button').click()
        self.holds("名称", words)

    def press(self, words: str) -> None:
        self.page.locator(".st-key-assistants_page").get_by_role("button", name=words).click()


def gallery(look: Looking, which: str = "", **options: Any) -> Gallery:
    found = Gallery(look.at(f"{look.address}?page=assistants{which}", **options))
    expect(found.page.locator(".st-key-assistants_page")).to_be_visible()
    return found


def picker(seen: Seen) -> Locator:
    return seen.page.locator(".st-key-who button").first


def choose(seen: Seen, words: str) -> None:
    picker(seen).click()
    seen.page.get_by_role("radiogroup").get_by_text(words, exact=True).click()
    expect(picker(seen)).to_contain_text(words)
    seen.page.keyboard.press("Escape")
    expect(seen.page.get_by_role("radiogroup")).to_be_hidden()


def kept(client: OpenAI, seen: Seen) -> dict[str, str]:
    """What the conversation's metadata say of who answers."""
    thread = client.beta.threads.retrieve(seen.page.url.partition("c=")[2])
    metadata = thread.metadata or {}
    return {key: metadata[key] for key in ("assistant", "model") if key in metadata}


def instructions_of(model: Scripted) -> str:
    """The last that the model was given."""
    return str(model.requests[-1]["messages"][0]["content"])


def test_made_talked_to_and_found_again(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Says("俳句一首")]
    seen = look()
    page = Gallery(seen)
    seen.page.get_by_role("button", name="助手", exact=True).click()
    expect(page.row("小智·Zero")).to_contain_text("默认")
    page.press("新建助手")
    page.field("名称").fill("诗人 **甲**")
    page.field("简介").fill("只写俳句")
    page.field("指令").fill("Only haiku.")
    page.field("函数").fill('[\n  {"name": "rhyme"},\n]')
    page.press("创建")
    # What is wrong is told with its line, and nothing typed is lost.
    expect(seen.page.get_by_text("第 3 行：这里缺少一个值")).to_be_visible()
    expect(seen.page.get_by_text("没有保存")).to_be_visible()
    page.holds("指令", "Only haiku.")
    page.field("函数").fill('[\n  {"name": "rhyme"}\n]')
    page.press("创建")
    expect(seen.page.get_by_text("已保存")).to_be_visible()
    expect(seen.page.get_by_role("heading", name="诗人 **甲**")).to_be_visible()
    made = client.beta.assistants.list(limit=1).data[0]
    assert (made.name, made.description, made.instructions, made.model) == (
        "诗人 **甲**",
        "只写俳句",
        "Only haiku.",
        "default",
    )
    assert [tool.to_dict()["type"] for tool in made.tools] == ["function"]
    assert seen.page.url.endswith(f"a={made.id}")
    page.press("开始对话")
    expect(picker(seen)).to_contain_text("诗人 **甲**")
    seen.ask("写一首")
    seen.says("俳句一首")
    assert instructions_of(model) == "Only haiku."
    assert kept(client, seen) == {"assistant": made.id}
    seen.page.reload()
    expect(picker(seen)).to_contain_text("诗人 **甲**")
    # A new conversation begins with the default again.
    seen.button("新对话").first.click()
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    expect(picker(seen)).to_have_text(re.compile("^Scripted"))


def test_chosen_in_a_conversation_and_seen_everywhere(
    look: Looking, client: OpenAI, model: Scripted
):
    coach = client.beta.assistants.create(model="scripted", name="教练", instructions="Coach.")
    gallery(look).page.close()
    model.script = [Says("一"), Says("二"), Says("三"), Says("四")]
    seen = look()
    seen.ask("先问")
    seen.says("一")
    assert kept(client, seen) == {}
    choose(seen, "教练")
    seen.ask("再问")
    seen.says("二")
    assert instructions_of(model) == "Coach."
    assert kept(client, seen) == {"assistant": coach.id}
    other = look(seen.page.url)
    expect(picker(other)).to_contain_text("教练")
    # Another program chooses a model, which no list has: it is asked for, and can be left again.
    thread = client.beta.threads.retrieve(seen.page.url.partition("c=")[2])
    client.beta.threads.update(thread.id, metadata={**(thread.metadata or {}), "model": "two"})
    other.page.reload()
    expect(picker(other)).to_contain_text("Two")
    other.ask("又问")
    other.says("三")
    assert model.requests[-1]["model"] == "two"
    picker(other).click()
    other.page.get_by_role("combobox", name=re.compile("模型")).click()
    other.page.get_by_role("option", name=re.compile("按助手的设置")).click()
    expect(picker(other)).to_contain_text("Scripted")
    other.page.keyboard.press("Escape")
    other.ask("还问")
    other.says("四")
    assert model.requests[-1]["model"] == "scripted"
    assert kept(client, other) == {"assistant": coach.id}


def test_one_that_was_deleted_leaves_a_way_on(look: Looking, client: OpenAI, model: Scripted):
    guest = client.beta.assistants.create(model="scripted", name="过客", instructions="Guest.")
    gallery(look).page.close()
    model.script = [Says("在"), Says("我来")]
    seen = look()
    choose(seen, "过客")
    seen.ask("在吗？")
    seen.says("在")
    client.beta.assistants.delete(guest.id)
    seen.ask("还在吗？")
    expect(seen.page.get_by_text("这里选用的助手已被删除")).to_be_visible()
    expect(seen.composer).to_have_value("还在吗？")
    seen.page.reload()
    expect(seen.page.get_by_text("这里选用的助手已被删除")).to_be_visible()
    expect(picker(seen)).to_have_text(re.compile("^Scripted"))
    seen.button("由 小智·Zero 继续").click()
    expect(seen.page.get_by_text("这里选用的助手已被删除")).to_be_hidden()
    assert kept(client, seen) == {}
    seen.ask("还在吗？")
    seen.says("我来")


def test_an_edit_keeps_what_the_page_does_not_know(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(
        model="scripted",
        name="旧名",
        metadata={"owner": "lin"},
        reasoning_effort="low",
        temperature=0.73,
    )
    page = gallery(look)
    page.edit("旧名")
    page.field("名称").fill("新名")
    # Meanwhile another client changes something else.
    client.beta.assistants.update(made.id, instructions="From elsewhere.")
    page.press("保存")
    expect(page.page.get_by_role("heading", name="新名")).to_be_visible()
    page.holds("指令", "From elsewhere.")
    now = client.beta.assistants.retrieve(made.id)
    assert (now.name, now.instructions) == ("新名", "From elsewhere.")
    assert (now.metadata, now.temperature) == ({"owner": "lin"}, 0.73)
    assert now.to_dict()["reasoning_effort"] == "low"


def test_what_the_server_refuses_is_told_and_nothing_is_lost(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(model="scripted", name="话多")
    page = gallery(look, f"&a={made.id}")
    long = "长" * 600
    page.field("简介").fill(long)
    page.field("指令").fill("Brief.")
    page.press("保存")
    expect(page.page.get_by_text("服务器拒绝了")).to_be_visible()
    page.holds("简介", long)
    # Also where somebody looks at something else in between.
    page.press("全部助手")
    page.edit("话多")
    page.holds("指令", "Brief.")
    expect(page.page.get_by_text("服务器拒绝了")).to_be_visible()
    page.field("指令").fill("Very brief.")
    page.field("指令").blur()
    expect(page.page.get_by_text("尚未保存")).to_be_visible()
    page.press("放弃修改")
    page.holds("简介", "")
    # And deleted under somebody's eyes, it is made anew from what was typed.
    page.field("简介").fill("短")
    client.beta.assistants.delete(made.id)
    page.press("保存")
    expect(page.page.get_by_text("它刚刚被删除了")).to_be_visible()
    page.press("创建")
    expect(page.page.get_by_text("已保存")).to_be_visible()
    again = client.beta.assistants.list(limit=1).data[0]
    assert (again.name, again.description) == ("话多", "短")


def test_an_answer_after_a_schema(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(model="scripted", name="守规矩")
    page = gallery(look, f"&a={made.id}")
    page.page.get_by_role("combobox", name=re.compile("回答的格式")).click()
    page.page.get_by_role("option", name="JSON，按 Schema").click()
    page.field("回答的 Schema").fill('{"name": "words", "schema": {"type": "object"}}')
    page.press("保存")
    expect(page.page.get_by_text("已保存")).to_be_visible()
    now = client.beta.assistants.retrieve(made.id).to_dict()
    assert now["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "words", "schema": {"type": "object"}},
    }


def test_deleted_only_after_a_question_back(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(model="scripted", name="要走的")
    page = gallery(look)
    page.row("要走的").get_by_role("button", name="删除 要走的").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("button", name="保留").click()
    expect(dialog).to_be_hidden()
    assert client.beta.assistants.retrieve(made.id).name == "要走的"
    page.row("要走的").get_by_role("button", name="删除 要走的").click()
    dialog.get_by_role("button", name="删除", exact=True).click()
    expect(page.row("要走的")).to_have_count(0)
    with pytest.raises(NotFoundError):
        client.beta.assistants.retrieve(made.id)


def test_the_address_can_be_kept_and_gone_back_from(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(model="scripted", name="有地址的")
    page = gallery(look)
    page.edit("有地址的")
    address = page.page.url
    assert address.endswith(f"?page=assistants&a={made.id}")
    page.page.go_back()
    expect(page.row("有地址的")).to_be_visible()
    page.page.go_forward()
    page.holds("名称", "有地址的")
    other = gallery(look, f"&a={made.id}")
    other.holds("名称", "有地址的")
    client.beta.assistants.delete(made.id)
    nowhere = gallery(look, f"&a={made.id}")
    expect(nowhere.page.get_by_text("这个助手不存在")).to_be_visible()
    nowhere.seen.button("新对话").first.click()
    expect(nowhere.seen.composer).to_be_visible()
    assert "page=" not in nowhere.page.url


def test_an_answer_goes_on_meanwhile(look: Looking, model: Scripted):
    model.script = [GROWING]
    seen = look()
    page = Gallery(seen)
    with model.held():
        seen.ask("慢慢说")
        expect(seen.answers.last).to_contain_text("字2")
        picker(seen).click()
        seen.button("编辑这个助手").click()
        page.holds("名称", "小智·Zero")
        expect(seen.questions).to_have_count(0)
        rows = seen.page.locator('[class*="st-key-rowopen_"] button')
        rows.filter(has_text="慢慢说").first.click()
        expect(seen.questions).to_have_text(["慢慢说"])
    seen.says(GROWN)


def test_a_person_has_a_default(look: Looking, client: OpenAI, model: Scripted):
    own = client.beta.assistants.create(model="scripted", name="常用的", instructions="Usual.")
    gallery(look).page.close()

    def cookie(value: str) -> dict[str, Any]:
        pair = {"name": "zero_assistant", "value": value, "domain": "127.0.0.1", "path": "/"}
        return {"storage_state": {"cookies": [pair], "origins": []}}

    model.script = [Says("好"), Says("也好")]
    seen = look(**cookie(own.id))
    expect(picker(seen)).to_contain_text("常用的")
    seen.ask("你好")
    seen.says("好")
    assert instructions_of(model) == "Usual."
    assert kept(client, seen) == {"assistant": own.id}
    # A cookie may hold anything.
    seen = look(**cookie("../threads"))
    expect(picker(seen)).to_have_text(re.compile("^Scripted"))
    seen.ask("你好")
    seen.says("也好")
    assert kept(client, seen) == {}


def test_it_fits_a_phone(look: Looking, client: OpenAI):
    made = client.beta.assistants.create(
        model="scripted", name="名字很长很长的助手" * 8, description="说明也很长" * 20
    )
    seen = look(**PHONE)
    page = Gallery(seen)
    seen.page.locator('[data-testid="stExpandSidebarButton"]').click()
    # While the page is drawn anew it may hold the old one too, for a moment.
    entry = seen.page.get_by_role("button", name="助手", exact=True).first
    entry.click()
    expect(page.row("名字很长")).to_be_visible()
    expect(entry).not_to_be_in_viewport()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.edit(made.name or "")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.press("开始对话")
    expect(picker(seen)).to_be_in_viewport(ratio=1)
    expect(seen.composer).to_be_visible()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_speaks_english_too(look: Looking, client: OpenAI):
    page = gallery(look, "&a=new", locale="en-US")
    expect(page.page.get_by_role("heading", name="New assistant")).to_be_visible()
    page.page.locator(".st-key-assistants_page").get_by_label("Functions").fill("[1]")
    page.page.get_by_role("button", name="Create").click()
    words = "Line 1: An object in curly brackets is expected here."
    expect(page.page.get_by_text(words)).to_be_visible()
