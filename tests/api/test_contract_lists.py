"""Ids, metadata, deletion and lists are alike for every kind of object (contract 3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_functions import WEATHER, asking, outputs
from tests.api.test_transport import ask
from tests.running import Running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

LISTS = ["assistants", "messages", "runs", "steps"]
COUNT = 5


@dataclass(frozen=True)
class Listed:
    """Five things of one kind. `path`: of their list. `ids`: oldest first.

    The list of assistants has those of other tests too, which are older.
    """

    path: str
    ids: list[str]
    server: Running

    def page(self, query: str = "") -> Any:
        answer = ask(self.server, f"/v1/{self.path}?{query}")
        assert answer.status == 200
        return answer.json()

    def seen(self, query: str = "") -> tuple[list[int], bool]:
        """Which of the five a page has, by number from the oldest on; and its has_more."""
        page = self.page(query)
        numbers = [self.ids.index(item["id"]) for item in page["data"]]
        return numbers, page["has_more"]


@pytest.fixture(scope="module")
def reader(server: Running) -> Iterator[OpenAI]:
    """For lists that many tests read and none changes."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def listed_messages(server: Running, reader: OpenAI) -> Listed:
    threads = reader.beta.threads
    thread = threads.create().id
    made = [threads.messages.create(thread, role="user", content=str(n)).id for n in range(COUNT)]
    return Listed(f"threads/{thread}/messages", made, server)


@pytest.fixture(scope="module")
def listed_runs(server: Running, reader: OpenAI) -> Listed:
    threads = reader.beta.threads
    assistant = reader.beta.assistants.create(model="scripted")
    thread = threads.create(messages=[{"role": "user", "content": "你好"}])
    made = [
        threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
        ).id
        for _ in range(COUNT)
    ]
    return Listed(f"threads/{thread.id}/runs", made, server)


@pytest.fixture(scope="module")
def listed_steps(server: Running, reader: OpenAI, model_server: tuple[Scripted, str]) -> Listed:
    runs = reader.beta.threads.runs
    assistant = reader.beta.assistants.create(model="scripted", tools=[WEATHER])
    thread = reader.beta.threads.create(messages=[{"role": "user", "content": "你好"}])
    script = model_server[0].script
    script[:] = [Calls([("weather", "{}")]) for _ in range(COUNT - 1)]
    run = asking(reader, thread, assistant)
    while run.status == "requires_action":
        run = runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), poll_interval_ms=10
        )
    made = [step.id for step in runs.steps.list(run.id, thread_id=thread.id, order="asc").data]
    assert len(made) == COUNT
    return Listed(f"threads/{thread.id}/runs/{run.id}/steps", made, server)


@pytest.fixture(params=LISTS)
def listed(request: pytest.FixtureRequest, server: Running, client: OpenAI) -> Listed:
    kind: str = request.param
    if kind != "assistants":
        return request.getfixturevalue(f"listed_{kind}")
    # Anew each time: those that other tests make meanwhile would be newer.
    made = [client.beta.assistants.create(model="scripted").id for _ in range(COUNT)]
    return Listed("assistants", made, server)


def test_a_page_has_its_envelope(listed: Listed):
    page = listed.page("limit=5")
    assert list(page) == ["object", "data", "first_id", "last_id", "has_more"]
    assert page["object"] == "list"
    # Newest first, and all were made within the same second or two.
    assert [item["id"] for item in page["data"]] == listed.ids[::-1]
    assert (page["first_id"], page["last_id"]) == (listed.ids[4], listed.ids[0])


@pytest.mark.parametrize(
    ("query", "numbers", "more"),
    [
        ("limit=2&after={4}", [3, 2], True),
        ("limit=3&after={3}&before={0}", [2, 1], False),
        ("limit=1&after={4}&before={0}", [3], True),
        ("limit=2&before={1}", [3, 2], True),
        ("limit=20&before={1}", [4, 3, 2], False),
        ("order=asc&limit=2&after={0}", [1, 2], True),
        ("order=asc&limit=20&after={2}", [3, 4], False),
        ("order=asc&limit=20&after={4}", [], False),
        ("order=asc&limit=2&after={0}&before={4}", [1, 2], True),
    ],
)
def test_a_page_lies_where_its_cursors_say(
    listed: Listed, query: str, numbers: list[int], more: bool
):
    assert listed.seen(query.format(*listed.ids)) == (numbers, more)


def test_before_alone_in_ascending_order_takes_the_nearest(listed: Listed):
    numbers, _ = listed.seen(f"order=asc&limit=2&before={listed.ids[4]}")
    assert numbers == [2, 3]


def test_an_unknown_cursor_is_passed_over(listed: Listed):
    for cursor in ("after=msg_no", "before=asst_no"):
        assert listed.seen(f"limit=2&{cursor}") == listed.seen("limit=2")


