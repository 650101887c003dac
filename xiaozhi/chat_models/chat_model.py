"""What a run needs of a model: the seam between the run engine and whoever answers."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from openai.types import Model

# The fixed sentences of ModelFailed: the app shows them in its own language (xiaozhi/locale).
UNREACHABLE = "The model endpoint cannot be reached"
KEY_REFUSED = "The model endpoint refused the key"
UNKNOWN_MODEL = "The model endpoint does not know this model"
REFUSED = "The model endpoint refused the request"
TOO_MANY = "The model endpoint has had too many requests"
FAILED = "The model endpoint failed"
SILENT = "The model did not answer in time"
BROKE_OFF = "The model broke off in the middle of its answer"
NO_ROOM = "The conversation does not fit into the model's context"
CANNOT_SEE = "This model cannot see pictures"
STOPPED = "The built-in model stopped unexpectedly; it is being started again"
GIVEN_UP = "The built-in model keeps stopping and was given up"

SENTENCES = (
    UNREACHABLE,
    KEY_REFUSED,
    UNKNOWN_MODEL,
    REFUSED,
    TOO_MANY,
    FAILED,
    SILENT,
    BROKE_OFF,
    NO_ROOM,
    CANNOT_SEE,
    STOPPED,
    GIVEN_UP,
)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`messages`: as chat completions take them. `options`: further fields of the request body."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A part of a function call. `index`: which call of this answer, from 0 on.

    `name`: only in the call's first piece. `arguments`: JSON text, to be joined.
    """

    index: int
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What an endpoint says that an answer took; None where it does not say so."""

    prompt: int | None
    completion: int | None
    total: int | None


@dataclass(slots=True)
class Piece:
    """What one read from the model brought; texts that arrived together are joined.

    Every text holds whole characters (`surrogates.py`): a run that is given half of one fails.

    `count`: of the chunks that it came in; none of them holds less than a token. `reasoning`: what
    the model thinks before the rest. `reasoning_field`: as what its server sent that, and wants it
    back; empty where it stood in the text. `thought_until`: what was said of the answer so far was
    thought, up to and with this; it ends with the tag that closes thoughts.
    """

    text: str = ""
    refusal: str = ""
    calls: list[CallPiece] = field(default_factory=list[CallPiece])
    finish_reason: str | None = None
    usage: TokenCount | None = None
    count: int = 0
    reasoning: str = ""
    reasoning_field: str = ""
    thought_until: str = ""


@dataclass(frozen=True, slots=True)
class Relayed:
    """An endpoint's own HTTP answer. `headers`: those that say something about the body or about
    trying again, in lower case. `data`: the bytes as they come; raises ModelFailed.

    `close` must be called: an answer that nobody wants any more must stop costing.
    """

    status: int
    headers: Mapping[str, str]
    data: AsyncIterator[bytes]
    close: Callable[[], None]


class ChatModel(Protocol):
    def stream(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        """The answer as it comes. The last pieces bring finish_reason and usage.

        Raises ModelFailed. Closing the iterator ends the request.
        """
        ...

    async def relay(self, body: Mapping[str, Any]) -> Relayed:
        """What the endpoint answers to `body`, a request for chat completions, whatever it is.

        Raises ModelFailed where there is no answer at all.
        """
        ...

    async def models(self) -> Sequence[Model]:
        """Which models answer here, the preferred one first. Raises ModelFailed."""
        ...

    async def check(self) -> None:
        """Whether it can answer now. Raises ModelFailed at once where it cannot."""
        ...

    def window(self, model: str) -> int | None:
        """How many tokens a prompt may have; None where nobody knows."""
        ...

    def at_a_time(self, model: str) -> int | None:
        """How many answers it gives at a time; None where nobody knows a bound."""
        ...
