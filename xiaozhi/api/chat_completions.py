"""/chat/completions (contract 13): passed on to the model's endpoint, which answers for itself."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from starlette.types import Send

from xiaozhi import chat_models
from xiaozhi.api import answers
from xiaozhi.api.bodies import JsonRoute
from xiaozhi.api.dependencies import Rooms, TheRooms
from xiaozhi.api.event_stream import HEADERS, WhileRead
from xiaozhi.api.parts import body
from xiaozhi.chat_models import ChatModel, Relayed
from xiaozhi.errors import ModelFailed
from xiaozhi.requests import Body, CreateChatCompletion, CreateDeploymentCompletion

router = APIRouter(route_class=JsonRoute, tags=["Chat"])


@router.post("/chat/completions")
async def create(request: CreateChatCompletion, rooms: TheRooms) -> Response:
    return await _relayed(request.model, request, rooms)


@router.post("/deployments/{deployment:path}/chat/completions", include_in_schema=False)
async def create_by_deployment(
    deployment: str, request: CreateDeploymentCompletion, rooms: TheRooms
) -> Response:
    """Azure's form (docs/migration.md): the path names the model, whatever the body says."""
    return await _relayed(deployment, request, rooms)


async def _relayed(model_name: str, request: Body, rooms: Rooms) -> Response:
    model, name = await rooms.catalog.named(rooms.catalog.resolved(model_name))
    # As it came, not `given`: that would copy all of it, on the event loop.
    given = {key: value for key, value in request if key in request.model_fields_set}
    return _Relay(model, name, {**given, "model": name})


class _Relay(WhileRead):
    """Where the reader leaves, the model is stopped: also before it has said anything."""

    def __init__(self, model: ChatModel, name: str, wanted: Mapping[str, Any]) -> None:
        """`wanted`: the body of the request."""
        super().__init__()
        self._model = model
        self._name = name
        self._wanted = wanted

    async def send(self, send: Send) -> None:
        with chat_models.asking(self._name):
            try:
                relayed = await self._model.relay(self._wanted)
            except ModelFailed as error:
                chat_models.failed(error)
                raise
            try:
                await self._pass_on(relayed, send)
            finally:
                relayed.close()

    async def _pass_on(self, relayed: Relayed, send: Send) -> None:
        is_stream = relayed.headers.get("content-type", "").startswith("text/event-stream")
        headers = {**relayed.headers, **(HEADERS if is_stream else {})}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        start = {"type": "http.response.start", "status": relayed.status, "headers": raw}
        await send(start)
        at_an_events_end = is_stream
        try:
            async for data in relayed.data:
                await send(body(data))
                at_an_events_end = is_stream and data.endswith(b"\n\n")
        except ModelFailed as error:
            chat_models.failed(error)
            if not at_an_events_end:
                # Left without its end, so that nobody takes it for whole.
                return
            # As OpenAI tells it inside a stream; the SDKs raise it.
            await send(body(b"data: " + bytes(answers.refused(error).body) + b"\n\n"))
        await send(body(b"", last=True))
