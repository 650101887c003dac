"""/models (contract 13)."""

import json

from fastapi import APIRouter, Response

from xiaozhi.api import answers
from xiaozhi.api.dependencies import TheRooms

router = APIRouter(prefix="/models", tags=["Models"])


@router.get("")
async def list_(rooms: TheRooms) -> Response:
    """The server's default model comes first."""
    found = [model.to_dict() for model in await rooms.catalog.models()]
    return answers.answer(json.dumps({"object": "list", "data": found}))


@router.get("/{name:path}")
async def retrieve(name: str, rooms: TheRooms) -> Response:
    return answers.answer((await rooms.catalog.model(name)).to_json(indent=None))
