"""What a model says behind the functions that it calls, in the same turn, is kept."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread

from tests.api.test_functions import (
    PARIS,
    SUBMITTED_RUN,
    WEATHER,
    asking,
    brief,
    outputs,
)
from tests.api.test_runs import TEXT_RUN, streamed, text_of_last
from tests.running import running
from xiaozhi.chat_models import CallPiece, ChatModel, ChatRequest, Piece
from xiaozhi.chat_models.scripted import Says, Scripted
from xiaozhi.server import Parts

AROUND_A_CALL = [
    Piece(text="I look."),
    Piece(calls=[CallPiece(0, "weather", PARIS)]),
    Piece(text=" Give me "),
    Piece(text="a moment.", finish_reason="tool_calls"),
]


class SpeaksAroundACall(ChatModel):
    """In the first turn of a run. Over HTTP, pieces that arrive together would be joined."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self.relay = model.relay
        self.models = model.models
        self.check = model.check
        self.window = model.window
        self.at_a_time = model.at_a_time

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        if request.messages[-1]["role"] == "user":
            for piece in AROUND_A_CALL:
                yield piece
        else:
            async for piece in self._model.stream(request):
                yield piece


@pytest.fixture(scope="module")
def client(
    model_server: tuple[Scripted, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenAI]:
    folder, parts = tmp_path_factory.mktemp("data"), Parts(model=SpeaksAroundACall)
    with (
        running(folder, model_url=model_server[1], parts=parts) as server,
        server.client() as client,
    ):
        yield client


@pytest.fixture
def assistant(client: OpenAI) -> Assistant:
    instructions = "Be brief."
    tools: Any = [WEATHER]
    return client.beta.assistants.create(model="scripted", instructions=instructions, tools=tools)


def test_words_behind_a_call_are_a_message_of_their_own_too(
    client: OpenAI, model: Scripted, assistant: Assistant, thread: Thread
):
    model.script = [Says("Sunny.")]
    events = streamed(client, thread, assistant)
    said = [*TEXT_RUN[3:10]]
    assert brief(events) == [
        *TEXT_RUN[:3],
        *said,
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        *said,
        "thread.run.requires_action",
    ]
    run = events[-1].data
    again = client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs(run, "20 degrees"), stream=True
    )
    assert brief(list(again)) == [*SUBMITTED_RUN[:2], *TEXT_RUN[2:]]
    texts = [
        part.text.value
        for message in client.beta.threads.messages.list(thread.id, order="asc")
        for part in message.content
        if part.type == "text"
    ]
    assert texts == ["你好", "I look.", " Give me a moment.", "Sunny."]
    called = model.requests[-1]["messages"][2]
    assert called["content"] == "I look.\n Give me a moment."
    assert called["tool_calls"][0]["function"]["arguments"] == PARIS
    assert model.requests[-1]["messages"][3]["role"] == "tool"
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
    assert [step.type for step in steps] == [
        "message_creation",
        "tool_calls",
        "message_creation",
        "message_creation",
    ]
    assert {step.status for step in steps} == {"completed"}


def test_words_behind_calls_that_are_not_answered_stay(
    client: OpenAI, assistant: Assistant, thread: Thread
):
    run = asking(client, thread, assistant)
    client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
    assert text_of_last(client, thread.id) == " Give me a moment."
