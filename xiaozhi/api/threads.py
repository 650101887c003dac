"""/threads (contract 5), without what lies inside a thread."""

from fastapi import APIRouter, Response

from xiaozhi import store, threads
from xiaozhi.api import answers
from xiaozhi.api.dependencies import TheRooms
from xiaozhi.api.not_yet import refuse_what_is_not_there
from xiaozhi.ids import now
from xiaozhi.requests import CreateThread, ModifyThread
from xiaozhi.store import Connection, changed, written

router = APIRouter(prefix="/threads", tags=["Threads"])


@router.post("")
async def create(rooms: TheRooms, request: CreateThread | None = None) -> Response:
    wanted = request or CreateThread()
    refuse_what_is_not_there(wanted)
    thread = await rooms.store.write(lambda c: threads.add_thread(c, wanted, now()))
    return answers.answer(written(thread))


@router.get("/{thread_id}")
async def retrieve(thread_id: str, rooms: TheRooms) -> Response:
    return answers.answer(await rooms.store.read(lambda c: store.threads.body(c, thread_id)))


@router.post("/{thread_id}")
async def modify(thread_id: str, rooms: TheRooms, request: ModifyThread) -> Response:
    refuse_what_is_not_there(request)

    def work(connection: Connection) -> str:
        thread = store.threads.get(connection, thread_id)
        if "metadata" in request.model_fields_set:
            thread = changed(thread, {"metadata": request.metadata})
        store.threads.save(connection, thread)
        return written(thread)

    return answers.answer(await rooms.store.write(work))


@router.delete("/{thread_id}")
async def delete(thread_id: str, rooms: TheRooms) -> Response:
    await rooms.runs.delete_thread(thread_id)
    return answers.deleted(thread_id, "thread.deleted")
