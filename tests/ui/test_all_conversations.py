"""All conversations are deleted from the settings: asked for twice, and only those of the page.

On a server of their own, in a process of its own: other tests have conversations on theirs.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from tests.process.processes import Process, started
from tests.running import until
from tests.ui.looking import GROWING, GROWN, Looking
from tests.ui.test_history import Listed, begun, is_there
from tests.ui.test_settings import settings_of
from xiaozhi.chat_models.scripted import Says, Scripted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def server(data: Path, model_server: tuple[Scripted, str]) -> Iterator[Process]:
    """In the place of the one that the other tests share."""
    with started(data, "--model-url", model_server[1]) as process:
        yield process


def test_they_are_gone_with_their_versions_and_no_other_is(look: Looking, client: OpenAI):
    threads = [begun(client, f"{shelf} 的", shelf=shelf) for shelf in ("pinned", "archived")]
    threads += [begun(client, f"第 {number} 段") for number in range(130)]
    versions = client.beta.threads.create(metadata={"kept_for": threads[-1]}).id
    others = [
        client.beta.threads.create(metadata={"title": "别的程序的"}).id,
        client.beta.threads.create(metadata={"app": "another", "shelf": "recent"}).id,
    ]
    seen = look(f"{look.address}?c={threads[-1]}")
    expect(seen.questions).to_have_text(["你好"])
    settings = settings_of(seen)
    settings.get_by_role("button", name="删除所有对话").click()
    expect(settings).to_contain_text("将要删除的对话：132 个")
    expect(settings).to_contain_text("无法恢复")
    settings.get_by_role("button", name="全部删除").click()
    expect(seen.page.get_by_text("所有对话都已删除")).to_be_visible()
    expect(settings).to_have_count(0)
    expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
    expect(Listed(seen).rows).to_have_count(0)
    assert seen.page.url == look.address
    assert [thread for thread in [*threads, versions] if is_there(client, thread)] == []
    assert [is_there(client, thread) for thread in others] == [True, True]
    # And where there is nothing, nothing is asked.
    settings_of(seen).get_by_role("button", name="删除所有对话").click()
    expect(settings).to_contain_text("没有可以删除的对话")


def test_none_is_before_that_is_confirmed(look: Looking, client: OpenAI):
    thread = begun(client, "还要的")
    seen = look()
    settings = settings_of(seen)
    ask, confirm = (
        settings.get_by_role("button", name=name) for name in ("删除所有对话", "全部删除")
    )
    ask.click()
    expect(settings).to_contain_text("将要删除的对话：1 个")
    settings.get_by_role("button", name="全部保留").click()
    expect(ask).to_be_visible()
    expect(confirm).to_have_count(0)
    # Whoever closes it in the middle is asked from the beginning.
    ask.click()
    expect(confirm).to_be_visible()
    confirm.press("Escape")
    expect(settings).to_have_count(0)
    settings_of(seen)
    expect(ask).to_be_visible()
    expect(confirm).to_have_count(0)
    assert is_there(client, thread)


def test_the_page_can_be_used_meanwhile_and_what_is_begun_then_stays(
    look: Looking, client: OpenAI, model: Scripted, data: Path
):
    threads = [begun(client, f"第 {number} 段") for number in range(300)]
    seen = look(f"{look.address}?c={threads[0]}")
    settings = settings_of(seen)
    settings.get_by_role("button", name="删除所有对话").click()
    sidebar = seen.page.locator('[data-testid="stSidebar"]')
    with closing(sqlite3.connect(data / "xiaozhi.db", isolation_level=None)) as database:
        # As long as another one writes, nothing is deleted.
        database.execute("BEGIN IMMEDIATE")
        settings.get_by_role("button", name="全部删除").click()
        expect(settings.get_by_role("progressbar")).to_be_visible()
        # The focus goes back into the dialog a moment after the pressed button is gone.
        settings.get_by_role("button", name="关闭").press("Escape")
        expect(settings).to_have_count(0)
        expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
        expect(sidebar.get_by_text(re.compile(r"正在删除对话：\d / 30\d"))).to_be_visible()
    model.script = [Says("新的回答")]
    seen.ask("新的 问题")
    seen.says("新的回答")
    expect(seen.page.get_by_text("所有对话都已删除")).to_be_visible()
    expect(sidebar.get_by_text("正在删除对话")).to_have_count(0)
    expect(seen.answers.last).to_have_text("新的回答")
    expect(Listed(seen).rows).to_have_count(1)
    assert not any(is_there(client, thread) for thread in threads)


def test_an_answer_that_grows_goes_with_its_conversation(
    look: Looking, client: OpenAI, model: Scripted
):
    model.script = [GROWING]
    seen = look()
    with model.held():
        seen.ask("慢慢说")
        expect(seen.answers.last).to_contain_text("字1")
        thread = seen.page.url.partition("?c=")[2]
        settings = settings_of(seen)
        settings.get_by_role("button", name="删除所有对话").click()
        settings.get_by_role("button", name="全部删除").click()
        expect(seen.page.get_by_text("所有对话都已删除")).to_be_visible()
        expect(seen.page.get_by_text("我的私人智能助理")).to_be_visible()
        expect(seen.answers).to_have_count(0)
    assert not is_there(client, thread)
    model.script = [Says(GROWN)]
    seen.ask("再来")
    seen.says(GROWN)


def test_where_it_breaks_off_that_is_said_and_it_can_be_done_again(
    look: Looking, client: OpenAI, data: Path
):
    threads = [begun(client, f"第 {number} 段") for number in range(3)]
    seen = look()
    settings = settings_of(seen)

    def delete_all() -> None:
        settings.get_by_role("button", name="删除所有对话").click()
        settings.get_by_role("button", name="全部删除").click()

    with closing(sqlite3.connect(data / "xiaozhi.db", isolation_level=None)) as database:
        database.execute(
            "CREATE TRIGGER kept BEFORE DELETE ON threads WHEN OLD.id = "
            f"'{threads[1]}' BEGIN SELECT RAISE(ABORT, 'it is kept'); END"
        )
        delete_all()
        told = seen.page.get_by_text("其余的都还在")
        expect(told).to_be_visible()
        database.execute("DROP TRIGGER kept")
    assert is_there(client, threads[1])
    settings_of(seen)
    delete_all()
    expect(seen.page.get_by_text("所有对话都已删除")).to_be_visible()
    until(lambda: not any(is_there(client, thread) for thread in threads))
