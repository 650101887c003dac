"""The built-in model: llama.cpp in a child process, which then is an OpenAI-compatible endpoint.

A crash of native code ends the child, never the server; it is started again, within bounds. The
child ends with its parent, also when that is killed: it sees the end of its standard input.
"""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from openai.types import Model

from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.chat_model import ChatRequest, Piece, Relayed
from xiaozhi.chat_models.openai_compatible import OpenAICompatible
from xiaozhi.chat_models.sight import WORDS_ONLY, without_pictures
from xiaozhi.chat_models.spoken_calls import with_calls, with_results_told
from xiaozhi.chat_models.weights import BUILT_IN
from xiaozhi.errors import ModelFailed

CONTEXT = 8_192  # tokens a conversation
SLOTS = 2  # answers at a time; each has a context of its own
ANSWER = 2_048  # tokens at most: a small model may never stop by itself
PROMPT_CACHE = 512  # MiB, for conversations that are not in a slot now
LOADING = 120.0  # s that a start may take
CRASHES = 3  # within …
CRASHES_WITHIN = 300.0  # s; then it is not started again until one of them is that old

# The publisher's own (generation_config.json), where a request says nothing else. Without them 5 of
# 24 answers to the page's suggestions ran in a circle until they were cut; with them none did.
SAMPLING = {"penalty_repeat": 1.1, "top_k": 20, "temp": 0.7, "top_p": 0.8}

CHILD = Path(__file__).with_name("llama_server.py")

log = logging.getLogger(__name__)


