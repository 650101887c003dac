"""What clients may send: one class a body, with the limits of the API (contract 3.2, 4 to 7 and
17).

What they get back are the SDK's own types. The SDK's request types are not used: they know no
limits, let unknown keys pass and check lists lazily (docs/decisions/0003).

Names of union branches begin with "=", so that a refusal can leave them out of the path.

What is the same for all of them stands in `request_body.py`.
"""

from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from xiaozhi.json_objects import JsonObject, Text
from xiaozhi.metadata import Metadata, MetadataPatch
from xiaozhi.request_body import Body
from xiaozhi.request_limits import (
    ATTACHMENT_TOOLS,
    ATTACHMENTS,
    MESSAGES,
    MOVED_MESSAGES,
    PARTS,
    PATCHED_MESSAGES,
    TOOL_OUTPUTS,
    short_enough,
)
from xiaozhi.tool_resources import ToolResources

INSTRUCTIONS = 256_000  # characters
MESSAGE_TEXT = 256_000  # characters
TOOLS = 128
# The reference says 256; OpenAI's service took 16, and no run can do anything with 0.
TOKENS_AT_LEAST = 1

# For the description of a field that OpenAI's API does not have (docs/extensions.md)
EXTENSION: dict[str, Any] = {"x-xiaozhi-extension": True}

Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=TOKENS_AT_LEAST)]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Detail = Literal["auto", "low", "high"]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


# --- tools


class RankingOptions(Body):
    score_threshold: Annotated[float, Field(ge=0, le=1)]
    ranker: Literal["auto", "default_2024_08_21"] = "auto"


class FileSearchSettings(Body):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class FunctionDefinition(Body):
    name: FunctionName
    description: Text | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class CodeInterpreterTool(Body):
    type: Literal["code_interpreter"]


class FileSearchTool(Body):
    type: Literal["file_search"]
    file_search: FileSearchSettings | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: FunctionDefinition

    def kept(self) -> dict[str, Any]:
        """As assistants and runs show it, with the API's defaults (contract 4)."""
        function: dict[str, Any] = {
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
            **self.function.given(),
        }
        return {"type": "function", "function": function}


AnyTool = Annotated[
    CodeInterpreterTool | FileSearchTool | FunctionTool, Field(discriminator="type")
]
Tools = Annotated[list[AnyTool], Field(max_length=TOOLS, fail_fast=True)]


# --- response_format and tool_choice: a word, or an object


class TextFormat(Body):
    type: Literal["text"]


class JsonObjectFormat(Body):
    type: Literal["json_object"]


class JsonSchema(Body):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Text | None = None
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None
    strict: bool | None = None


class JsonSchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class NamedFunction(Body):
    name: FunctionName


class FunctionChoice(Body):
    type: Literal["function"]
    function: NamedFunction


class ToolChoice(Body):
    type: Literal["file_search", "code_interpreter"]


def _word_or_object(found: Any) -> str:
    return "=word" if isinstance(found, str) else "=object"


ResponseFormat = Annotated[
    Annotated[Literal["auto"], Tag("=word")]
    | Annotated[
        Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")],
        Tag("=object"),
    ],
    Discriminator(_word_or_object),
]
ToolChoiceOption = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("=word")]
    | Annotated[
        Annotated[FunctionChoice | ToolChoice, Field(discriminator="type")],
        Tag("=object"),
    ],
    Discriminator(_word_or_object),
]


class Truncation(Body):
    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def last_messages_has_its_number(self) -> "Truncation":
        if self.type == "last_messages" and self.last_messages is None:
            raise PydanticCustomError("missing_last_messages", "last_messages is missing")
        return self


# --- assistants


class _Assistant(Body):
    name: Annotated[str, StringConstraints(max_length=256)] | None = None
    description: Annotated[str, StringConstraints(max_length=512)] | None = None
    instructions: Annotated[str, StringConstraints(max_length=INSTRUCTIONS)] | None = None
    tools: Tools = Field(default_factory=list[AnyTool])
    tool_resources: ToolResources | None = None
    metadata: Metadata = Field(default_factory=dict[str, str])
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat = "auto"
    reasoning_effort: ReasoningEffort | None = None


class CreateAssistant(_Assistant):
    model: Annotated[str, StringConstraints(min_length=1)]
    id: Annotated[
        Annotated[str, StringConstraints(pattern=r"^asst_[A-Za-z0-9_-]{1,64}$")] | None,
        Field(json_schema_extra=EXTENSION, description="The assistant gets this very id."),
    ] = None


class ModifyAssistant(_Assistant):
    EMPTY_IS_NOT_GIVEN = frozenset({"model"})

    model: Text | None = None


# --- messages and threads


class TextPart(Body):
    type: Literal["text"]
    text: Annotated[str, StringConstraints(max_length=MESSAGE_TEXT)]


class ImageUrl(Body):
    url: Annotated[str, StringConstraints(min_length=1)]
    detail: Detail = "auto"


