"""Versions of answers: nothing of them is lost, in two tabs, with pictures, and as once stored."""

from typing import Any

from openai import OpenAI
from openai.types.beta.threads import Message
from playwright.sync_api import Locator, expect

from tests.ui.looking import Looking, Seen
from tests.ui.test_answer_row import said_to, thread_of
from tests.ui.test_pictures import picture
from xiaozhi.chat_models.scripted import Fails, Says, Scripted
from xiaozhi.ui.question import Picture


def row(seen: Seen) -> Locator:
    """What stands under the last answer."""
    return seen.page.locator('[class*="st-key-under_"][data-stale="false"]').last


def press(seen: Seen, words: str) -> None:
    row(seen).get_by_role("button", name=words).click()


def messages_of(client: OpenAI, thread: str) -> list[Message]:
    return list(client.beta.threads.messages.list(thread, order="asc"))


def answered(look: Looking, model: Scripted, *more: str) -> Seen:
    """A page with a question and its first answer; the model says `more` when it is asked again."""
    model.script = [Says("第一个"), *(Says(each) for each in more)]
    seen = look()
    seen.ask("说一个")
    seen.says("第一个")
    return seen


def test_a_tab_that_was_drawn_before_loses_no_version(
    look: Looking, client: OpenAI, model: Scripted
):
    one = answered(look, model, "第二个", "第三个", "第四个")
    other = look(one.page.url)
    other.says("第一个")
    for words in ("第二个", "第三个"):
        press(one, "重新回答")
        one.says(words)
    expect(row(one)).to_contain_text("3/3")
    # Here it is the first answer still.
    press(other, "重新回答")
    other.says("第四个")
    expect(row(other)).to_contain_text("4/4")
    assert said_to(model) == ["说一个"]
    for number, words in ((3, "第三个"), (2, "第二个"), (1, "第一个")):
        press(other, "上一个版本")
        other.says(words)
        expect(row(other)).to_contain_text(f"{number}/4")
    # The first tab shows the third one still; its click means what it says there.
    press(one, "上一个版本")
    one.says("第二个")
    expect(row(one)).to_contain_text("2/4")
    press(one, "下一个版本")
    one.says("第三个")
    press(one, "下一个版本")
    one.says("第四个")
    assert [message.role for message in messages_of(client, thread_of(one))] == [
        "user",
        "assistant",
    ]


def test_an_answer_that_is_not_the_last_one_any_more_stays(look: Looking, model: Scripted):
    one = answered(look, model, "不客气")
    other = look(one.page.url)
    other.says("第一个")
    one.ask("谢谢")
    one.says("不客气")
    press(other, "重新回答")
    expect(other.page.get_by_text("这个对话已经在别处有了变化")).to_be_visible()
    expect(other.questions).to_have_text(["说一个", "谢谢"])
    expect(other.answers).to_have_text(["第一个", "不客气"])
    assert len(model.requests) == 2


def test_an_answer_comes_back_as_it_was(look: Looking, client: OpenAI, model: Scripted):
    """With its id, its pictures, its run, its times and what other programs have noted in it."""
    shown = Picture(picture()["buffer"], "image/png").url
    content: Any = [
        {"type": "text", "text": "看："},
        {"type": "image_url", "image_url": {"url": shown, "detail": "high"}},
    ]
    messages: Any = [
        {"role": "user", "content": "画一个"},
        {"role": "assistant", "content": content, "metadata": {"mood": "red", "feedback": "up"}},
    ]
    thread = client.beta.threads.create(messages=messages)
    question, before = messages_of(client, thread.id)
    model.script = [Says("没有图")]
    seen = look(f"{look.address}?c={thread.id}")
    image = seen.page.locator('[class*="st-key-a_"] [data-testid="stImage"] img')
    expect(image).to_be_visible()
    press(seen, "重新回答")
    seen.says("没有图")
    expect(row(seen)).to_contain_text("2/2")
    second = messages_of(client, thread.id)[1]
    press(seen, "上一个版本")
    expect(image).to_be_visible()
    expect(row(seen)).to_contain_text("1/2")
    asked, after = messages_of(client, thread.id)
    assert after.metadata == {"mood": "red", "feedback": "up", "version": "1"}
    assert after.to_dict() | {"metadata": None} == before.to_dict() | {"metadata": None}
    assert asked.id == question.id
    press(seen, "下一个版本")
    seen.says("没有图")
    after = messages_of(client, thread.id)[1]
    assert after.run_id
    assert after.to_dict() | {"metadata": None} == second.to_dict() | {"metadata": None}


def test_copies_as_they_were_stored_once_are_versions_too(
    look: Looking, client: OpenAI, model: Scripted
):
    """As of November 2026: one that is shown lies in the archive as well."""
    threads = client.beta.threads
    thread = threads.create(messages=[{"role": "user", "content": "说一个"}]).id
    archive = threads.create(metadata={"kept_for": thread}).id
    copies: list[dict[str, str]] = [
        {"version": str(number), "at": "1700000000", "run": f"run_{number}", "model": "scripted"}
        for number in (1, 2, 3)
    ]
    for number, metadata in enumerate(copies, 1):
        threads.messages.create(archive, role="assistant", content=f"旧{number}", metadata=metadata)
    [question] = messages_of(client, thread)
    marks = {"versions": archive, "version": "2", "versions_of": "3"}
    threads.messages.update(question.id, thread_id=thread, metadata=marks)
    threads.messages.create(thread, role="assistant", content="旧2", metadata=copies[1])
    model.script = [Says("新4")]
    seen = look(f"{look.address}?c={thread}")
    seen.says("旧2")
    expect(row(seen)).to_contain_text("2/3")
    expect(row(seen)).to_contain_text("Scripted")
    for words, shown, place in (
        ("下一个版本", "旧3", "3/3"),
        ("上一个版本", "旧2", "2/3"),
        ("上一个版本", "旧1", "1/3"),
        ("下一个版本", "旧2", "2/3"),
        ("重新回答", "新4", "4/4"),
        ("上一个版本", "旧3", "3/4"),
        ("上一个版本", "旧2", "2/4"),
    ):
        press(seen, words)
        seen.says(shown)
        expect(row(seen)).to_contain_text(place)
    expect(seen.answers).to_have_count(1)


def test_a_version_that_failed_before_its_first_word_is_none(look: Looking, model: Scripted):
    seen = answered(look, model)
    model.script = [Fails(401, "Incorrect API key")]
    press(seen, "重新回答")
    expect(seen.button("再试一次")).to_be_visible()
    press(seen, "上一个版本")
    seen.says("第一个")
    expect(row(seen)).not_to_contain_text("/")
