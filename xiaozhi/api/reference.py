"""What each call is for and answers: the table behind /v1/openapi.json.

What a call takes is read off its endpoint; a test fails where a route has no row here. What
OpenAI's API does not have is marked: `extension=True` in a row, `Field(json_schema_extra=
EXTENSION)` on a field of a request. Names of calls are OpenAI's operation ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from openai.types import Model
from openai.types.beta import (
    Assistant,
    AssistantDeleted,
    AssistantStreamEvent,
    Thread,
    ThreadDeleted,
)
from openai.types.beta.threads import Message, MessageDeleted, Run
from openai.types.beta.threads.runs import RunStep
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, Field, RootModel

from xiaozhi.requests import EXTENSION

T = TypeVar("T")


class ListOf(BaseModel, Generic[T]):
    """A page. The next one is asked for with `after` and `last_id`, while `has_more` is true."""

    object: Literal["list"]
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Models(BaseModel):
    object: Literal["list"]
    data: list[Model]


class ListedThread(Thread):
    """`last_activity_at`: Unix seconds. `snippet`: text around the first hit of a search."""

    last_activity_at: int
    snippet: str | None = None


class Thought(BaseModel):
    """What the model thought before the step `step_id`; `seconds` is null while it does."""

    step_id: str
    seconds: float | None
    text: str = ""


class RunWithReasoning(Run):
    """`reasoning`: of each turn that had some, the oldest first; only where it was asked for."""

    reasoning: list[Thought] = Field(default_factory=list, json_schema_extra=EXTENSION)


class RunEvent(RootModel[AssistantStreamEvent]):
    """`event` is that line of the stream, `data` the JSON of the line after it."""


class ErrorDetails(BaseModel):
    """`param`: the dotted path of the field at fault. `code`: for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    error: ErrorDetails


@dataclass(frozen=True)
class Call:
    """`answers`: the type of a plain answer. `streams`: the type of a stream's events.

    `example`: of the body. `fails`: statuses besides 400 and 401, and 404 where a path has an id.
    """

    name: str
    summary: str
    answers: Any = None
    streams: Any = None
    example: Mapping[str, Any] | None = None
    description: str = ""
    fails: Mapping[int, str] = field(default_factory=dict[int, str])
    extension: bool = False


NO_MODEL = {404: "Nobody here can know this model (`model_not_found`)."}
NO_ASSISTANT = {404: "There is no such assistant, thread, or model."}
NO_ENDPOINT = {**NO_MODEL, 502: "The model's endpoint cannot be reached."}
STREAMED = "With `stream: true` the answer is a stream of events that ends with `[DONE]`. "
LOCKED = "While a run of the thread is active this is refused with 400. "
HELLO = {"role": "user", "content": "Why is the sky blue?"}
NOTE = {"metadata": {"colour": "blue"}}
PATCH = {"colour": "blue", "size": None}
PATCHED = (
    "The keys in the body get these values, null removes a key, and all others stay as they are: "
    "clients that change different keys at the same time lose nothing. At most 16 keys may remain."
)

TAGS: Mapping[str, str] = {
    "Assistants": "A model with instructions and tools.",
    "Threads": "A conversation.",
    "Messages": "What was said in a thread.",
    "Runs": "An assistant answers a thread.",
    "Models": "Who can answer.",
    "Chat": "The model's own endpoint, behind this server's address and key.",
}

