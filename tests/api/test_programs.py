"""What programs that others wrote send as a matter of course, in Python, Node, Go, PHP and Ruby."""

import asyncio
import json
import time
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message

from tests.api.test_transport import ask
from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

WEATHER: Any = {"type": "function", "function": {"name": "weather"}}
NO_CODE: dict[str, Any] = {"code_interpreter": {"file_ids": []}}
NO_SEARCH: dict[str, Any] = {"file_search": {"vector_store_ids": []}}


def turn(client: OpenAI, thread: Thread, assistant: Assistant) -> tuple[Message, Message]:
    """A question and its answer."""
    messages = client.beta.threads.messages
    asked = messages.create(thread.id, role="user", content="And now?")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    assert run.status == "completed"
    [answer] = messages.list(thread.id, run_id=run.id).data
    return asked, answer


# --- tool_resources


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (NO_CODE, NO_CODE),
        (NO_SEARCH, NO_SEARCH),
        (NO_CODE | NO_SEARCH, NO_CODE | NO_SEARCH),
        ({"file_search": {"vector_stores": []}}, NO_SEARCH),
        ({"code_interpreter": {}}, NO_CODE),
        ({"code_interpreter": None}, {}),
        ({}, {}),
        ([], {}),
        (None, {}),
    ],
    ids=str,
)
def test_tool_resources_without_a_file_are_taken_and_shown(
    server: Running, model: Scripted, sent: Any, shown: Any
):
    def post(path: str, **body: Any) -> Any:
        answer = ask(server, f"/v1{path}", body)
        assert answer.status == 200, answer.body
        return answer.json()

    assistant = post("/assistants", model="scripted", tool_resources=sent)
    assert assistant["tool_resources"] == shown
    thread = post("/threads", tool_resources=sent)
    assert thread["tool_resources"] == shown
    said = {"messages": [{"role": "user", "content": "Hi"}], "tool_resources": sent}
    run = post("/threads/runs", assistant_id=assistant["id"], thread=said, tool_resources=sent)
    assert run["tool_resources"] == shown
    assert ask(server, f"/v1/threads/{run['thread_id']}").json()["tool_resources"] == shown
    for path in (f"/assistants/{post('/assistants', model='m')['id']}", f"/threads/{thread['id']}"):
        assert post(path, tool_resources=sent)["tool_resources"] == shown


def test_an_update_names_tool_by_tool(client: OpenAI, thread: Thread, assistant: Assistant):
    first: Any
    for update, id in (
        (client.beta.threads.update, thread.id),
        (client.beta.assistants.update, assistant.id),
    ):
        for first, shown in ((NO_CODE, NO_CODE), (NO_SEARCH, NO_CODE | NO_SEARCH)):
            assert update(id, tool_resources=first).to_dict()["tool_resources"] == shown
        assert update(id, metadata={"k": "v"}).to_dict()["tool_resources"] == NO_CODE | NO_SEARCH


SOME_FILE: list[dict[str, Any]] = [
    {"code_interpreter": {"file_ids": ["file-x"]}},
    {"file_search": {"vector_store_ids": ["vs_x"]}},
    {"file_search": {"vector_stores": [{}]}},
]


@pytest.mark.parametrize("resources", SOME_FILE, ids=str)
def test_a_file_is_still_refused(server: Running, resources: Any):
    answer = ask(server, "/v1/assistants", {"model": "m", "tool_resources": resources})
    assert (answer.status, answer.json()["error"]["param"]) == (400, "tool_resources")


# --- created_at, by which programs sort


