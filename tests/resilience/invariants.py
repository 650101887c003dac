"""What must hold after anything: looked for in what a server has left, and through its API."""

import asyncio
import json
from collections.abc import Collection
from typing import Any

from openai import AsyncOpenAI
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from sqlalchemy import Connection, text

from tests.resilience.careful import Careful
from tests.resilience.journal import ENDED, Journal, PostedMessage, ToldRun, ToldThread
from tests.resilience.talk import answer_to

AT_ONCE = 8  # threads that are looked at at the same time


def nothing_is_lost(left: Connection, journal: Journal) -> None:
    """What was told stands in the database, at the moment of death."""
    kept = {*_column(left, "SELECT id FROM messages UNION SELECT id FROM waiting_messages")}
    lost = [message for message in journal.messages if message.id not in kept]
    assert not lost, f"accepted, and lost: {lost}"
    statuses = _statuses(left)
    for run in journal.runs:
        assert run.id in statuses, f"accepted, and lost: {run}"
        if run.ended_at is not None:
            assert statuses[run.id] == run.told[-1], f"told, and taken back: {run}"


def nothing_contradicts_itself(left: Connection) -> None:
    """Rows agree with each other, at any moment: each transaction is a whole thing."""
    if left.dialect.name == "sqlite":
        assert left.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert left.execute(text("PRAGMA foreign_key_check")).all() == []
    ended = ", ".join(f"'{status}'" for status in ENDED)
    for what, query in {
        "threads that are held by a run which has ended": f"""
            SELECT threads.id FROM threads LEFT JOIN runs ON runs.id = threads.active_run
            WHERE active_run IS NOT NULL AND (runs.id IS NULL OR status IN ({ended}))""",
        "runs under way that do not hold their thread": f"""
            SELECT runs.id FROM runs JOIN threads ON threads.id = runs.thread_id
            WHERE status NOT IN ({ended})
            AND (active_run IS NULL OR active_run != runs.id)""",
        "messages of a run that is not there": """
            SELECT messages.id FROM messages LEFT JOIN runs ON runs.id = messages.run_id
            WHERE messages.run_id IS NOT NULL AND runs.id IS NULL""",
        "messages that wait for nothing": """
            SELECT waiting_messages.id FROM waiting_messages
            JOIN threads ON threads.id = waiting_messages.thread_id
            WHERE active_run IS NULL""",
    }.items():
        found = _column(left, query)
        assert found == [], f"{what}: {found}"
    _steps_and_messages_agree(left)


def _steps_and_messages_agree(left: Connection) -> None:
    """Each answer has its step, and the other way round; what has ended is not in progress."""
    statuses = _statuses(left)
    made = {
        id: json.loads(body)
        for id, body in left.execute(text("SELECT id, body FROM messages WHERE run_id IS NOT NULL"))
    }
    with_step: set[str] = set()
    for body in _column(left, "SELECT body FROM steps"):
        step = json.loads(body)
        has_ended = statuses[step["run_id"]] in ENDED
        assert not (has_ended and step["status"] == "in_progress"), f"its run has ended: {step}"
        if step["type"] == "message_creation":
            message_id = step["step_details"]["message_creation"]["message_id"]
            assert message_id in made, f"its message is gone: {step}"
            is_open = made[message_id]["status"] == "in_progress"
            assert is_open == (step["status"] == "in_progress"), (step, made[message_id])
            with_step.add(message_id)
    assert made.keys() == with_step, f"no step: {made.keys() - with_step}"


def unfinished(left: Connection) -> set[str]:
    """The runs that some process must take up."""
    under_way = ("queued", "in_progress", "cancelling")
    return {id for id, status in _statuses(left).items() if status in under_way}


def nothing_waits(left: Connection) -> None:
    """When all clients have ended what they began: also runs that nobody heard of."""
    assert unfinished(left) == set()
    assert _column(left, "SELECT id FROM waiting_messages") == []