CALLS: Mapping[str, Call] = {
    "POST /assistants": Call(
        "createAssistant",
        "Create an assistant",
        Assistant,
        example={"model": "default", "name": "Teacher", "instructions": "Be patient."},
        description="`model`: a name that `GET /models` lists, or `default`, which is whichever "
        "model is the server's default when a run is made.",
        fails=NO_MODEL,
    ),
    "GET /assistants": Call("listAssistants", "List assistants", ListOf[Assistant]),
    "GET /assistants/{assistant_id}": Call("getAssistant", "Retrieve an assistant", Assistant),
    "POST /assistants/{assistant_id}": Call(
        "modifyAssistant",
        "Modify an assistant",
        Assistant,
        example={"instructions": "Be brief."},
        description="What is not given stays as it is; lists and maps are replaced whole.",
    ),
    "DELETE /assistants/{assistant_id}": Call(
        "deleteAssistant", "Delete an assistant", AssistantDeleted
    ),
    "POST /threads": Call("createThread", "Create a thread", Thread, example={"messages": [HELLO]}),
    "GET /threads": Call(
        "listThreads",
        "List threads, and search in them",
        ListOf[ListedThread],
        description="Newest activity first. `metadata[key]=value` keeps the threads with this "
        "pair, `q` those in whose title (`metadata.title`) or messages every word occurs.",
        extension=True,
    ),
    "GET /threads/{thread_id}": Call("getThread", "Retrieve a thread", Thread),
    "POST /threads/{thread_id}": Call("modifyThread", "Modify a thread", Thread, example=NOTE),
    "PATCH /threads/{thread_id}/metadata": Call(
        "patchThreadMetadata",
        "Change single keys of a thread's metadata",
        Thread,
        example=PATCH,
        description=PATCHED,
        extension=True,
    ),
    "DELETE /threads/{thread_id}": Call(
        "deleteThread",
        "Delete a thread",
        ThreadDeleted,
        description="Its messages and runs go with it; an active run is cancelled.",
    ),
    "POST /threads/{thread_id}/exchange": Call(
        "exchangeMessages",
        "Exchange messages with another thread",
        Thread,
        example={
            "other_thread_id": "thread_abc123",
            "since": "msg_abc123",
            "messages": ["msg_abc456"],
        },
        description="The messages from `since` on move to the end of the other thread, `messages` "
        "of that one to the end of this one, and `additional_messages` are added behind them: all "
        "of it or nothing. While a run of either thread is active this is refused with 400, and so "
        "it is where `until` is given and not the thread's last message. `message_metadata` "
        "changes single keys of metadata of messages of both threads, by their ids.",
        extension=True,
    ),
    "POST /threads/{thread_id}/messages": Call(
        "createMessage", "Create a message", Message, example=HELLO, description=LOCKED
    ),
    "GET /threads/{thread_id}/messages": Call("listMessages", "List messages", ListOf[Message]),
    "GET /threads/{thread_id}/messages/{message_id}": Call(
        "getMessage", "Retrieve a message", Message
    ),
    "POST /threads/{thread_id}/messages/{message_id}": Call(
        "modifyMessage", "Modify a message", Message, example=NOTE
    ),
    "PATCH /threads/{thread_id}/messages/{message_id}/metadata": Call(
        "patchMessageMetadata",
        "Change single keys of a message's metadata",
        Message,
        example=PATCH,
        description=PATCHED,
        extension=True,
    ),
    "DELETE /threads/{thread_id}/messages/{message_id}": Call(
        "deleteMessage", "Delete a message", MessageDeleted
    ),
    "POST /threads/runs": Call(
        "createThreadAndRun",
        "Create a thread and run it",
        Run,
        RunEvent,
        example={"assistant_id": "asst_abc123", "thread": {"messages": [HELLO]}},
        description=STREAMED,
        fails=NO_ASSISTANT,
    ),
    "POST /threads/{thread_id}/runs": Call(
        "createRun",
        "Create a run",
        Run,
        RunEvent,
        example={"assistant_id": "asst_abc123", "stream": True},
        description=STREAMED + LOCKED,
        fails=NO_ASSISTANT,
    ),
    "GET /threads/{thread_id}/runs": Call("listRuns", "List runs", ListOf[RunWithReasoning]),
    "GET /threads/{thread_id}/runs/{run_id}": Call(
        "getRun",
        "Retrieve a run",
        RunWithReasoning,
        description="The header `openai-poll-after-ms` says when to ask again.",
    ),
    "POST /threads/{thread_id}/runs/{run_id}": Call("modifyRun", "Modify a run", Run, example=NOTE),
    "POST /threads/{thread_id}/runs/{run_id}/cancel": Call(
        "cancelRun",
        "Cancel a run",
        Run,
        description="The run is `cancelling`, and `cancelled` within a second or so. A run that "
        "is over cannot be cancelled (400).",
    ),
    "POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs": Call(
        "submitToolOutputsToRun",
        "Submit tool outputs to a run",
        Run,
        RunEvent,
        example={"tool_outputs": [{"tool_call_id": "call_abc123", "output": "22 °C"}]},
        description=STREAMED + "All pending calls of the run are answered at once.",
    ),
    "GET /threads/{thread_id}/runs/{run_id}/steps": Call(
        "listRunSteps", "List run steps", ListOf[RunStep]
    ),
    "GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}": Call(
        "getRunStep", "Retrieve a run step", RunStep
    ),
    "GET /threads/{thread_id}/runs/{run_id}/events": Call(
        "streamRunEvents",
        "Stream the events of a run",
        streams=RunEvent,
        description="What happened in the run, from its start or after `Last-Event-ID`, then what "
        "happens, until its end. With `include[]=reasoning` also what the model thinks: "
        "`thread.run.reasoning.delta` and `.completed`.",
        extension=True,
    ),
    "GET /models": Call(
        "listModels", "List models", Models, description="The server's default comes first."
    ),
    "GET /models/{name}": Call("retrieveModel", "Retrieve a model", Model),
    "POST /chat/completions": Call(
        "createChatCompletion",
        "Create a chat completion",
        ChatCompletion,
        ChatCompletionChunk,
        example={"model": "default", "messages": [HELLO]},
        description="Passed on to the model's endpoint as it is, with whatever else the body has; "
        "so is what that answers, errors included. " + STREAMED,
        fails=NO_ENDPOINT,
    ),
}
