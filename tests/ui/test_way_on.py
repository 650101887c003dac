"""Answers that are not whole, and runs that wait: each has a sentence and a way on."""

import re

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.ui.conftest import at_a_function
from tests.ui.looking import Looking
from xiaozhi.chat_models.scripted import Calls, Fails, Hangs, Says, Scripted
from xiaozhi.ui.who_answers import readable


def test_a_stopped_answer_can_be_continued(look: Looking, model: Scripted):
    model.script = [Says(["啊"] * 2000, pause=0.02), Says("说完了。")]
    seen = look()
    seen.ask("一直说")
    expect(seen.answers.last).to_contain_text("啊啊啊")
    seen.stop.click()
    expect(seen.answers.last).to_have_text(re.compile("^啊+■ 已停止$"))
    seen.button("接着说").click()
    seen.says("说完了。")
    expect(seen.questions.last).to_have_text("请从刚才停下的地方接着说。")
    expect(seen.answers.first).to_contain_text("啊啊啊")
    expect(seen.button("接着说")).to_have_count(0)


def test_an_answer_that_was_too_long_can_be_continued(look: Looking, model: Scripted):
    model.script = [Says("前半", finish_reason="length"), Says("后半")]
    seen = look()
    seen.ask("说很多")
    expect(seen.answers.last).to_contain_text("回答达到了长度上限")
    seen.button("接着说").click()
    seen.says("后半")


def test_what_was_stopped_before_a_word_can_be_asked_again(look: Looking, model: Scripted):
    model.script = [Hangs(), Says("来了")]
    seen = look()
    seen.ask("在吗")
    seen.stop.click()
    expect(seen.page.get_by_text("已停止，还没有开始回答")).to_be_visible()
    seen.button("再试一次").click()
    seen.says("来了")
    expect(seen.questions).to_have_count(1)


def test_a_broken_answer_can_be_continued_too(look: Looking, model: Scripted):
    model.script = [Says("前半句", finish_reason=None), Says("后半句")]
    seen = look()
    seen.ask("你好")
    expect(seen.page.get_by_text("模型在回答中途断开了")).to_be_visible()
    seen.button("接着说").click()
    seen.says("后半句")
    expect(seen.answers.first).to_contain_text("前半句")


def test_what_another_tab_has_tried_again_is_not_answered_twice(look: Looking, model: Scripted):
    model.script = [Fails(401, "Incorrect API key"), Says("好了"), Says("又好了")]
    one = look()
    one.ask("你好")
    expect(one.button("再试一次")).to_be_visible()
    other = look(one.page.url)
    expect(other.button("再试一次")).to_be_visible()
    one.button("再试一次").click()
    one.says("好了")
    other.button("再试一次").click()
    other.says("好了")
    expect(other.answers).to_have_count(1)
    assert len(model.requests) == 2


def test_a_function_is_answered_by_hand(look: Looking, client: OpenAI, model: Scripted):
    model.script = [Calls([("weather", '{"city": "杭州"}')]), Says("杭州 21 度。")]
    seen = at_a_function(look, client)
    expect(seen.page.get_by_text('"city": "杭州"')).to_be_visible()
    # What waits is no answer yet: there is nothing to ask for again.
    expect(seen.button("重新回答")).to_have_count(0)
    seen.page.get_by_label("weather 的结果").fill("21 度，晴")
    seen.button("提交结果").click()
    seen.says("杭州 21 度。")
    assert model.requests[-1]["messages"][-1]["content"] == "21 度，晴"


def test_the_head_says_who_answers_and_what_this_is(look: Looking, model: Scripted):
    seen = look()
    seen.button("Scripted").click()
    expect(seen.page.get_by_text("你说的话会发送到那里")).to_be_visible()
    expect(seen.page.get_by_text("小智·Zero 是你自己的服务器")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Qwen/qwen3-0.6b-instruct-q4_k_m.gguf", "Qwen3 0.6B"),
        ("llama3.2:3b", "Llama3.2 3B"),
        ("qwen3:latest", "Qwen3"),
        ("gpt-4o", "GPT 4o"),
        ("q4", "Q4"),
    ],
)
def test_a_model_has_a_name_that_people_say(name: str, said: str):
    assert readable(name) == said
