"""/threads/{thread_id}/messages (contract 6)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response

from xiaozhi import store, threads
from xiaozhi.api import answers
from xiaozhi.api.bodies import JsonRoute
from xiaozhi.api.dependencies import IsRetry, ThePage, TheRooms
from xiaozhi.api.not_yet import refuse_what_is_not_there
from xiaozhi.ids import now
from xiaozhi.metadata import MetadataPatch
from xiaozhi.requests import CreateMessage, ModifyMessage
from xiaozhi.store import Connection, Page

router = APIRouter(route_class=JsonRoute, prefix="/threads/{thread_id}/messages", tags=["Messages"])


@router.post("")
async def create(
    thread_id: str,
    request: CreateMessage,
    rooms: TheRooms,
    xiaozhi_when_locked: Annotated[Literal["wait", "refuse"] | None, Header()] = None,
    *,
    again: IsRetry,
) -> Response:
    """Extensions: a message may wait for the lock; a POST that an SDK repeats adds none."""
    refuse_what_is_not_there(request)
    waits = xiaozhi_when_locked == "wait" if xiaozhi_when_locked else rooms.messages_wait

    def work(connection: Connection) -> str:
        at = now()
        if again and (body := threads.repeated_message(connection, thread_id, request, at)):
            return body
        return threads.add_message(connection, thread_id, request, at, waits=waits)

    return answers.answer(await rooms.store.write(work))


@router.get("")
async def list_(
    thread_id: str, wanted: ThePage, rooms: TheRooms, run_id: str | None = None
) -> Response:
    def work(connection: Connection) -> Page:
        store.threads.must_exist(connection, thread_id)
        within = {"thread_id": thread_id} | ({"run_id": run_id} if run_id else {})
        return store.messages.page(connection, wanted, **within)

    return answers.page(await rooms.store.read(work))


@router.get("/{message_id}")
async def retrieve(thread_id: str, message_id: str, rooms: TheRooms) -> Response:
    def work(connection: Connection) -> str:
        store.threads.must_exist(connection, thread_id)
        return threads.message_body(connection, thread_id, message_id)

    return answers.answer(await rooms.store.read(work))


@router.post("/{message_id}")
async def modify(
    thread_id: str, message_id: str, rooms: TheRooms, request: ModifyMessage
) -> Response:
    body = await rooms.store.write(
        lambda c: threads.modify_message(c, thread_id, message_id, request)
    )
    return answers.answer(body)


@router.patch("/{message_id}/metadata")
async def patch_metadata(
    thread_id: str, message_id: str, rooms: TheRooms, patch: MetadataPatch
) -> Response:
    """An extension: OpenAI's metadata can only be replaced whole."""
    body = await rooms.store.write(
        lambda c: threads.patch_message_metadata(c, thread_id, message_id, patch)
    )
    return answers.answer(body)


@router.delete("/{message_id}")
async def delete(thread_id: str, message_id: str, rooms: TheRooms) -> Response:
    await rooms.store.write(lambda c: threads.delete_message(c, thread_id, message_id))
    return answers.deleted(message_id, "thread.message.deleted")
