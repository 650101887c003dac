"""A step of a run and the message that it makes, written together.

Functions run inside a unit of work (`Store.write`).
"""

from openai.types.beta.threads import Message
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.runs.steps import message_id
from xiaozhi.store import Connection, message_rows

Written = tuple[RunStep, Message | None]


def add(connection: Connection, step: RunStep, message: Message | None) -> None:
    """Write both for the first time."""
    store.steps.add(connection, step, run_id=step.run_id)
    if message is not None:
        message_rows.add(connection, message)


def put(connection: Connection, step: RunStep, message: Message | None) -> None:
    """Write both, whether they are new or not. A client's metadata on the message stays."""
    store.steps.put(connection, step, run_id=step.run_id)
    if message is not None:
        message_rows.put(connection, message)


def still_open(connection: Connection, run_id: str) -> list[Written]:
    """The run's steps that have not ended, with their messages, oldest first."""
    own = {message.id: message for message in store.messages.all(connection, run_id=run_id)}
    return [
        (step, own.get(message_id(step) or ""))
        for step in store.steps.all(connection, run_id=run_id)
        if step.status == "in_progress"
    ]
