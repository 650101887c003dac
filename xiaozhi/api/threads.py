"""/threads (contract 5), without what lies inside a thread; and our list of them."""

import json
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from xiaozhi import store, threads
from xiaozhi.api import answers
from xiaozhi.api.bodies import JsonRoute
from xiaozhi.api.dependencies import IsRetry, ThePage, TheRooms
from xiaozhi.api.not_yet import refuse_what_is_not_there
from xiaozhi.errors import InvalidRequest
from xiaozhi.ids import now
from xiaozhi.metadata import MetadataPatch
from xiaozhi.requests import CreateThread, Exchange, ModifyThread
from xiaozhi.store import ListedThread, Page, ThreadsWanted, thread_page, written

router = APIRouter(route_class=JsonRoute, prefix="/threads", tags=["Threads"])

# Of a search: each word costs a look-up, and so does each key of the metadata.
LONGEST_QUERY = 200  # characters
WORDS = 8
KEYS = 16
VALUES = 100  # of one key

# The SDKs write a dict so, and its lists with brackets behind them.
_PAIR = re.compile(r"metadata\[(.+?)\](?:\[\])?", re.DOTALL)


@router.post("")
async def create(rooms: TheRooms, request: CreateThread | None = None) -> Response:
    wanted = request or CreateThread()
    refuse_what_is_not_there(wanted)
    thread = await rooms.store.write(lambda c: threads.add_thread(c, wanted, now()))
    return answers.answer(written(thread))


@router.get("")
async def list_(
    asked: Request,
    page: ThePage,
    rooms: TheRooms,
    q: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
) -> Response:
    """An extension: OpenAI has no list of threads."""
    wanted = _wanted(q, asked)
    found, has_more = await rooms.store.read(lambda c: thread_page(c, page, wanted))
    ids, bodies = [thread.id for thread in found], [_body(thread) for thread in found]
    return answers.page(Page(ids, bodies, has_more))


@router.get("/{thread_id}")
async def retrieve(thread_id: str, rooms: TheRooms) -> Response:
    return answers.answer(await rooms.store.read(lambda c: store.threads.body(c, thread_id)))


@router.post("/{thread_id}")
async def modify(thread_id: str, rooms: TheRooms, request: ModifyThread) -> Response:
    refuse_what_is_not_there(request)

    body = await rooms.store.write(lambda c: threads.modify_thread(c, thread_id, request))
    return answers.answer(body)


@router.patch("/{thread_id}/metadata")
async def patch_metadata(
    thread_id: str, asked: Request, rooms: TheRooms, patch: MetadataPatch
) -> Response:
    """An extension: OpenAI's metadata can only be replaced whole."""
    only_if = dict(_pairs(asked))
    body = await rooms.store.write(
        lambda c: threads.patch_thread_metadata(c, thread_id, patch, only_if)
    )
    return answers.answer(body)


@router.delete("/{thread_id}")
async def delete(thread_id: str, rooms: TheRooms) -> Response:
    await rooms.runs.delete_thread(thread_id)
    return answers.deleted(thread_id, "thread.deleted")


@router.post("/{thread_id}/exchange")
async def exchange(thread_id: str, rooms: TheRooms, request: Exchange, again: IsRetry) -> Response:
    """An extension: OpenAI's messages never leave their thread."""
    refuse_what_is_not_there(request)
    body = await rooms.store.write(
        lambda c: threads.exchange_messages(c, thread_id, request, now(), again=again)
    )
    return answers.answer(body)


def _wanted(query: str, asked: Request) -> ThreadsWanted:
    """Raises InvalidRequest."""
    wanted = ThreadsWanted.by(query, _pairs(asked))
    most_values = max(map(len, wanted.metadata.values()), default=0)
    for param, there, most, what in (
        ("q", len(wanted.words), WORDS, "at a time"),
        ("metadata", len(wanted.metadata), KEYS, "at a time"),
        ("metadata", most_values, VALUES, "values of a key"),
    ):
        if there > most:
            words = f"Invalid '{param}': at most {most} {what}, but got {there}."
            raise InvalidRequest(words, param=param, code="invalid_value")
    return wanted


def _pairs(asked: Request) -> list[tuple[str, str]]:
    """They come as `metadata[key]=value`: so the SDKs write a dict."""
    found = ((_PAIR.fullmatch(name), value) for name, value in asked.query_params.multi_items())
    return [(match[1], value) for match, value in found if match]


def _body(thread: ListedThread) -> str:
    """The thread's JSON with what only the list shows."""
    more: dict[str, object] = {"last_activity_at": thread.last_activity_at}
    if thread.snippet is not None:
        more["snippet"] = thread.snippet
    return f"{thread.body[:-1]},{json.dumps(more, ensure_ascii=False)[1:]}"
