"""A question that is edited: its earlier version is kept, with all that followed it."""

import re
from typing import Any

from openai import OpenAI
from playwright.sync_api import Locator, expect

from tests.ui.looking import Looking, Seen
from tests.ui.test_answer_row import said_to, thread_of
from xiaozhi.chat_models.scripted import Fails, Says, Scripted

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}


def row(seen: Seen, number: int) -> Locator:
    """The row under one of the questions; 0 is the first."""
    return seen.page.locator('[class*="st-key-asked_"]:not([data-stale="true"])').nth(number)


def field(seen: Seen) -> Locator:
    """Where a question is edited."""
    return seen.page.get_by_role("textbox", name="编辑问题")


def begin_to_edit(seen: Seen, number: int) -> Locator:
    seen.questions.nth(number).hover()
    row(seen, number).get_by_role("button", name="编辑问题").click()
    expect(field(seen)).to_be_focused()
    return field(seen)


def edit(seen: Seen, number: int, words: str) -> None:
    begin_to_edit(seen, number).fill(words)
    field(seen).press("Enter")


def turn(seen: Seen, number: int, words: str) -> None:
    row(seen, number).get_by_role("button", name=words).click()


def are(seen: Seen, *questions: str) -> None:
    expect(seen.questions).to_have_text(list(questions))


def answers_are(seen: Seen, *answers: str) -> None:
    expect(seen.answers).to_have_text(list(answers))


def talked(look: Looking, model: Scripted, *more: Says | Fails) -> Seen:
    """A page with three questions, answered by their number; `more` answers follow."""
    model.script = [Says("答一"), Says("答二"), Says("答三"), *more]
    seen = look()
    for question, answer in (("问一", "答一"), ("问二", "答二"), ("问三", "答三")):
        seen.ask(question)
        seen.says(answer)
    return seen


def messages_of(client: OpenAI, seen: Seen) -> list[object]:
    """All that the API says of them but for how many versions there are."""
    found = list(client.beta.threads.messages.list(thread_of(seen), order="asc"))
    for message in found:
        (message.metadata or {}).pop("branches_of", None)
    return list(found)


def test_the_earlier_version_comes_back_with_all_that_followed_it(
    look: Looking, client: OpenAI, model: Scripted
):
    seen = talked(look, model, Says("答新"), Says("答更新"), Says("后来"))
    edit(seen, 1, "问新")
    seen.says("答新")
    are(seen, "问一", "问新")
    expect(row(seen, 1)).to_contain_text("2/2")
    # What is not shown is not in the prompt.
    assert said_to(model) == ["问一", "答一", "问新"]
    second = messages_of(client, seen)
    turn(seen, 1, "上一个版本")
    answers_are(seen, "答一", "答二", "答三")
    are(seen, "问一", "问二", "问三")
    expect(row(seen, 1)).to_contain_text("1/2")
    first = messages_of(client, seen)
    # A third version, made of the first one
    edit(seen, 1, "问更新")
    seen.says("答更新")
    expect(row(seen, 1)).to_contain_text("3/3")
    turn(seen, 1, "上一个版本")
    answers_are(seen, "答一", "答新")
    expect(row(seen, 1)).to_contain_text("2/3")
    assert messages_of(client, seen) == second
    turn(seen, 1, "上一个版本")
    answers_are(seen, "答一", "答二", "答三")
    assert messages_of(client, seen) == first
    seen.page.reload()
    are(seen, "问一", "问二", "问三")
    expect(row(seen, 1)).to_contain_text("1/3")
    expect(row(seen, 1).get_by_role("button", name="上一个版本")).to_be_disabled()
    seen.ask("问四")
    seen.says("后来")
    assert said_to(model) == ["问一", "答一", "问二", "答二", "问三", "答三", "问四"]


def test_a_version_can_have_versions_in_it(look: Looking, model: Scripted):
    seen = talked(look, model, Says("答三新"), Says("答一新"))
    edit(seen, 2, "问三新")
    seen.says("答三新")
    edit(seen, 0, "问一新")
    seen.says("答一新")
    are(seen, "问一新")
    turn(seen, 0, "上一个版本")
    answers_are(seen, "答一", "答二", "答三新")
    expect(row(seen, 2)).to_contain_text("2/2")
    turn(seen, 2, "上一个版本")
    answers_are(seen, "答一", "答二", "答三")
    turn(seen, 0, "下一个版本")
    answers_are(seen, "答一新")


def test_another_tab_sees_it(look: Looking, model: Scripted):
    one = talked(look, model, Says("答新"))
    other = look(one.page.url)
    are(other, "问一", "问二", "问三")
    edit(one, 1, "问新")
    one.says("答新")
    # The other one does not know yet that the question has left: the words are not lost.
    edit(other, 1, "也要改")
    expect(other.page.get_by_text("这个问题已经在别处被修改或删除")).to_be_visible()
    expect(other.composer).to_have_value("也要改")
    are(other, "问一", "问新")
    expect(row(other, 1)).to_contain_text("2/2")