class BuiltIn:
    def __init__(self, gguf: Path, session: aiohttp.ClientSession, *, name: str = "") -> None:
        """`gguf`: the model's file. `name`: what it is called; else the file's name."""
        self.name = name or gguf.stem
        self._gguf = gguf
        # Not a model of the user's choice, which may well do what this one cannot
        self._is_own = gguf.name == BUILT_IN.file
        self._session = session
        self._key = secrets.token_urlsafe(32)
        self._supervisor: asyncio.Task[None] | None = None
        self._state_changed = asyncio.Condition()
        # One of the two is set, or the model is being loaded
        self._endpoint: OpenAICompatible | None = None
        self._given_up = ""
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._last_words: deque[str] = deque(maxlen=20)
        self._last_end = ""

    def start(self) -> None:
        """Load the model in the background."""
        self._supervisor = asyncio.ensure_future(self._supervise())
        self._supervisor.add_done_callback(self._unsupervised)

    async def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def window(self, model: str) -> int | None:
        return CONTEXT

    def at_a_time(self, model: str) -> int | None:
        return SLOTS

    async def models(self) -> Sequence[Model]:
        model = {"id": self.name, "object": "model", "created": 0, "owned_by": "xiaozhi"}
        return [Model.model_validate({**model, "input_modalities": WORDS_ONLY})]

    async def check(self) -> None:
        if self._endpoint is None:
            reason = chat_model.GIVEN_UP if self._given_up else chat_model.SILENT
            raise ModelFailed(reason, self._given_up or "it is still being loaded")

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises ModelFailed."""
        await self._running()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        request = without_pictures(request)
        if self._is_own:
            request = with_results_told(request)
        for again in (True, False):
            endpoint = await self._running()
            try:
                async with aclosing(_answer(endpoint, request)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except ModelFailed as error:
                if error.reason not in (chat_model.BROKE_OFF, chat_model.UNREACHABLE):
                    raise
                ending = await self._how_it_ended(endpoint)
                # It had ended before it was asked: the next one answers as well.
                if error.reason == chat_model.UNREACHABLE and again:
                    continue
                raise ModelFailed(chat_model.STOPPED, ending) from error

    async def relay(self, body: Mapping[str, Any]) -> Relayed:
        endpoint = await self._running()
        try:
            return await endpoint.relay(body)
        except ModelFailed as error:
            if error.reason != chat_model.UNREACHABLE:
                raise
            # It had ended before it was asked: the next one answers as well.
            await self._how_it_ended(endpoint)
            return await (await self._running()).relay(body)

    async def _running(self) -> OpenAICompatible:
        try:
            async with asyncio.timeout(LOADING), self._state_changed:
                await self._state_changed.wait_for(lambda: self._endpoint or self._given_up)
        except TimeoutError:
            raise ModelFailed(chat_model.SILENT, "it is still being loaded") from None
        if self._endpoint is None:
            raise ModelFailed(chat_model.GIVEN_UP, self._given_up)
        return self._endpoint

    async def _how_it_ended(self, endpoint: OpenAICompatible) -> str:
        """The supervisor learns of the child's end a moment after its connection broke."""
        try:
            async with asyncio.timeout(1.0), self._state_changed:
                await self._state_changed.wait_for(lambda: self._endpoint is not endpoint)
        except TimeoutError:
            return ""
        return self._last_end

    async def _supervise(self) -> None:
        while True:
            process = await self._spawn()
            reading = asyncio.ensure_future(self._take_in(process))
            try:
                address = await asyncio.wait_for(_address(process), LOADING)
                if address:
                    log.info("%s is loaded (process %s)", self.name, process.pid)
                    await self._now(OpenAICompatible(address, self._key, self._session, tries=1))
                self._last_end = _ending(await process.wait())
            except TimeoutError:
                self._last_end = f"it did not come up within {LOADING:.0f} s"
            finally:
                reading.cancel()
                await _end(process)
            # Once it answers, its words may repeat what people say.
            said = "" if self._endpoint else f"; it said: {' | '.join(self._last_words)}"
            log.error("%s: %s%s", self.name, self._last_end, said)
            await self._now(None)
            await self._pause_after_crashes()

    def _unsupervised(self, supervisor: asyncio.Future[None]) -> None:
        """It never ends by itself: those who wait for the model must not wait in vain."""
        if not supervisor.cancelled() and (error := supervisor.exception()):
            log.error("%s is not supervised any more", self.name, exc_info=error)
            self._last_word = asyncio.ensure_future(self._now(None, given_up=str(error)))

    async def _pause_after_crashes(self) -> None:
        self._crashes.append(time.monotonic())
        pause = self._crashes[0] + CRASHES_WITHIN - time.monotonic()
        if len(self._crashes) == CRASHES and pause > 0:
            await self._now(None, given_up=f"{CRASHES} times; at last {self._last_end}")
            await asyncio.sleep(pause)
            await self._now(None)

    async def _now(self, endpoint: OpenAICompatible | None, given_up: str = "") -> None:
        async with self._state_changed:
            self._endpoint, self._given_up = endpoint, given_up
            self._state_changed.notify_all()

    async def _spawn(self) -> asyncio.subprocess.Process:
        options = {
            "path": str(self._gguf),
            "name": self.name,
            "context": CONTEXT,
            "slots": SLOTS,
            "answer": ANSWER,
            "threads": await asyncio.to_thread(physical_cores),
            "cache_mib": PROMPT_CACHE,
            "sampling": SAMPLING if self._is_own else {},
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(CHILD),
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "XIAOZHI_MODEL_KEY": self._key},
            # Ctrl+C on the terminal is the parent's business.
            start_new_session=True,
            limit=2**20,
        )

    async def _take_in(self, process: asyncio.subprocess.Process) -> None:
        """Read what the child reports, to the end: a full pipe would stop it."""
        assert process.stderr is not None
        async for line in process.stderr:
            self._last_words.append(line.decode(errors="replace").strip())


def _answer(endpoint: OpenAICompatible, request: ChatRequest) -> AsyncGenerator[Piece]:
    pieces = endpoint.stream(request)
    tools = request.options.get("tools")
    if not tools or request.options.get("tool_choice") == "none":
        return pieces
    return with_calls(pieces, {tool["function"]["name"] for tool in tools})


async def _address(process: asyncio.subprocess.Process) -> str | None:
    """The child's base URL; None where it ended before it had one."""
    assert process.stdout is not None
    async for line in process.stdout:
        words = line.decode(errors="replace").strip()
        if words.startswith("listening "):
            return words.removeprefix("listening ") + "/v1"
    return None


def physical_cores() -> int:
    """Cores that this process may use. More threads than cores make llama.cpp slower."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(1, min(cores, allowed))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _ending(status: int) -> str:
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"the process ended with status {status}"