class ImageUrlPart(Body):
    type: Literal["image_url"]
    image_url: ImageUrl


class ImageFile(Body):
    file_id: Annotated[str, StringConstraints(min_length=1)]
    detail: Detail = "auto"


class ImageFilePart(Body):
    type: Literal["image_file"]
    image_file: ImageFile


Part = Annotated[TextPart | ImageUrlPart | ImageFilePart, Field(discriminator="type")]


def _text_or_parts(found: Any) -> str:
    return "=parts" if isinstance(found, list) else "=text"


Content = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=MESSAGE_TEXT), Tag("=text")]
    | Annotated[
        list[Part],
        Field(min_length=1, max_length=PARTS, fail_fast=True),
        AfterValidator(short_enough),
        Tag("=parts"),
    ],
    Discriminator(_text_or_parts),
]


class AttachmentTool(Body):
    type: Literal["code_interpreter", "file_search"]


class Attachment(Body):
    file_id: Text | None = None
    tools: (
        Annotated[list[AttachmentTool], Field(max_length=ATTACHMENT_TOOLS, fail_fast=True)] | None
    ) = None


class CreateMessage(Body):
    role: Literal["user", "assistant"]
    content: Content
    attachments: list[Attachment] = Field(
        default_factory=list[Attachment], max_length=ATTACHMENTS, fail_fast=True
    )
    metadata: Metadata = Field(default_factory=dict[str, str])


Messages = Annotated[
    list[CreateMessage],
    Field(max_length=MESSAGES, fail_fast=True),
    AfterValidator(short_enough),
]


class ModifyMessage(Body):
    metadata: Metadata = Field(default_factory=dict[str, str])


class CreateThread(Body):
    messages: Messages = Field(default_factory=list[CreateMessage])
    tool_resources: ToolResources | None = None
    metadata: Metadata = Field(default_factory=dict[str, str])


def _few_patches(found: object) -> object:
    """Counted before any of them is looked at: a mapping has no `fail_fast`."""
    if isinstance(found, Sized) and len(found) > PATCHED_MESSAGES:
        raise PydanticCustomError(
            "object_above_max_properties",
            "too many properties. Expected an object with at most {most} properties.",
            {"most": PATCHED_MESSAGES},
        )
    return found


class Exchange(Body):
    """`since`: from this message on they leave; none does without. `messages`: of the other thread.

    `until`: the message that has to be the thread's last one. `message_metadata`: single keys of
    messages of either thread, by the message's id.
    """

    other_thread_id: Text
    since: Text | None = None
    until: Text | None = None
    messages: list[Text] = Field(
        default_factory=list[str], max_length=MOVED_MESSAGES, fail_fast=True
    )
    additional_messages: Messages = Field(default_factory=list[CreateMessage])
    message_metadata: Annotated[
        dict[Text, MetadataPatch],
        BeforeValidator(_few_patches),
        Field(json_schema_extra={"maxProperties": PATCHED_MESSAGES}),
    ] = Field(default_factory=dict[str, MetadataPatch])


class ModifyThread(Body):
    tool_resources: ToolResources | None = None
    metadata: Metadata = Field(default_factory=dict[str, str])


# --- runs


class RunSettings(Body):
    """What a run may set for itself; the rest is the assistant's."""

    KEEPS_NULL = frozenset({"parallel_tool_calls"})
    assistant_id: Text
    model: Annotated[str, StringConstraints(min_length=1)] | None = None
    instructions: Annotated[str, StringConstraints(max_length=INSTRUCTIONS)] | None = None
    tools: Tools | None = None
    metadata: Metadata = Field(default_factory=dict[str, str])
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: ReasoningEffort | None = None
    stream: bool = False
    max_prompt_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    truncation_strategy: Truncation = Truncation(type="auto")
    tool_choice: ToolChoiceOption = "auto"
    parallel_tool_calls: bool = True


class CreateRun(RunSettings):
    additional_instructions: Annotated[str, StringConstraints(max_length=INSTRUCTIONS)] | None = (
        None
    )
    additional_messages: Messages = Field(default_factory=list[CreateMessage])


class CreateThreadAndRun(RunSettings):
    thread: CreateThread = CreateThread()
    tool_resources: ToolResources | None = None


class ModifyRun(Body):
    metadata: Metadata = Field(default_factory=dict[str, str])


class ToolOutput(Body):
    tool_call_id: Text
    output: Text | None = None


class SubmitToolOutputs(Body):
    tool_outputs: Annotated[list[ToolOutput], Field(max_length=TOOL_OUTPUTS, fail_fast=True)]
    stream: bool = False


# --- chat completions


class CreateDeploymentCompletion(Body):
    """As at Azure, where the path names the model."""

    model_config = ConfigDict(extra="allow", strict=True)

    messages: Annotated[list[Any], Field(min_length=1)]


class CreateChatCompletion(CreateDeploymentCompletion):
    """Passed on to the model's endpoint, which knows best what else may stand in it."""

    model: Annotated[str, StringConstraints(min_length=1)]
