"""Every call and helper of the SDK, sync and async, each answer checked strictly (contract 14).

`_strict_response_validation` makes the SDK raise where an answer is not what its types say; it
is lenient otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from openai import (
    AssistantEventHandler,
    AsyncAssistantEventHandler,
    AsyncOpenAI,
    BadRequestError,
    NotFoundError,
    OpenAI,
)
from typing_extensions import override

from tests.api.test_functions import CALLS_RUN, PARIS, SUBMITTED_RUN, WEATHER, brief, outputs
from tests.api.test_runs import TEXT_RUN
from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Calls, Fails, Line, Says, Scripted

HI: Any = [{"role": "user", "content": "你好"}]
CALLS = Calls([("weather", PARIS)])


@pytest.fixture
def strict(server: Running, model: Scripted) -> Iterator[OpenAI]:
    with server.client(_strict_response_validation=True) as client:
        yield client


def asynchronously(server: Running, story: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    # Made outside of the loop: it reads certificates from the disk.
    asynchronous = AsyncOpenAI(
        base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True
    )

    async def told() -> None:
        async with asynchronous as client:
            await story(client)

    asyncio.run(told())


def test_every_call_of_assistants(strict: OpenAI):
    assistants = strict.beta.assistants
    made = assistants.create(model="scripted", tools=[WEATHER], response_format={"type": "text"})
    assert assistants.retrieve(made.id) == made
    assert assistants.update(made.id, name="小智").name == "小智"
    assert assistants.list(limit=1).data[0].id == made.id
    assert assistants.delete(made.id).deleted
    with pytest.raises(NotFoundError):
        assistants.retrieve(made.id)


def test_every_call_of_assistants_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        assistants = client.beta.assistants
        made = await assistants.create(model="scripted", tools=[WEATHER])
        assert await assistants.retrieve(made.id) == made
        assert (await assistants.update(made.id, name="小智")).name == "小智"
        assert (await assistants.list(limit=1)).data[0].id == made.id
        assert (await assistants.delete(made.id)).deleted
        with pytest.raises(NotFoundError):
            await assistants.retrieve(made.id)

    asynchronously(server, story)


def test_every_call_of_threads_and_messages(strict: OpenAI):
    threads, messages = strict.beta.threads, strict.beta.threads.messages
    thread = threads.create(messages=HI, metadata={"a": "b"})
    assert threads.retrieve(thread.id) == thread
    assert threads.update(thread.id, metadata={}).metadata == {}
    parts: Any = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    said = messages.create(thread.id, role="assistant", content=parts)
    assert messages.retrieve(said.id, thread_id=thread.id) == said
    changed = messages.update(said.id, thread_id=thread.id, metadata={"a": "b"})
    assert changed.metadata == {"a": "b"}
    # One a page: the iterator asks for the second.
    assert [found.role for found in messages.list(thread.id, limit=1)] == ["assistant", "user"]
    assert messages.delete(said.id, thread_id=thread.id).deleted
    assert threads.delete(thread.id).deleted


def test_every_call_of_threads_and_messages_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        threads, messages = client.beta.threads, client.beta.threads.messages
        thread = await threads.create(messages=HI, metadata={"a": "b"})
        assert await threads.retrieve(thread.id) == thread
        assert (await threads.update(thread.id, metadata={})).metadata == {}
        said = await messages.create(thread.id, role="user", content="and?")
        assert await messages.retrieve(said.id, thread_id=thread.id) == said
        changed = await messages.update(said.id, thread_id=thread.id, metadata={"a": "b"})
        assert changed.metadata == {"a": "b"}
        found = [message.role async for message in messages.list(thread.id, limit=1)]
        assert found == ["user", "user"]
        assert (await messages.delete(said.id, thread_id=thread.id)).deleted
        assert (await threads.delete(thread.id)).deleted

    asynchronously(server, story)


def test_every_call_of_runs_and_steps(strict: OpenAI, model: Scripted):
    runs, steps = strict.beta.threads.runs, strict.beta.threads.runs.steps
    assistant = strict.beta.assistants.create(model="scripted", tools=[WEATHER])
    thread = strict.beta.threads.create(messages=HI)
    model.script = [CALLS, Says("Sunny."), CALLS]
    run = runs.create(thread_id=thread.id, assistant_id=assistant.id)
    run = runs.poll(run.id, thread_id=thread.id, poll_interval_ms=10)
    assert run.status == "requires_action"
    assert runs.retrieve(run.id, thread_id=thread.id) == run
    assert runs.update(run.id, thread_id=thread.id, metadata={"a": "b"}).metadata == {"a": "b"}
    [step] = steps.list(run.id, thread_id=thread.id).data
    assert steps.retrieve(step.id, run_id=run.id, thread_id=thread.id) == step
    submitted = runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs(run, "x")
    )
    run = runs.poll(submitted.id, thread_id=thread.id, poll_interval_ms=10)
    assert run.status == "completed"
    found = [step.type for step in steps.list(run.id, thread_id=thread.id, limit=1)]
    assert found == ["message_creation", "tool_calls"]
    waiting = runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
    )
    assert runs.cancel(waiting.id, thread_id=thread.id).status == "cancelled"
    assert [found.id for found in runs.list(thread.id, limit=1)] == [waiting.id, run.id]


def test_every_call_of_runs_and_steps_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        runs, steps = client.beta.threads.runs, client.beta.threads.runs.steps
        assistant = await client.beta.assistants.create(model="scripted", tools=[WEATHER])
        thread = await client.beta.threads.create(messages=HI)
        model.script = [CALLS, Says("Sunny."), CALLS]
        run = await runs.create(thread.id, assistant_id=assistant.id)
        run = await runs.poll(run.id, thread_id=thread.id, poll_interval_ms=10)
        assert run.status == "requires_action"
        assert await runs.retrieve(run.id, thread_id=thread.id) == run
        changed = await runs.update(run.id, thread_id=thread.id, metadata={"a": "b"})
        assert changed.metadata == {"a": "b"}
        [step] = (await steps.list(run.id, thread_id=thread.id)).data
        assert await steps.retrieve(step.id, run_id=run.id, thread_id=thread.id) == step
        run = await runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run, "x"), poll_interval_ms=10
        )
        assert run.status == "completed"
        found = [step.type async for step in steps.list(run.id, thread_id=thread.id, limit=1)]
        assert found == ["message_creation", "tool_calls"]
        waiting = await runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
        )
        assert (await runs.cancel(waiting.id, thread_id=thread.id)).status == "cancelled"
        listed = [found.id async for found in runs.list(thread.id, limit=1)]
        assert listed == [waiting.id, run.id]

    asynchronously(server, story)


def test_models(strict: OpenAI, server: Running):
    assert [found.id for found in strict.models.list()] == ["scripted"]
    assert strict.models.retrieve("scripted").object == "model"

    async def story(client: AsyncOpenAI) -> None:
        assert [found.id async for found in client.models.list()] == ["scripted"]
        assert (await client.models.retrieve("scripted")).owned_by == "test"

    asynchronously(server, story)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (Says("fine"), "completed"),
        (CALLS, "requires_action"),
        (Fails(400), "failed"),
        (Says("half", finish_reason="length"), "incomplete"),
        (Says("half", finish_reason="content_filter"), "incomplete"),
    ],
)
def test_a_poll_ends_with_the_run_and_each_end_is_strictly_right(
    strict: OpenAI, model: Scripted, line: Line, status: str
):
    assistant = strict.beta.assistants.create(model="scripted", tools=[WEATHER])
    model.script = [line]
    run = strict.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": HI}, poll_interval_ms=10
    )
    assert run.status == status
    strict.beta.threads.messages.list(run.thread_id)
    strict.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id)


class Heard(AssistantEventHandler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.text = ""

    @override
    def on_event(self, event: Any) -> None:
        self.events.append(event)

    @override
    def on_text_done(self, text: Any) -> None:
        self.text = text.value


class AsyncHeard(AsyncAssistantEventHandler):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []
        self.text = ""

    @override
    async def on_event(self, event: Any) -> None:
        self.events.append(event)

    @override
    async def on_text_done(self, text: Any) -> None:
        self.text = text.value


def test_streams_with_a_handler(strict: OpenAI, model: Scripted):
    assistant = strict.beta.assistants.create(model="scripted", tools=[WEATHER])
    model.script = [CALLS, Says("It is sunny.")]
    asking, answering = Heard(), Heard()
    threads = strict.beta.threads
    with threads.create_and_run_stream(
        assistant_id=assistant.id, thread={"messages": HI}, event_handler=asking
    ) as stream:
        run = stream.get_final_run()
        [step] = stream.get_final_run_steps()
    assert brief(asking.events) == ["thread.created", *CALLS_RUN]
    assert step.step_details.type == "tool_calls"
    with threads.runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=outputs(run, "18 °C"),
        event_handler=answering,
    ) as stream:
        stream.until_done()
        [message] = stream.get_final_messages()
        assert stream.get_final_run().status == "completed"
    assert brief(answering.events) == SUBMITTED_RUN
    assert answering.text == "It is sunny."
    assert message.status == "completed"


def test_streams_with_a_handler_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        assistant = await client.beta.assistants.create(model="scripted", tools=[WEATHER])
        thread = await client.beta.threads.create(messages=HI)
        model.script = [CALLS, Says("It is sunny.")]
        asking, answering = AsyncHeard(), AsyncHeard()
        runs = client.beta.threads.runs
        async with runs.stream(
            thread_id=thread.id, assistant_id=assistant.id, event_handler=asking
        ) as stream:
            run = await stream.get_final_run()
        assert brief(asking.events) == CALLS_RUN
        async with runs.submit_tool_outputs_stream(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=outputs(run, "18 °C"),
            event_handler=answering,
        ) as stream:
            await stream.until_done()
            [message] = await stream.get_final_messages()
            [step] = await stream.get_final_run_steps()
        assert brief(answering.events) == SUBMITTED_RUN
        assert answering.text == "It is sunny."
        assert (message.status, step.type) == ("completed", "message_creation")

    asynchronously(server, story)


def test_streams_without_a_helper_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        assistant = await client.beta.assistants.create(model="scripted", tools=[WEATHER])
        model.script = [CALLS, Says("It is sunny.")]
        threads = client.beta.threads
        events: list[Any] = [
            event
            async for event in await threads.create_and_run(
                assistant_id=assistant.id, thread={"messages": HI}, stream=True
            )
        ]
        assert brief(events) == ["thread.created", *CALLS_RUN]
        run = events[-1].data
        submit = await threads.runs.submit_tool_outputs(
            run.id, thread_id=run.thread_id, tool_outputs=outputs(run, "x"), stream=True
        )
        assert brief([event async for event in submit]) == SUBMITTED_RUN
        again = await threads.runs.create(run.thread_id, assistant_id=assistant.id, stream=True)
        assert brief([event async for event in again]) == TEXT_RUN

    asynchronously(server, story)


def test_errors_are_the_same_asynchronously(server: Running, model: Scripted):
    async def story(client: AsyncOpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            await client.beta.threads.messages.create("thread_no", role="user", content="")
        assert (refused.value.param, refused.value.code) == ("content", "empty_string")
        assert refused.value.request_id
        with pytest.raises(NotFoundError, match="No thread found with id 'thread_no'"):
            await client.beta.threads.messages.create("thread_no", role="user", content="x")

    asynchronously(server, story)