def test_nothing_is_sent_in_mid_composition_and_escape_leaves(look: Looking, model: Scripted):
    seen = talked(look, model)
    area = begin_to_edit(seen, 1)
    expect(area).to_have_value("问二")
    expect(seen.questions.nth(1)).to_have_text("问二")
    expect(seen.page.get_by_text("问二", exact=True)).to_be_hidden()
    area.fill("wen")
    composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})"
    area.evaluate(f"area => area.dispatchEvent({composing})")
    area.press("Shift+Enter")
    expect(area).to_have_value("wen\n")
    area.fill("  ")
    expect(row(seen, 1).get_by_role("button", name="发送")).to_be_disabled()
    area.press("Enter")
    area.press("Escape")
    expect(area).to_have_count(0)
    expect(row(seen, 1).get_by_role("button", name="编辑问题")).to_be_focused()
    begin_to_edit(seen, 1).fill("不要了")
    row(seen, 1).get_by_role("button", name="取消").click()
    expect(field(seen)).to_have_count(0)
    expect(seen.page.get_by_text("问二", exact=True)).to_be_visible()
    expect(begin_to_edit(seen, 1)).to_have_value("问二")
    assert len(model.requests) == 3


def test_while_an_answer_grows_the_words_wait_in_their_place(look: Looking, model: Scripted):
    seen = talked(look, model, Says(["啊"] * 5000, pause=0.05), Says("答新"))
    seen.ask("问四")
    expect(seen.answers.last).to_contain_text("啊啊")
    edit(seen, 1, "问新")
    expect(seen.page.get_by_text("正在回答。请等它结束")).to_be_visible()
    expect(field(seen)).to_have_value("问新")
    seen.stop.click()
    expect(seen.stop).to_have_count(0)
    expect(field(seen)).to_have_value("问新")
    field(seen).press("Enter")
    seen.says("答新")
    are(seen, "问一", "问新")


def test_what_is_being_typed_outlives_the_end_of_an_answer(look: Looking, model: Scripted):
    seen = talked(look, model, Says(["啊"] * 5000, pause=0.05))
    seen.ask("问四")
    expect(seen.answers.last).to_contain_text("啊啊")
    begin_to_edit(seen, 0).fill("写到一半")
    # Stopped in another tab, so that nothing takes the focus here
    other = look(seen.page.url)
    other.stop.click()
    expect(seen.stop).to_have_count(0)
    expect(row(seen, 3)).to_be_visible()
    expect(field(seen)).to_have_value("写到一半")
    expect(field(seen)).to_be_focused()


def test_a_model_that_fails_leaves_the_question_and_a_way_on(look: Looking, model: Scripted):
    seen = talked(look, model, Fails(401, "Incorrect API key"), Says("好了"))
    edit(seen, 1, "问新")
    expect(seen.page.get_by_text("模型服务拒绝了密钥。")).to_be_visible()
    are(seen, "问一", "问新")
    expect(row(seen, 1)).to_contain_text("2/2")
    seen.button("再试一次").click()
    seen.says("好了")
    expect(row(seen, 1)).to_contain_text("2/2")


def test_what_was_not_answered_can_be(look: Looking, client: OpenAI, model: Scripted):
    seen = talked(look, model, Says("答四"))
    client.beta.threads.messages.create(thread_of(seen), role="user", content="问四")
    seen.page.reload()
    expect(seen.page.get_by_text("还没有回答")).to_be_visible()
    seen.button("再试一次").click()
    seen.says("答四")
    expect(seen.page.get_by_text("还没有回答")).to_have_count(0)


def test_pictures_of_a_question_stay(look: Looking, client: OpenAI, model: Scripted):
    dot = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    picture = {"type": "image_url", "image_url": {"url": dot, "detail": "low"}}
    asked = [{"type": "text", "text": "这是什么？"}, picture]
    thread = client.beta.threads.create(messages=[{"role": "user", "content": asked}])  # type: ignore[list-item, typeddict-item]  # plain dicts
    model.script = [Says("一个点")]
    seen = look(f"{look.address}?c={thread.id}")
    edit(seen, 0, "那是什么？")
    seen.says("一个点")
    (question, _answer) = client.beta.threads.messages.list(thread.id, order="asc")
    words, kept = (part.to_dict() for part in question.content)
    assert words["text"] == {"value": "那是什么？", "annotations": []}
    assert kept == picture


def test_hidden_versions_are_in_no_list_and_no_search(look: Looking, model: Scripted):
    seen = talked(look, model, Says("答新"))
    edit(seen, 1, "问麒麟")
    seen.says("答新")
    turn(seen, 1, "上一个版本")
    answers_are(seen, "答一", "答二", "答三")
    rows = seen.page.locator('[class*="st-key-rowopen_"]')
    search = seen.page.get_by_role("searchbox", name="搜索对话")
    search.fill("问麒麟")
    expect(seen.page.get_by_text("没有找到")).to_be_visible()
    search.fill("问三")
    expect(rows.first).to_contain_text("问三")


def test_a_question_is_edited_on_a_phone(look: Looking, model: Scripted):
    model.script = [Says("答一"), Says("答新")]
    seen = look(**PHONE)
    seen.ask("问一")
    seen.says("答一")
    pencil = row(seen, 0).get_by_role("button", name="编辑问题")
    box = pencil.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 40
    pencil.tap()
    field(seen).fill("问新")
    send = row(seen, 0).get_by_role("button", name="发送")
    box = send.bounding_box()
    assert box
    assert box["height"] >= 40
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    send.tap()
    seen.says("答新")
    expect(row(seen, 0)).to_have_text(re.compile("2/2"))