def test_reading_page_after_page_comes_to_an_end(listed: Listed):
    found, more = [4], True
    for _ in range(4):
        assert more
        numbers, more = listed.seen(f"limit=1&after={listed.ids[found[-1]]}")
        found += numbers
    assert found == [4, 3, 2, 1, 0]
    assert listed.path == "assistants" or not more


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=-1", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=ten", "limit", "invalid_type"),
        ("limit=1.5", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_every_list(
    listed: Listed, query: str, param: str, code: str
):
    answer = ask(listed.server, f"/v1/{listed.path}?{query}")
    error = answer.json()["error"]
    assert (answer.status, error["param"], error["code"]) == (400, param, code)


def test_a_page_has_twenty_where_nothing_is_asked(client: OpenAI):
    said: Any = [{"role": "user", "content": str(number)} for number in range(101)]
    messages = client.beta.threads.messages
    thread = client.beta.threads.create(messages=said)
    assert len(messages.list(thread.id).data) == 20
    assert len(messages.list(thread.id, limit=100).data) == 100
    assert len(list(messages.list(thread.id, limit=100))) == 101


# --- metadata (3.2)


@pytest.fixture(params=["assistant", "thread", "message", "run"])
def describe(
    request: pytest.FixtureRequest, client: OpenAI, assistant: Assistant, thread: Thread
) -> Callable[..., Any]:
    """Updates one object, of each kind that has metadata."""
    beta: Any = client.beta
    kind: str = request.param
    if kind == "assistant":
        return partial(beta.assistants.update, assistant.id)
    if kind == "thread":
        return partial(beta.threads.update, thread.id)
    if kind == "message":
        [message] = beta.threads.messages.list(thread.id).data
        return partial(beta.threads.messages.update, message.id, thread_id=thread.id)
    run = beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    return partial(beta.threads.runs.update, run.id, thread_id=thread.id)


def test_metadata_is_replaced_whole_or_left(describe: Callable[..., Any]):
    assert describe().metadata == {}
    assert describe(metadata={"a": "1", "b": "2"}).metadata == {"a": "1", "b": "2"}
    assert describe().metadata == {"a": "1", "b": "2"}
    assert describe(metadata=None).metadata == {"a": "1", "b": "2"}
    assert describe(metadata={"c": "3"}).metadata == {"c": "3"}
    assert describe(metadata={}).metadata == {}


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("metadata", "param", "code"),
    [
        ({"k" * 65: "v"}, "metadata", "property_name_above_max_length"),
        ({"k": "v" * 513}, "metadata.k", "string_above_max_length"),
        ({str(n): "v" for n in range(17)}, "metadata", "object_above_max_properties"),
        ({"k": True}, "metadata.k", "invalid_type"),
        ({"k": None}, "metadata.k", "invalid_type"),
        ("text", "metadata", "invalid_type"),
    ],
)
def test_metadata_has_its_limits_everywhere(
    describe: Callable[..., Any], metadata: Any, param: str, code: str
):
    full = {"k" * 64: "v" * 512, **{str(number): "" for number in range(15)}}
    assert describe(metadata=full).metadata == full
    with pytest.raises(BadRequestError) as refused:
        describe(metadata=metadata)
    assert (refused.value.param, refused.value.code) == (param, code)


# --- ids (3.1) and deletion (3.3)


def test_ids_have_their_prefix_and_are_new_each_time(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("one"), Says("two")]
    ids: list[str] = []
    for _ in range(2):
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
        )
        [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data
        [message] = client.beta.threads.messages.list(thread.id, run_id=run.id).data
        ids += [run.id, step.id, message.id]
    assert len(set(ids)) == 6
    for id in [*ids, assistant.id, thread.id]:
        prefix, _, rest = id.partition("_")
        assert prefix in ("run", "step", "msg", "asst", "thread")
        assert len(rest) == 24
        assert rest.isascii()
        assert rest.isalnum()


def test_an_id_of_another_kind_is_not_found(client: OpenAI, assistant: Assistant, thread: Thread):
    beta = client.beta
    for call, words in (
        (lambda: beta.assistants.retrieve(thread.id), "No assistant found with id"),
        (lambda: beta.threads.retrieve(assistant.id), "No thread found with id"),
        (lambda: beta.threads.messages.retrieve("run_x", thread_id=thread.id), "No message found"),
        (lambda: beta.threads.runs.retrieve("msg_x", thread_id=thread.id), "No run found with id"),
    ):
        with pytest.raises(NotFoundError, match=words):
            call()


def test_what_was_deleted_cannot_be_deleted_again(client: OpenAI, thread: Thread):
    beta = client.beta
    [message] = beta.threads.messages.list(thread.id).data
    made = beta.assistants.create(model="scripted")
    for delete, object in (
        (lambda: beta.threads.messages.delete(message.id, thread_id=thread.id), "thread.message"),
        (lambda: beta.threads.delete(thread.id), "thread"),
        (lambda: beta.assistants.delete(made.id), "assistant"),
    ):
        deleted = delete()
        assert (deleted.object, deleted.deleted) == (f"{object}.deleted", True)
        with pytest.raises(NotFoundError):
            delete()


def test_a_deleted_assistant_leaves_what_it_has_done(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    client.beta.assistants.delete(assistant.id)
    assert client.beta.threads.runs.retrieve(run.id, thread_id=thread.id).status == "completed"
    assert len(client.beta.threads.messages.list(thread.id).data) == 2
    with pytest.raises(NotFoundError, match=f"No assistant found with id '{assistant.id}'"):
        client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