async def all_stands(caller: Careful, journal: Journal) -> None:
    """The journal, thread by thread, against the API; and each thread is usable."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def look(thread: ToldThread) -> None:
        async with limit:
            await _stands(caller, thread, journal.may_end)
            await _is_usable(caller, thread, journal.assistant_id)

    await asyncio.gather(*map(look, journal.threads))


async def _stands(caller: Careful, thread: ToldThread, may_end: Collection[str]) -> None:
    messages = await caller.read(
        lambda client: client.beta.threads.messages.list(thread.id, limit=100, order="asc")
    )
    runs = await caller.read(
        lambda client: client.beta.threads.runs.list(thread.id, limit=100, order="asc")
    )
    assert [run.id for run in runs.data] == [run.id for run in thread.runs], "runs of one thread"
    own: dict[str, list[Message]] = {run.id: [] for run in runs.data}
    for message in messages.data:
        if message.run_id:
            own[message.run_id].append(message)
    expected = [
        id
        for one in thread.happened
        for id in ([one.id] if isinstance(one, PostedMessage) else [m.id for m in own[one.id]])
    ]
    found = [message.id for message in messages.data]
    assert found == expected, f"neither lost, doubled nor out of order: {thread}, {messages.data}"
    words = [_words(message) for message in messages.data if message.run_id is None]
    assert words == [message.words for message in thread.messages]
    for run, told in zip(runs.data, thread.runs, strict=True):
        steps = await caller.read(
            lambda client, id=run.id: client.beta.threads.runs.steps.list(
                id, thread_id=thread.id, order="asc", limit=100
            )
        )
        _has_ended_well(run, told, may_end)
        _run_stands(run, told, steps.data, own[run.id])


def _has_ended_well(run: Run, told: ToldRun, may_end: Collection[str]) -> None:
    assert run.status in ENDED, f"no end: {run}"
    assert told.told[-1] == run.status, f"told, and taken back: {told}, {run}"
    assert run.status in may_end or (run.status == "cancelled" and told.cancelled), run
    if run.status == "failed":
        assert run.last_error
        words = "Sorry, something went wrong. The database cannot be "
        assert run.last_error.message.startswith(words), run


def _run_stands(run: Run, told: ToldRun, steps: list[RunStep], messages: list[Message]) -> None:
    assert all(step.status != "in_progress" for step in steps), steps
    made = [step for step in steps if step.type == "message_creation"]
    assert [_message_of(step) for step in made] == [message.id for message in messages], steps
    assert len(messages) <= 1, f"answered twice: {messages}"
    calls = [call for step in steps for call in _calls_of(step)]
    outputs = {call.id: call.function.output for call in calls if call.function.output is not None}
    assert outputs == told.outputs, f"its outputs, once: {told}, {steps}"
    if run.status == "completed":
        [message] = messages
        [output] = told.outputs.values() or [""]
        assert message.status == "completed"
        assert _words(message) == answer_to(told.words, output)
    texts = {message.id: _words(message) for message in messages}
    for id, words in told.texts.items():
        assert texts.get(id) == words, f"told, and not there: {told}"


async def _is_usable(caller: Careful, thread: ToldThread, assistant_id: str) -> None:
    async def use(client: AsyncOpenAI) -> Run:
        words: Any = [{"role": "user", "content": "#0 say 1"}]
        return await client.beta.threads.runs.create_and_poll(
            thread_id=thread.id,
            assistant_id=assistant_id,
            additional_messages=words,
            poll_interval_ms=50,
        )

    assert (await caller.once(use)).status == "completed"


def _statuses(left: Connection) -> dict[str, str]:
    """Of all runs, by id."""
    return {row.id: row.status for row in left.execute(text("SELECT id, status FROM runs"))}


def _column(left: Connection, query: str) -> list[Any]:
    return list(left.execute(text(query)).scalars())


def _message_of(step: RunStep) -> str:
    details = step.step_details
    return details.message_creation.message_id if details.type == "message_creation" else ""


def _calls_of(step: RunStep) -> list[Any]:
    details = step.step_details
    return list(details.tool_calls or []) if details.type == "tool_calls" else []


def _words(message: Message) -> str:
    return "".join(part.text.value for part in message.content if part.type == "text")
