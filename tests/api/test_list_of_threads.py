"""GET /threads, an extension (docs/extensions.md): listed by activity, found by words and metadata.

The server is shared: each test marks its threads with metadata of its own, and asks for those.
"""

import time
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.pagination import SyncCursorPage
from openai.types.beta import Assistant, Thread

from tests.api.test_transport import HEADERS, ask
from tests.running import Running, until
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.ids import new_id


def page(client: OpenAI, **query: Any) -> SyncCursorPage[Thread]:
    return client.get_api_list(
        "/threads",
        model=Thread,
        page=SyncCursorPage[Thread],
        options={"headers": {"OpenAI-Beta": "assistants=v2"}, "params": query},
    )


class Shelf:
    """Threads with a mark of their own, so that a test finds only what it made."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client
        self.mark = {"shelf": new_id("")}

    def add(self, *said: str, **metadata: str) -> str:
        messages: Any = [{"role": "user", "content": words} for words in said]
        return self.client.beta.threads.create(
            messages=messages, metadata={**self.mark, **metadata}
        ).id

    def page(self, **query: Any) -> SyncCursorPage[Thread]:
        metadata = {**self.mark, **query.pop("metadata", {})}
        return page(self.client, metadata=metadata, **query)

    def found(self, q: str, **query: Any) -> list[str]:
        return [thread.id for thread in self.page(q=q, **query).data]

    def snippets(self, q: str) -> list[str]:
        return [thread.to_dict()["snippet"] for thread in self.page(q=q).data]  # type: ignore[misc]  # an extension's field


@pytest.fixture
def shelf(client: OpenAI) -> Shelf:
    return Shelf(client)


def wait_for_the_next_second() -> None:
    now = int(time.time())
    until(lambda: int(time.time()) > now)


@pytest.fixture
def three(shelf: Shelf) -> list[str]:
    """Three threads, oldest first."""
    return [shelf.add(f"thread {number}") for number in range(3)]


def test_a_listed_thread_is_a_thread_and_its_last_activity(client: OpenAI, shelf: Shelf):
    id = shelf.add("你好", title="天气")
    [listed] = shelf.page().data
    thread = client.beta.threads.retrieve(id)
    assert listed.to_dict() == {**thread.to_dict(), "last_activity_at": thread.created_at}


def test_the_newest_activity_comes_first(client: OpenAI, shelf: Shelf, three: list[str]):
    assert [thread.id for thread in shelf.page().data] == three[::-1]
    assert [thread.id for thread in shelf.page(order="asc").data] == three
    wait_for_the_next_second()
    client.beta.threads.messages.create(three[0], role="user", content="again")
    assert [thread.id for thread in shelf.page().data] == [three[0], three[2], three[1]]


def test_every_thread_is_found_by_paging(shelf: Shelf):
    ids = [shelf.add() for _ in range(7)]
    assert [thread.id for thread in shelf.page(limit=3)] == ids[::-1]
    assert [thread.id for thread in shelf.page(limit=3, order="asc")] == ids
    one = shelf.page(limit=3, before=ids[0])
    assert [thread.id for thread in one.data] == [ids[3], ids[2], ids[1]]
    assert one.has_more
    between = shelf.page(after=ids[5], before=ids[2])
    assert [thread.id for thread in between.data] == [ids[4], ids[3]]
    assert not between.has_more


def test_paging_ends_though_threads_move_and_go_meanwhile(client: OpenAI, shelf: Shelf):
    ids = [shelf.add() for _ in range(6)]
    wait_for_the_next_second()
    seen: list[str] = []
    for number, thread in enumerate(shelf.page(limit=2)):
        seen.append(thread.id)
        if number == 1:
            # The cursor of the next page moves to the top, and comes once more on its way down.
            client.beta.threads.messages.create(thread.id, role="user", content="up")
        if number == 4:
            client.beta.threads.delete(ids[3])
    assert set(seen) >= set(ids) - {ids[3]}
    assert len(seen) <= 2 * len(ids)
    assert shelf.page(after=ids[3]).data == shelf.page(after="thread_never").data


def test_threads_are_found_by_all_of_the_metadata(shelf: Shelf):
    odd = {'a"b': "小 智", "x.y": "1", "e": ""}
    one, other = shelf.add(user="lin", **odd), shelf.add(user="lin")
    assert shelf.found("", metadata={"user": "lin"}) == [other, one]
    assert shelf.found("", metadata={"user": "lin", **odd}) == [one]
    assert shelf.found("", metadata={"user": "li"}) == []
    assert shelf.found("", metadata={"user": "lin", "x": "1"}) == []


def test_of_several_values_of_a_key_one_is_enough(client: OpenAI, shelf: Shelf):
    ids = [shelf.add(kept_for=name) for name in ("a", "b", "c")]
    shelf.add(other="a")
    # The SDK writes a list as metadata[kept_for][]=a&metadata[kept_for][]=b
    assert [thread.id for thread in shelf.page(metadata={"kept_for": ["b", "a"]})] == ids[1::-1]
    many = [f"thread_{number}" for number in range(98)]
    assert [thread.id for thread in shelf.page(metadata={"kept_for": [*many, "c"]})] == [ids[2]]
    with pytest.raises(BadRequestError, match="at most 100 values of a key, but got 101"):
        shelf.page(metadata={"kept_for": [*many, "a", "b", "c"]})


@pytest.mark.parametrize(
    ("said", "found", "not_found"),
    [
        ("小智今天的天气怎么样？", ["小", "小智", "天气", "样？", "今天的天气怎么样？"], ["天小"]),
        ("The Quick brown fox", ["quick", "QUICK", "ick", "q", "br", "x", "fox"], ["kb", "foxy"]),
        ("用SQLite3存储", ["sqlite", "用s", "e3存", "3", "存储", "ite3存储"], ["用q", "3储"]),
        ("naïve Straße", ["NAÏVE", "strasse", "STRASSE", "ße"], ["naive"]),
        ("ＡＢＣ１２３ ｶﾅ", ["abc", "c1", "カナ"], ["cd"]),
        ("e\u0301te\u0301", ["été", "ÉT"], ["ete"]),
        ("100% of a_b*c", ["100%", "%", "a_b", "_", "*", "b*c"], ["1000", "100*", "a%b", "%%"]),
        ('say "hi" (NEAR) it\'s', ['"', '"hi"', "near", "(near)", "'s", ")"], ['""', "near/2"]),
        ("line one\nline two", ["one", "two", "line two"], ["oneline", "onel"]),
        ("😀👍🏽 fine", ["😀", "👍", "👍🏽"], ["😁"]),
    ],
)
def test_any_piece_of_what_was_said_is_found(
    shelf: Shelf, said: str, found: list[str], not_found: list[str]
):
    id = shelf.add("nothing here", said)
    assert [q for q in found if shelf.found(q) != [id]] == []
    assert [q for q in not_found if shelf.found(q)] == []


@pytest.mark.parametrize(
    "q", ['"', "'", '""', "AND", "a OR", "NOT a", "NEAR(a b)", "*", "^a", "-a", "grams:a", "\0"]
)
def test_the_words_of_query_languages_are_only_words(shelf: Shelf, q: str):
    shelf.add("something else")
    assert shelf.found(f"{q} 没有的") == []
    assert shelf.found(q) == []


def test_all_words_must_be_in_the_conversation_somewhere(shelf: Shelf):
    one = shelf.add("北京的天气", "谢谢", title="Weather")
    shelf.add("北京的人口")
    assert shelf.found("天气 北京") == [one]
    assert shelf.found("北京 谢谢 weather") == [one]
    assert shelf.found("北京 你好") == []
    assert len(shelf.found(" \u3000 ")) == 2


def test_the_title_is_found_and_follows_its_changes(client: OpenAI, shelf: Shelf):
    id = shelf.add("你好", title="旅行计划")
    assert shelf.found("旅行") == [id]
    client.beta.threads.update(id, metadata={**shelf.mark, "title": "购物清单"})
    assert (shelf.found("旅行"), shelf.found("清单")) == ([], [id])
    client.beta.threads.update(id, metadata=shelf.mark)
    assert shelf.found("清单") == []


def test_a_snippet_shows_the_first_hit(shelf: Shelf):
    shelf.add("很长" * 50 + "\n找 Needle 这里" + "的话" * 50, "needle again")
    [shown] = shelf.snippets("needle")
    assert "找 Needle 这里" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 82
    shelf.add("short needle", title="A needle's title")
    assert shelf.snippets("needle")[0] == "A needle's title"


def test_what_a_run_said_is_found_when_it_has_been_said(
    client: OpenAI, model: Scripted, assistant: Assistant, shelf: Shelf
):
    model.script = [Says("明天多云转晴")]
    id = shelf.add("天气？")
    client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert shelf.found("多云") == [id]
    assert shelf.snippets("多云") == ["明天多云转晴"]


def test_what_was_deleted_is_not_found(client: OpenAI, shelf: Shelf):
    id, other = shelf.add("蓝色 鲸鱼", "红色"), shelf.add("蓝色")
    assert shelf.found("鲸鱼") == [id]
    first = client.beta.threads.messages.list(id, order="asc").data[0]
    client.beta.threads.messages.delete(first.id, thread_id=id)
    assert (shelf.found("鲸鱼"), shelf.found("红色"), shelf.found("蓝色")) == ([], [id], [other])
    client.beta.threads.delete(id)
    assert (shelf.found("红色"), shelf.found("蓝色")) == ([], [other])


def test_a_search_has_its_limits(client: OpenAI):
    for query, param in (
        ({"q": "x" * 201}, "q"),
        ({"q": "a b c d e f g h i"}, "q"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"limit": 101}, "limit"),
        ({"order": "up"}, "order"),
    ):
        with pytest.raises(BadRequestError) as refused:
            page(client, **query)
        assert refused.value.param == param


def test_the_list_needs_the_beta_header_as_all_threads_do(server: Running):
    headers = {name: value for name, value in HEADERS.items() if name != "OpenAI-Beta"}
    answer = ask(server, "/v1/threads", headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_beta")
