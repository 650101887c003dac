"""An endpoint's answer as it comes: bytes, events, pieces; with bounds on all that is kept of it.

response ──► response_body.chunks ──► EventParser ──► AnswerReader ──► Piece
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from typing import Any

import aiohttp

from xiaozhi.chat_models import chat_model, response_body, wire
from xiaozhi.chat_models.chat_model import Piece
from xiaozhi.chat_models.endpoint_errors import excerpt
from xiaozhi.chat_models.response_body import AT_ONCE, too_long
from xiaozhi.chat_models.server_sent_events import BOM, Event, EventParser, TooLong
from xiaozhi.errors import ModelFailed

WORDS = 2**20  # characters that an answer may have: text, thoughts, calls
CALLS = 512  # in one answer; 128 functions are the most that a run may have
STREAMED = 128 * 2**20  # bytes of a stream; each token costs some 300 there
# What is larger is parsed in a thread
PARSED_HERE = 64 * 2**10  # bytes
VALUES = 150_000  # that may be in what is larger, more or less
TOO_DEEP = "its answer is nested too deep"
ENDS_WITHIN = 1.0  # s that a stream may stay open behind its end
USAGE_WITHIN = 30.0  # s that it may be silent between the answer's end and its own

_DONE = (b"[DONE]", b'"[DONE]"')
# Kinds of events that hold nothing of an answer
_SIGNS_OF_LIFE = (b"ping", b"heartbeat", b"keep-alive", b"keepalive")

log = logging.getLogger(__name__)


async def pieces(
    response: aiohttp.ClientResponse, functions: Collection[str]
) -> AsyncGenerator[Piece]:
    """What it says, a piece for each read. `functions`: those that can be called.

    Raises ModelFailed, and what aiohttp raises.
    """
    async with aclosing(response_body.chunks(response)) as chunks:
        first = await _first(chunks)
        if first.removeprefix(BOM).lstrip()[:1] in (b"{", b"["):
            # A whole answer; some send one although a stream was asked for.
            yield await _whole(first, chunks, functions)
            return
        answer = _Answer(functions)
        async with aclosing(answer.pieces(first, chunks)) as told:
            async for piece in told:
                yield piece
        if not answer.is_finished:
            raise answer.broken(response.content_type, first)


class _Answer:
    """A stream that is being read. `is_finished`: its end has come."""

    def __init__(self, functions: Collection[str]) -> None:
        self.is_finished = False
        self._is_done = False
        self._is_empty = True
        self._parser = EventParser(AT_ONCE)
        self._reader = wire.AnswerReader(functions)
        self._streamed = self._words = 0

    async def pieces(self, first: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
        chunk: bytes | None = first
        while chunk and not self._is_done:
            piece = Piece()
            try:
                await self._take(chunk, piece)
            except ModelFailed:
                if _says(piece):
                    yield piece
                raise
            if _says(piece):
                yield piece
            if not self._is_done:
                chunk = await self._next(chunks)
        piece = Piece()
        if not self._is_done:
            await self._take_rest(piece)
        if self.is_finished:
            self._reader.end(piece)
        if _says(piece):
            yield piece
        self._note_unknown()
        if self._is_done:
            await _to_its_end(chunks)

    def broken(self, content_type: str, first: bytes) -> ModelFailed:
        """Why there is no end. `first`: what came first."""
        if self._is_empty:
            # A page of some proxy says nothing to anybody.
            came = "" if b"<" in first else excerpt(first)
            words = f"it sent no answer, but {content_type}{': ' if came else ''}{came}"
            return ModelFailed(chat_model.FAILED, words)
        if self._reader.unknown and not self._reader.has_said:
            return ModelFailed(chat_model.FAILED, wire.NOT_UNDERSTOOD + self._reader.unknown)
        return ModelFailed(chat_model.BROKE_OFF)

    async def _take(self, chunk: bytes, piece: Piece) -> None:
        self._streamed += len(chunk)
        if self._streamed > STREAMED:
            raise too_long("its answer", STREAMED)
        try:
            events = self._parser.feed(chunk)
        except TooLong:
            raise too_long("one event of its answer", AT_ONCE) from None
        for event in events:
            await self._take_event(event, piece)
            if self._is_done:
                break
        self._words += len(piece.text) + len(piece.reasoning) + len(piece.refusal)
        characters, calls = self._words + self._reader.calls.size, len(self._reader.calls)
        if exceeded := _exceeded(characters, calls):
            # Nothing is made of what goes beyond.
            piece.text = piece.reasoning = piece.refusal = ""
            piece.calls.clear()
            raise exceeded
        self.is_finished = self.is_finished or piece.finish_reason is not None

    async def _take_event(self, event: Event, piece: Piece) -> None:
        kind, data = event
        if not data or kind in _SIGNS_OF_LIFE:
            return
        self._is_empty = False
        if data[:1] != b"{" and data.strip() in _DONE:
            self._is_done = self.is_finished = True
        elif kind == b"error":
            raise wire.told_as_error(data, self._reader.reason())
        else:
            _read(self._reader, await _parsed(data), piece)

    async def _take_rest(self, piece: Piece) -> None:
        """An event that was not ended; it may have been cut in the middle."""
        for kind, data in self._parser.rest():
            try:
                await self._take_event((kind, data), piece)
            except NotJson as error:
                if not self.is_finished:
                    raise ModelFailed(chat_model.BROKE_OFF) from error
        self.is_finished = self.is_finished or piece.finish_reason is not None

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """The next chunk; None where there is none, or nothing more need be waited for."""
        if not self.is_finished:
            return await anext(chunks, None)
        try:
            async with asyncio.timeout(USAGE_WITHIN):
                return await anext(chunks, None)
        except TimeoutError:
            return None

    def _note_unknown(self) -> None:
        if self._reader.unknown_fields:
            names = ", ".join(sorted(self._reader.unknown_fields))
            log.warning("an answer has fields that are not understood: %s", excerpt(names))


class NotJson(ModelFailed):
    """What came is no JSON."""

    def __init__(self, data: bytes) -> None:
        came = "" if b"<" in data else excerpt(data)
        super().__init__(chat_model.FAILED, f"it sent something that is not JSON: {came}")


def _says(piece: Piece) -> bool:
    return bool(
        piece.count
        or piece.finish_reason
        or piece.usage
        or piece.calls
        or piece.text
        or piece.reasoning
        or piece.refusal
    )


def _exceeded(characters: int, calls: int) -> ModelFailed | None:
    if characters > WORDS:
        return ModelFailed(chat_model.FAILED, f"its answer has more than {WORDS:,} characters")
    if calls > CALLS:
        return ModelFailed(chat_model.FAILED, f"its answer has more than {CALLS} calls")
    return None


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    """The beginning, as far as it must be known to tell a stream from a whole answer."""
    first = b""
    async for data in chunks:
        first = first + data if first else data.lstrip()
        if len(first) > len(BOM):
            break
    return first


async def _whole(first: bytes, chunks: AsyncIterator[bytes], functions: Collection[str]) -> Piece:
    came, size = [first], len(first)
    async for data in chunks:
        came.append(data)
        size += len(data)
        if size > AT_ONCE:
            raise too_long("its answer", AT_ONCE)
    piece = wire.whole(await _parsed(b"".join(came)), functions)
    characters = len(piece.text) + len(piece.reasoning) + len(piece.refusal)
    characters += sum(len(call.arguments) for call in piece.calls)
    if exceeded := _exceeded(characters, len({call.index for call in piece.calls})):
        raise exceeded
    return piece


async def _parsed(data: bytes) -> Any:
    """JSON from an endpoint. Raises ModelFailed, of the kind NotJson where it is none."""
    try:
        if len(data) <= PARSED_HERE:
            return wire.parsed(data)
        # Parsing holds the interpreter: what takes long is refused before.
        if sum(map(data.count, (b",", b"[", b"{"))) > VALUES:
            raise ModelFailed(chat_model.FAILED, f"its answer has more than {VALUES:,} values")
        return await asyncio.to_thread(wire.parsed, data)
    except ValueError as error:
        raise NotJson(data) from error
    except RecursionError as error:
        raise ModelFailed(chat_model.FAILED, TOO_DEEP) from error


def _read(reader: wire.AnswerReader, found: Any, piece: Piece) -> None:
    try:
        reader.take(found, piece)
    except RecursionError as error:
        raise ModelFailed(chat_model.FAILED, TOO_DEEP) from error


async def _to_its_end(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left behind the end, so that the connection can be used again."""
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            async for _ in chunks:
                pass
    except (TimeoutError, aiohttp.ClientError, OSError, ModelFailed):
        log.debug("an endpoint's stream did not end behind its end")
