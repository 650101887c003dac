"""/threads/{thread_id}/runs and /threads/runs (contract 7 and 9)."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from openai.types.beta.threads import Run

from xiaozhi import store
from xiaozhi.api import answers
from xiaozhi.api.bodies import JsonRoute
from xiaozhi.api.dependencies import (
    IsRetry,
    Rooms,
    ThePage,
    TheRooms,
    WhatOfReasoning,
    WhatToInclude,
)
from xiaozhi.api.event_stream import EventStream, NumberedEventStream, told
from xiaozhi.api.not_yet import refuse_what_is_not_there
from xiaozhi.requests import (
    CreateRun,
    CreateThreadAndRun,
    ModifyRun,
    RunSettings,
    SubmitToolOutputs,
)
from xiaozhi.runs import with_reasoning
from xiaozhi.store import Connection, Page, written

router = APIRouter(route_class=JsonRoute, prefix="/threads", tags=["Runs"])


@router.post("/runs")
async def create_with_thread(request: CreateThreadAndRun, rooms: TheRooms) -> Response:
    refuse_what_is_not_there(request)
    return await _told(await rooms.runs.create_with_thread(request), request, rooms)


@router.post("/{thread_id}/runs")
async def create(
    thread_id: str,
    request: CreateRun,
    rooms: TheRooms,
    again: IsRetry,
    _include: WhatToInclude,
) -> Response:
    refuse_what_is_not_there(request)
    run = await rooms.runs.create(thread_id, request, again=again)
    return await _told(run, request, rooms)


@router.get("/{thread_id}/runs")
async def list_(
    thread_id: str, wanted: ThePage, rooms: TheRooms, reasoning: WhatOfReasoning
) -> Response:
    def work(connection: Connection) -> Page:
        store.threads.must_exist(connection, thread_id)
        found = store.runs.page(connection, wanted, thread_id=thread_id)
        return with_reasoning(connection, found, reasoning) if reasoning else found

    return answers.page(await rooms.store.read(work))


@router.get("/{thread_id}/runs/{run_id}")
async def retrieve(
    thread_id: str, run_id: str, rooms: TheRooms, reasoning: WhatOfReasoning
) -> Response:
    def work(connection: Connection) -> str:
        store.threads.must_exist(connection, thread_id)
        body = store.runs.body(connection, run_id, thread_id=thread_id)
        if not reasoning:
            return body
        alone = Page([run_id], [body], has_more=False)
        return with_reasoning(connection, alone, reasoning).bodies[0]

    body = await rooms.store.read(work)
    return answers.answer(body, **{"openai-poll-after-ms": str(answers.POLL_AFTER)})


@router.post("/{thread_id}/runs/{run_id}")
async def modify(thread_id: str, run_id: str, rooms: TheRooms, request: ModifyRun) -> Response:
    if "metadata" not in request.model_fields_set:
        return await retrieve(thread_id, run_id, rooms, reasoning="")
    return answers.answer(await rooms.runs.modify(thread_id, run_id, request.metadata))


@router.post("/{thread_id}/runs/{run_id}/cancel")
async def cancel(thread_id: str, run_id: str, rooms: TheRooms) -> Response:
    return answers.answer(written(await rooms.runs.cancel(thread_id, run_id)))


@router.post("/{thread_id}/runs/{run_id}/submit_tool_outputs")
async def submit_tool_outputs(
    thread_id: str, run_id: str, request: SubmitToolOutputs, rooms: TheRooms, again: IsRetry
) -> Response:
    run, start = await rooms.runs.submit(thread_id, run_id, request, again=again)
    return await _told(run, request, rooms, start=start)


@router.get("/{thread_id}/runs/{run_id}/steps")
async def list_steps(
    thread_id: str, run_id: str, wanted: ThePage, rooms: TheRooms, _include: WhatToInclude
) -> Response:
    def work(connection: Connection) -> Page:
        store.runs.must_exist(connection, run_id, thread_id=thread_id)
        return store.steps.page(connection, wanted, run_id=run_id)

    return answers.page(await rooms.store.read(work))


@router.get("/{thread_id}/runs/{run_id}/steps/{step_id}")
async def retrieve_step(
    thread_id: str, run_id: str, step_id: str, rooms: TheRooms, _include: WhatToInclude
) -> Response:
    def work(connection: Connection) -> str:
        store.runs.must_exist(connection, run_id, thread_id=thread_id)
        return store.steps.body(connection, step_id, run_id=run_id)

    return answers.answer(await rooms.store.read(work))


@router.get("/{thread_id}/runs/{run_id}/events")
async def events(
    thread_id: str,
    run_id: str,
    rooms: TheRooms,
    reasoning: WhatOfReasoning,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """An extension: what happens in a run, from its start or after `Last-Event-ID`, then live."""

    def work(connection: Connection) -> None:
        store.runs.must_exist(connection, run_id, thread_id=thread_id)

    await rooms.store.read(work)
    if not await rooms.runs.telling.can_be_heard(thread_id, run_id):
        events = await rooms.runs.telling.told(thread_id, run_id)
        return told(events, reasoning=bool(reasoning))
    return NumberedEventStream(rooms.events, run_id, last_event_id, reasoning=bool(reasoning))


async def _told(
    run: Run, request: RunSettings | SubmitToolOutputs, rooms: Rooms, *, start: int = 0
) -> Response:
    """The run, or its events from number `start` on."""
    if request.stream:
        if not await rooms.runs.telling.can_be_heard(run.thread_id, run.id):
            return told(await rooms.runs.telling.told(run.thread_id, run.id))
        return EventStream(rooms.events, run.id, start=start)
    return answers.answer(written(run))
