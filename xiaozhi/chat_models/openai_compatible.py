"""Any server that speaks OpenAI's chat completions: OpenAI, DeepSeek, Qwen, Ollama, vLLM, llama.cpp
…

Requests are made with aiohttp, not with the `openai` SDK: 18 ms of CPU for an answer of 200 pieces
against 74, and 0.8 ms to the first byte against 2.9 (docs/decisions/0004).
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urljoin

import aiohttp
from openai.types import Model

from xiaozhi import tracing
from xiaozhi.chat_models import answer_stream, chat_model, response_body, wire
from xiaozhi.chat_models.chat_model import ChatRequest, Piece, Relayed
from xiaozhi.chat_models.endpoint_errors import refusal
from xiaozhi.chat_models.refused_fields import Change, RefusedFields, change_for
from xiaozhi.chat_models.request_body import encoded
from xiaozhi.chat_models.sight import asks_with_picture, without_pictures
from xiaozhi.chat_models.spoken_thoughts import Habit, with_thoughts
from xiaozhi.endpoint_address import Endpoint, shown
from xiaozhi.errors import ModelFailed

CONNECT = 10.0  # s
SILENCE = 300.0  # s without a byte; reasoning models think for minutes before they speak
TRIES = 3  # until the first byte of an answer
PAUSES = (0.5, 1.5)  # s between tries
LONGEST_PAUSE = 10.0  # s that a Retry-After may ask for
LIST_TIMEOUT = 5.0  # s
REDIRECTS = 3  # that are followed, within the same host
CHANGES = 5  # things that are left out of a request, one after the other, as they are refused
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
        proxy: str | None = None,
        silence: float = SILENCE,
        tries: int = TRIES,
    ) -> None:
        """`base_url`: ends in /v1 as a rule. `proxy`: not for addresses of this machine.

        `silence`: s without a byte until it has failed. `tries`: how often a request is made until
        an answer begins. Raises ValueError where the address or the key cannot be one.
        """
        self._endpoint = Endpoint.of(base_url, api_key)
        self._proxy = None if self._endpoint.is_on_this_machine else proxy
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=silence)
        self._pauses = PAUSES[: tries - 1]
        self._windows: dict[str, int] = {}
        self._refused = RefusedFields()
        self._habits: dict[str, Habit] = {}

    @property
    def is_on_this_machine(self) -> bool:
        return self._endpoint.is_on_this_machine

    def window(self, model: str) -> int | None:
        return self._windows.get(model)

    def at_a_time(self, model: str) -> int | None:
        return None

    async def models(self) -> Sequence[Model]:
        try:
            async with await self._request(
                "GET", "/models", within=aiohttp.ClientTimeout(total=LIST_TIMEOUT)
            ) as response:
                if response.status != 200:
                    words = await response_body.beginning(response)
                    raise refusal(response.status, words)
                limit = response_body.AT_ONCE
                data = await response_body.whole(response, limit, "its list of models")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error
        try:
            found = await asyncio.to_thread(wire.parsed, data)
        except (ValueError, RecursionError) as error:
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
        habit = self._habits.setdefault(request.model, Habit())
        functions = [tool["function"]["name"] for tool in request.options.get("tools", ())]
        try:
            pieces = answer_stream.pieces(response, functions)
            async with aclosing(with_thoughts(pieces, habit)) as parted:
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
        body = {
            "model": request.model,
            "messages": request.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._spelled(request.options),
        }
        return self._refused.without_known(body)

    def _spelled(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """OpenAI has renamed an option that everybody else knows under its old name alone."""
        spelled = dict(options)
        if self._endpoint.is_openais and "max_tokens" in spelled:
            spelled["max_completion_tokens"] = spelled.pop("max_tokens")
        return spelled

    async def _answer(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        """The response with its headers; what is refused by name is left out of `body`."""
        changes: list[tuple[Change, dict[str, Any]]] = []
        first: ModelFailed | None = None
        while True:
            try:
                response = await self._tried(body)
            except ModelFailed as error:
                first = first or error
                change = _change(body, error) if len(changes) < CHANGES else None
                if change is None:
                    raise first from error
                changes.append((change, body))
                body = change.without(body)
            else:
                break
        for change, _ in changes:
            log.warning(
                "%s does not take %s of the model %s: left out from now on",
                self._endpoint.url,
                change.name,
                body["model"],
            )
        self._refused.remember(changes)
        return response

    async def _tried(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
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
                failed = refusal(response.status, await response_body.beginning(response))
                # One that says so with a 500 says it again.
                blind = failed.reason == chat_model.CANNOT_SEE
                pause = None if blind else _pause(response, pause)
                response.close()
            if pause is None:
                raise failed
            log.info("asking the model again in %s s: %s", pause, failed.without_their_words())
            await asyncio.sleep(pause)
        raise AssertionError("the last pause is None")

    async def _post(self, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """The response with its headers, whatever its status."""
        try:
            return await self._request("POST", "/chat/completions", body, within=self._timeout)
        except aiohttp.ConnectionTimeoutError as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error
        except TimeoutError as error:
            raise ModelFailed(chat_model.SILENT) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelFailed(chat_model.UNREACHABLE, self._where(error)) from error

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        within: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Redirects are followed within the same host: what people say goes nowhere else."""
        url = self._endpoint.at(path)
        headers = {**self._endpoint.headers, **response_body.PLAIN, **tracing.headers()}
        if body is not None:
            headers |= _JSON
        for _ in range(REDIRECTS):
            response = await self._session.request(
                method,
                url,
                # Anew for each place: one that is large is a buffer, which is read once.
                data=None if body is None else await encoded(body),
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,
                auto_decompress=False,
                timeout=within,
            )
            place = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not place:
                return response
            response.close()
            url = urljoin(str(response.url), place)
            if not self._endpoint.is_same_place(url):
                words = f"it redirects to {shown(url)}, where nothing is sent"
                raise ModelFailed(chat_model.FAILED, words)
        raise ModelFailed(chat_model.FAILED, "it redirects again and again")

    def _model(self, entry: wire.Object) -> Model:
        if window := wire.window(entry):
            self._windows[entry["id"]] = window
        kinds = wire.input_modalities(entry)
        created, owner = entry.get("created"), entry.get("owned_by")
        return Model.model_validate(
            {
                "id": entry["id"],
                "object": "model",
                "created": created if isinstance(created, int) else 0,
                "owned_by": owner if isinstance(owner, str) else "",
                **({"input_modalities": kinds} if kinds else {}),
            }
        )

    def _where(self, error: Exception) -> str:
        return f"{self._endpoint.url}: {error}" if str(error) else self._endpoint.url


async def _data(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for data in response_body.chunks(response):
            yield data
    except TimeoutError as error:
        raise ModelFailed(chat_model.SILENT) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ModelFailed(chat_model.BROKE_OFF, str(error)) from error


def _change(body: dict[str, Any], error: ModelFailed) -> Change | None:
    """What to leave out of `body` that was refused so."""
    if error.status not in (400, 422, 501) or error.reason != chat_model.REFUSED:
        return None
    return change_for(body, error.details)


def _pause(response: aiohttp.ClientResponse, pause: float | None) -> float | None:
    """S to wait before asking again; None: do not."""
    again = response.status in (408, 409, 429) or response.status >= 500
    if pause is None or not again or response.headers.get("x-should-retry") == "false":
        return None
    try:
        asked = float(response.headers.get("retry-after", 0))
    except ValueError:
        asked = 0.0
    if math.isnan(asked):
        asked = 0.0
    return None if asked > LONGEST_PAUSE else max(asked, pause)
