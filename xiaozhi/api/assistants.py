"""/assistants (contract 4)."""

from fastapi import APIRouter, Response

from xiaozhi import assistants, store
from xiaozhi.api import answers
from xiaozhi.api.bodies import JsonRoute
from xiaozhi.api.dependencies import ThePage, TheRooms
from xiaozhi.api.not_yet import refuse_what_is_not_there
from xiaozhi.ids import now
from xiaozhi.requests import CreateAssistant, ModifyAssistant
from xiaozhi.store import Connection, written

router = APIRouter(route_class=JsonRoute, prefix="/assistants", tags=["Assistants"])


@router.post("")
async def create(request: CreateAssistant, rooms: TheRooms) -> Response:
    refuse_what_is_not_there(request)
    rooms.catalog.resolved(request.model)
    assistant = assistants.new_assistant(request, now())
    await rooms.store.write(lambda c: assistants.add_assistant(c, assistant))
    return answers.answer(written(assistant))


@router.get("")
async def list_(wanted: ThePage, rooms: TheRooms) -> Response:
    return answers.page(await rooms.store.read(lambda c: store.assistants.page(c, wanted)))


@router.get("/{assistant_id}")
async def retrieve(assistant_id: str, rooms: TheRooms) -> Response:
    return answers.answer(await rooms.store.read(lambda c: store.assistants.body(c, assistant_id)))


@router.post("/{assistant_id}")
async def modify(assistant_id: str, rooms: TheRooms, request: ModifyAssistant) -> Response:
    refuse_what_is_not_there(request)
    if request.model is not None:
        rooms.catalog.resolved(request.model)

    def work(connection: Connection) -> str:
        assistant = store.assistants.locked(connection, assistant_id)
        assistant = assistants.modified_assistant(assistant, request)
        store.assistants.save(connection, assistant)
        return written(assistant)

    return answers.answer(await rooms.store.write(work))


@router.delete("/{assistant_id}")
async def delete(assistant_id: str, rooms: TheRooms) -> Response:
    await rooms.store.write(lambda c: store.assistants.delete(c, assistant_id))
    return answers.deleted(assistant_id, "assistant.deleted")
