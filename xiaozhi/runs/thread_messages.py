"""Reads the messages of a thread that a model is to see: no more of them than it can take."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from openai.types.beta.threads import Run

from xiaozhi.offload import LARGE, offload
from xiaozhi.runs.budget import Budget
from xiaozhi.runs.prompt import chat_message, first_kept
from xiaozhi.store import Connection, Store, message_rows
from xiaozhi.store.message_rows import ShortMessage

MESSAGES = 10_000  # of a prompt: a thread of 100,000 short ones fits many a window
# Characters of a prompt's messages, pictures among them. OpenAI takes 50 MB a request, Anthropic
# 32 MB; a run needs three times as much memory while it is sent.
CHARACTERS = 128 * 2**20


class ThreadMessages(NamedTuple):
    """`chat`: as chat messages, oldest first. `newest_at`: their latest `created_at`, or 0."""

    chat: list[dict[str, Any]]
    newest_at: int


async def thread_messages(
    store: Store, run: Run, allowed: Budget, known: Sequence[ShortMessage] | None = None
) -> ThreadMessages | None:
    """Those of the thread, without those of `run` itself; None where not one has room.

    The oldest are left out where there are too many. `known`: all of the thread, where they need
    not be read: to read them costs a tenth of a short run's CPU.
    """
    strategy = run.truncation_strategy
    newest = min((strategy and strategy.last_messages) or MESSAGES, MESSAGES)
    if known is not None:
        few = known[-newest:]
        first = allowed.first([message.tokens for message in few])
        return None if first is None else _read([message.body for message in few[first:]])

    def work(connection: Connection) -> Sequence[str] | None:
        places = message_rows.places(connection, run.thread_id, without_run=run.id, newest=newest)
        first = allowed.first([place.tokens for place in places])
        if first is None or not places:
            return None if first is None else []
        heavy = first_kept([place.characters for place in places], CHARACTERS)
        since = places[max(first, heavy)].seq
        return message_rows.bodies(connection, run.thread_id, since, without_run=run.id)

    bodies = await store.read(work)
    if bodies is None:
        return None
    return await offload(sum(map(len, bodies)) > LARGE, _read, bodies)


def _read(bodies: Sequence[str]) -> ThreadMessages:
    # Not into the SDK's class, which takes seven times as long and changes nothing here.
    found = [json.loads(body) for body in bodies]
    chat = [message for message in map(chat_message, found) if message]
    return ThreadMessages(chat, max((one["created_at"] for one in found), default=0))