def test_an_answer_is_later_than_its_question(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    asked, answer = turn(client, thread, assistant)
    assert asked.created_at < answer.created_at <= time.time() + 2
    assert answer.completed_at is not None
    assert answer.completed_at >= answer.created_at
    for _ in range(5):
        # However quick the model is
        next_asked, next_answer = turn(client, thread, assistant)
        assert answer.created_at <= next_asked.created_at < next_answer.created_at
        answer = next_answer
        assert next_answer.created_at <= time.time() + 12
    newest_first = client.beta.threads.messages.list(thread.id).data
    times = [message.created_at for message in newest_first]
    assert times == sorted(times, reverse=True)


def test_two_quick_turns_are_in_order_for_who_sorts_by_time(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    thread = client.beta.threads.create()
    said = [message for _ in range(2) for message in turn(client, thread, assistant)]
    times = [message.created_at for message in said]
    assert times == sorted(set(times))
    # Sorted as programs do it: what comes newest first by default, so equal times would be reversed
    found = sorted(client.beta.threads.messages.list(thread.id), key=lambda one: one.created_at)
    assert [message.id for message in found] == [message.id for message in said]


def test_times_ascend_whoever_posts_at_the_same_time(
    server: Running, client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    turn(client, thread, assistant)

    async def story() -> None:
        async with AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as several:
            posting = (
                several.beta.threads.messages.create(thread.id, role="user", content=f"{number}")
                for number in range(30)
            )
            await asyncio.gather(*posting)

    asyncio.run(story())
    asked, answer = turn(client, thread, assistant)
    found = client.beta.threads.messages.list(thread.id, order="asc", limit=100).data
    times = [message.created_at for message in found]
    assert times == sorted(times)
    assert [message.id for message in found[-2:]] == [asked.id, answer.id]
    assert times[-2] < times[-1] <= time.time() + 5


def test_many_questions_at_once_do_not_run_ahead_of_the_clock(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    messages = client.beta.threads.messages
    for _ in range(20):
        asked = messages.create(thread.id, role="user", content="And?")
        assert asked.created_at <= time.time()
    more: Any = [{"role": "user", "content": "And?"}] * 20
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_messages=more,
        poll_interval_ms=10,
    )
    [answer] = messages.list(thread.id, run_id=run.id).data
    others = [message.created_at for message in messages.list(thread.id, limit=50).data[1:]]
    assert max(others) < answer.created_at <= time.time() + 2


def test_the_steps_of_a_run_ascend(client: OpenAI, model: Scripted, thread: Thread):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    call = Calls([("weather", "{}")])
    model.script = [Calls([("weather", "{}")], text="Let me see."), call, call, Says("Sunny.")]
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10)
    while run.required_action is not None:
        [asked] = run.required_action.submit_tool_outputs.tool_calls
        run = runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=[{"tool_call_id": asked.id, "output": "sunny"}],
            poll_interval_ms=10,
        )
    steps = runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [step.type for step in steps] == [
        "message_creation",
        *["tool_calls"] * 3,
        "message_creation",
    ]
    times = [step.created_at for step in steps]
    assert times == sorted(times)
    assert times[0] < times[-1] <= time.time() + 3
    assert all((step.completed_at or 0) >= step.created_at for step in steps)
    said = client.beta.threads.messages.list(thread.id, run_id=run.id, order="asc").data
    first, last = (message.created_at for message in said)
    assert first < last


# --- bodies


@pytest.mark.parametrize("body", ["[]", '{"metadata": []}', '{"metadata": null}'])
def test_an_empty_array_of_phps_is_an_object_without_properties(
    server: Running, thread: Thread, assistant: Assistant, body: str
):
    message: dict[str, Any] = {"role": "user", "content": "Hi", "metadata": []}
    posted = ask(server, f"/v1/threads/{thread.id}/messages", message)
    assert (posted.status, posted.json()["metadata"]) == (200, {})
    for path in (
        "/threads",
        f"/threads/{thread.id}",
        f"/threads/{thread.id}/messages/{posted.json()['id']}",
        f"/assistants/{assistant.id}",
    ):
        answer = ask(server, f"/v1{path}", body)
        assert answer.status == 200, answer.body
        assert answer.json()["metadata"] == {}


def test_an_empty_array_is_no_thread_and_no_run_where_something_is_required(
    server: Running, thread: Thread, assistant: Assistant
):
    for path in ("/assistants", f"/threads/{thread.id}/messages", f"/threads/{thread.id}/runs"):
        answer = ask(server, f"/v1{path}", "[]")
        assert answer.status == 400
        assert answer.json()["error"]["message"].startswith("We could not parse the JSON body")
    run: dict[str, Any] = {"assistant_id": assistant.id, "thread": [], "metadata": []}
    assert ask(server, "/v1/threads/runs", run).status == 200


def test_a_body_of_an_empty_array_is_fine_to_cancel(
    server: Running, client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Says("slow", think=30)]
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    assert ask(server, f"/v1/threads/{thread.id}/runs/{run.id}/cancel", "[]").status == 200


def test_nulls_and_empties_of_a_run_mean_not_given(
    server: Running, client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    fields = ("model", "instructions", "additional_instructions", "tools", "metadata", "stream")
    fields += ("additional_messages", "response_format", "tool_choice", "truncation_strategy")
    fields += ("temperature", "top_p", "max_prompt_tokens", "max_completion_tokens")
    body: dict[str, Any] = {"assistant_id": assistant.id, **dict.fromkeys(fields)}
    run = ask(server, f"/v1/threads/{thread.id}/runs", body).json()
    assert (run["model"], run["instructions"]) == ("scripted", "Be brief.")
    together = {"assistant_id": assistant.id, "thread": None, "tool_resources": None}
    assert ask(server, "/v1/threads/runs", together).status == 200
    empty = {"messages": None, "tool_resources": None, "metadata": None}
    assert ask(server, "/v1/threads", empty).status == 200
    assert ask(server, "/v1/threads", {"messages": [], "tool_resources": {}}).status == 200
    message: dict[str, Any] = {"role": "user", "content": "Hi", "attachments": []}
    assert ask(server, "/v1/threads", {"messages": [message]}).status == 200


@pytest.mark.parametrize("model", [None, ""], ids=["null", "empty"])
def test_an_update_without_a_model_leaves_it(
    server: Running, assistant: Assistant, model: str | None
):
    fields = {"model": model, "instructions": None, "tools": None, "name": None, "metadata": None}
    answer = ask(server, f"/v1/assistants/{assistant.id}", fields).json()
    assert (answer["model"], answer["instructions"]) == ("scripted", "Be brief.")


def test_an_answer_may_be_limited_to_a_few_tokens(
    client: OpenAI, model: Scripted, thread: Thread, assistant: Assistant
):
    model.script = [Says("one two", finish_reason="length")]
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        max_completion_tokens=16,
        max_prompt_tokens=200,
        poll_interval_ms=10,
    )
    assert (run.status, run.max_completion_tokens, run.max_prompt_tokens) == ("incomplete", 16, 200)
    assert run.incomplete_details is not None
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert model.requests[-1]["max_tokens"] == 16
    for limit in (0, -1):
        with pytest.raises(BadRequestError, match="integer below minimum value") as refused:
            client.beta.threads.runs.create(
                thread.id, assistant_id=assistant.id, max_completion_tokens=limit
            )
        assert refused.value.code == "integer_below_min_value"


# --- queries


def test_an_empty_value_in_a_query_is_not_given(server: Running, thread: Thread):
    for path in ("/assistants", f"/threads/{thread.id}/messages", "/threads"):
        plain = ask(server, f"/v1{path}").json()
        answer = ask(server, f"/v1{path}?order=&limit=&after=&before=&run_id=")
        assert answer.status == 200, answer.body
        assert answer.json() == plain
    steps = f"/v1/threads/{thread.id}/runs/run_no/steps?include[]=&include=&limit="
    assert ask(server, steps).status == 404


# --- a run that has nothing to answer


def test_a_run_needs_something_to_answer(client: OpenAI, model: Scripted, assistant: Assistant):
    blank = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create()
    runs = client.beta.threads.runs
    for stream in (False, True):
        with pytest.raises(BadRequestError, match=f"Thread {thread.id} has no messages") as refused:
            runs.create(thread.id, assistant_id=blank.id, stream=stream)
        assert (refused.value.code, refused.value.param) == ("invalid_thread", None)
        with pytest.raises(BadRequestError, match="has no messages") as refused:
            client.beta.threads.create_and_run(assistant_id=blank.id, stream=stream)
        assert refused.value.code == "invalid_thread"
    assert runs.list(thread.id).data == []
    # The thread is not locked by what was refused.
    client.beta.threads.messages.create(thread.id, role="user", content="Hi")
    valid: list[tuple[Assistant, dict[str, Any]]] = [
        (blank, {}),
        (assistant, {}),
        (blank, {"instructions": "Greet me."}),
        (blank, {"additional_instructions": "Greet me."}),
        (blank, {"additional_messages": [{"role": "user", "content": "Hi"}]}),
    ]
    for made, fields in valid:
        run = runs.create_and_poll(
            thread_id=thread.id, assistant_id=made.id, poll_interval_ms=10, **fields
        )
        assert run.status == "completed"
        thread = client.beta.threads.create()


# --- half characters


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/threads", '{"metadata": {"k": "\\ud800"}}', "metadata.k"),
        ("/threads", '{"metadata": {"\\ud800": "v"}}', "metadata"),
        ("/threads", '{"\\ud800": "v"}', None),
        ("/threads", '{"messages": [{"role": "\\ud800", "content": "Hi"}]}', "messages[0].role"),
        ("/threads/{t}/messages", '{"role": "user", "content": "\\ud83d"}', "content"),
        ("/assistants", '{"model": "\\ud800"}', "model"),
        ("/assistants", '{"model": "m", "name": "\\ud800"}', "name"),
        (
            "/assistants",
            '{"model": "m", "tools": [{"type": "function", "function": {"name": "f", '
            '"description": "\\ud800"}}]}',
            "tools[0].function.description",
        ),
        ("/threads/{t}/runs", '{"assistant_id": "\\ud800"}', "assistant_id"),
        (
            "/threads/{t}/runs/run_x/submit_tool_outputs",
            '{"tool_outputs": [{"tool_call_id": "call_x", "output": "\\ud83d"}]}',
            "tool_outputs[0].output",
        ),
        (
            "/threads/{t}/exchange",
            '{"other_thread_id": "\\ud800", "since": "msg_x"}',
            "other_thread_id",
        ),
    ],
)
def test_half_a_character_is_told_in_words_that_make_sense(
    server: Running, thread: Thread, path: str, body: str, param: str | None
):
    answer = ask(server, f"/v1{path.format(t=thread.id)}", body)
    error = json.loads(answer.body.decode())["error"]
    assert (answer.status, error["param"]) == (400, param)
    assert "holds half a character (an unpaired surrogate)" in error["message"]
    assert "a string instead" not in error["message"]


def test_half_a_character_in_a_patch_of_metadata_is_refused(server: Running, thread: Thread):
    for body in ('{"\\ud800": "v"}', '{"k": "\\ud800"}'):
        answer = ask(server, f"/v1/threads/{thread.id}/metadata", body, method="PATCH")
        assert answer.status == 400
        assert "half a character" in answer.json()["error"]["message"]
