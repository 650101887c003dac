"""Parts of a server that fail at random: its store, its events, its model.

Each is the real one with something around it that raises, once in a while: before a thing is done,
in the midst of it, or when it is done and only its answer is lost.
"""

import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from openai.types import CompletionUsage

from xiaozhi.chat_models import CallPiece, ChatModel, ChatRequest, Piece
from xiaozhi.errors import InDoubt, ModelFailed, Unavailable
from xiaozhi.events import Events, Text
from xiaozhi.server import Parts
from xiaozhi.store import Connection, Store, Work
from xiaozhi.store.store import Result

# What may be raised anywhere
ERRORS: list[Callable[[], Exception]] = [
    lambda: Unavailable("The database cannot be written: injected."),
    lambda: ValueError("injected"),
    lambda: RuntimeError("injected"),
    lambda: KeyError("injected"),
    lambda: OSError("injected"),
    lambda: TimeoutError("injected"),
    lambda: UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"),
]
# A piece is one of hundreds in a run, a write one of five.
RARELY = 0.1


class Faults:
    """When something fails. `chance`: of each write and read. `injected`: how often, and where."""

    def __init__(self, seed: str, chance: float) -> None:
        self.chance = chance
        self.injected: Counter[str] = Counter()
        self.random = random.Random(seed)

    def at(self, where: str, times: float = 1.0) -> Exception | None:
        """What is to be raised now; nearly always nothing. `times`: how often beside a write."""
        if self.random.random() >= self.chance * times:
            return None
        self.injected[where] += 1
        return self.random.choice(ERRORS)()

    def parts(self) -> Parts:
        return Parts(
            store=lambda store: FaultyStore(store, self),
            events=lambda: FaultyEvents(self),
            model=lambda model: FaultyModel(model, self),
        )


class FaultyStore(Store):
    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.trouble = store.trouble
        self.check = store.check
        self.close = store.close

    async def read(self, work: Work[Result]) -> Result:
        if error := self._faults.at("read before"):
            raise error
        if error := self._faults.at("parse"):
            return await self._store.read(_failing(work, error))
        return await self._store.read(work)

    async def write(self, work: Work[Result]) -> Result:
        if error := self._faults.at("write before"):
            raise error
        if error := self._faults.at("write within"):
            return await self._store.write(_failing(work, error))
        result = await self._store.write(work)
        if error := self._faults.at("write after"):
            # It is kept: a database that says so must say that it does not know.
            raise InDoubt(error.message) if isinstance(error, Unavailable) else error
        return result


class FaultyEvents(Events):
    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def publish(self, topic: str, event: str, data: str) -> None:
        if error := self._faults.at("publish", RARELY * 5):
            raise error
        super().publish(topic, event, data)

    def publish_piece(self, topic: str, text: Text, piece: str) -> None:
        if error := self._faults.at("publish a piece", RARELY):
            raise error
        super().publish_piece(topic, text, piece)


class FaultyModel(ChatModel):
    def __init__(self, model: ChatModel, faults: Faults) -> None:
        self._model = model
        self._faults = faults
        self.relay = model.relay
        self.models = model.models
        self.check = model.check
        self.window = model.window
        self.at_a_time = model.at_a_time

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        async with aclosing(self._model.stream(request)) as pieces:
            async for piece in pieces:
                if error := self._faults.at("model", RARELY):
                    raise ModelFailed("injected") if isinstance(error, Unavailable) else error
                yield self._garbled(piece) if self._faults.at("piece", RARELY) else piece

    def _garbled(self, piece: Piece) -> Piece:
        """As a broken endpoint might send it."""
        garble: Callable[[Piece], Piece] = self._faults.random.choice(
            [
                lambda piece: replace(piece, text=piece.text + "\ud83d"),
                lambda piece: replace(piece, calls=[CallPiece(7, None, "{")]),
                lambda piece: replace(piece, calls=[CallPiece(0, "\ude00", "\ud83d")]),
                lambda piece: replace(piece, reasoning="\ud83d", reasoning_field="reasoning"),
                lambda piece: replace(piece, usage=_usage(-5)),
                lambda piece: replace(piece, finish_reason="\ud83d"),
            ]
        )
        return garble(piece)


def _failing(work: Work[Result], error: Exception) -> Work[Result]:
    def failing(connection: Connection) -> Result:
        work(connection)
        raise error

    return failing


def _usage(count: int) -> CompletionUsage:
    return CompletionUsage(prompt_tokens=count, completion_tokens=count, total_tokens=count)
