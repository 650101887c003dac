"""Any server that speaks OpenAI's chat completions: OpenAI, DeepSeek, Qwen, Ollama, vLLM, llama.cpp
…

Requests are made with aiohttp, not with the `openai` SDK: 18 ms of CPU for an answer of 200 pieces
against 74, and 0.8 ms to the first byte against 2.9 (docs/decisions/0004).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from openai.types import Model

from xiaozhi import tracing
from xiaozhi.chat_models import chat_model, wire
from xiaozhi.chat_models.chat_model import ChatRequest, Piece, Relayed
from xiaozhi.chat_models.request_body import encoded
from xiaozhi.chat_models.sight import asks_with_picture, without_pictures
from xiaozhi.chat_models.spoken_thoughts import with_thoughts
from xiaozhi.errors import ModelFailed

CONNECT = 10.0  # s
SILENCE = 300.0  # s without a byte; reasoning models think for minutes before they speak
TRIES = 3  # until the first byte of an answer
PAUSES = (0.5, 1.5)  # s between tries
LONGEST_PAUSE = 10.0  # s that a Retry-After may ask for
LIST_TIMEOUT = 5.0  # s
# What of an answer's headers is passed on; x-ratelimit-… is as well.
RELAYED = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")

_JSON = {"content-type": "application/json"}

log = logging.getLogger(__name__)


class OpenAICompatible:
    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        session: aiohttp.ClientSession,
        *,
        silence: float = SILENCE,
        tries: int = TRIES,
    ) -> None:
        """`base_url`: ends in /v1 as a rule. `silence`: s without a byte until it has failed.

        `tries`: how often a request is made until an answer begins.
        """
        self._url = base_url.rstrip("/")
        host = urlsplit(self._url).hostname or ""
        self._is_openais = host.endswith((".openai.com", ".openai.azure.com"))
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=silence)
        self._pauses = PAUSES[: tries - 1]
        self._windows: dict[str, int] = {}

    def window(self, model: str) -> int | None:
        return self._windows.get(model)

    def at_a_time(self, model: str) -> int | None:
        return None

    async def models(self) -> Sequence[Model]:
        try:
            async with self._session.get(
                f"{self._url}/models",
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=LIST_TIMEOUT),
            ) as response:
                if response.status != 200:
                    raise wire.refusal(response.status, await response.text())
                found = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error
        except ValueError as error:
            raise ModelFailed(chat_model.FAILED, "its list of models is not JSON") from error
        return [self._model(entry) for entry in wire.models(found)]

    async def check(self) -> None:
        await self.models()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        try:
            response = await self._answer(self._body(request))
        except ModelFailed as error:
            if error.reason != chat_model.CANNOT_SEE or asks_with_picture(request):
                raise
            response = await self._answer(self._body(without_pictures(request)))
        try:
            is_whole = response.content_type == "application/json"
            pieces = _whole(response) if is_whole else _pieces(response)
            async with aclosing(with_thoughts(pieces)) as parted:
                async for piece in parted:
                    yield piece
        except (aiohttp.ServerTimeoutError, TimeoutError) as error:
            raise ModelFailed(chat_model.SILENT) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelFailed(chat_model.BROKE_OFF, str(error)) from error
        finally:
            # Not `release`: an answer that nobody wants any more must stop costing.
            response.close()

    async def relay(self, body: Mapping[str, Any]) -> Relayed:
        response = await self._post(body)
        headers = {
            name.lower(): value
            for name, value in response.headers.items()
            if name.lower() in RELAYED or name.lower().startswith("x-ratelimit-")
        }
        return Relayed(response.status, headers, _data(response), response.close)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        return {
            "model": request.model,
            "messages": request.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._spelled(request.options),
        }

    def _spelled(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """OpenAI has renamed an option that everybody else knows under its old name alone."""
        spelled = dict(options)
        if self._is_openais and "max_tokens" in spelled:
            spelled["max_completion_tokens"] = spelled.pop("max_tokens")
        return spelled

    async def _answer(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        """The response with its headers, tried again within bounds: nothing has been said yet."""
        for pause in (*self._pauses, None):
            try:
                response = await self._post(body)
            except ModelFailed as error:
                if error.reason != chat_model.UNREACHABLE:
                    raise
                failed = error
            else:
                if response.status == 200:
                    return response
                failed = wire.refusal(response.status, await response.text())
                # One that says so with a 500 says it again.
                blind = failed.reason == chat_model.CANNOT_SEE
                pause = None if blind else _pause(response, pause)
                response.release()
            if pause is None:
                raise failed
            log.info("asking the model again in %s s: %s", pause, failed.without_their_words())
            await asyncio.sleep(pause)
        raise AssertionError("the last pause is None")

    async def _post(self, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """The response with its headers, whatever its status."""
        try:
            return await self._session.post(
                f"{self._url}/chat/completions",
                data=await encoded(body),
                headers={**self._headers, **_JSON, **tracing.headers()},
                timeout=self._timeout,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error
        except TimeoutError as error:
            raise ModelFailed(chat_model.SILENT) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error

    def _model(self, entry: wire.Object) -> Model:
        if window := wire.window(entry):
            self._windows[entry["id"]] = window
        kinds = wire.input_modalities(entry)
        return Model.model_validate(
            {
                "id": entry["id"],
                "object": "model",
                "created": entry.get("created") or 0,
                "owned_by": entry.get("owned_by") or "",
                **({"input_modalities": kinds} if kinds else {}),
            }
        )

    def _where(self, error: Exception) -> str:
        return f"{self._url}: {error}" if str(error) else self._url


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[Piece]:
    rest = b""
    finished = False
    numbers = wire.CallNumbers()
    async for data in response.content.iter_any():
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        piece = Piece()
        for line in lines:
            if line.startswith(b"data:"):
                done = wire.take(line[5:].strip(), piece, numbers)
                finished = finished or done or piece.finish_reason is not None
        if piece.count or piece.finish_reason or piece.usage:
            yield piece
    if not finished:
        raise ModelFailed(chat_model.BROKE_OFF)


async def _whole(response: aiohttp.ClientResponse) -> AsyncGenerator[Piece]:
    yield wire.whole(await response.json())


async def _data(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for data in response.content.iter_any():
            yield data
    except TimeoutError as error:
        raise ModelFailed(chat_model.SILENT) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ModelFailed(chat_model.BROKE_OFF, str(error)) from error


def _pause(response: aiohttp.ClientResponse, pause: float | None) -> float | None:
    """S to wait before asking again; None: do not."""
    again = response.status in (408, 409, 429) or response.status >= 500
    if pause is None or not again or response.headers.get("x-should-retry") == "false":
        return None
    try:
        asked = float(response.headers.get("retry-after", 0))
    except ValueError:
        asked = 0.0
    return None if asked > LONGEST_PAUSE else max(asked, pause)
