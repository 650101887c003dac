"""A request that a client sends again because it has not heard the answer to the first one.

The SDKs repeat a POST up to twice after a lost connection, with nothing that names the request but
`x-stainless-retry-count`. What is the same as the newest thing there, and young, is that thing.
"""

from collections.abc import Sequence

from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi import store
from xiaozhi.requests import CreateMessage, ToolOutput
from xiaozhi.runs.calls import calls_of
from xiaozhi.runs.lifecycle import ENDED, NEW
from xiaozhi.store import Connection, PageWanted, changed, message_rows
from xiaozhi.threads import REPEATED_WITHIN, new_message

# What the same request may have made of two runs: when they were made, and what became of them
_VARIES = {**NEW, "id": "", "created_at": 0, "expires_at": None}


def existing_run(
    connection: Connection, wanted: Run, additional: Sequence[CreateMessage], at: int
) -> Run | None:
    """The newest run of the thread, where it was made by the same request. `at`: Unix seconds."""
    newest = store.runs.page(connection, PageWanted(limit=1), thread_id=wanted.thread_id)
    for body in newest.bodies:
        run = Run.model_validate_json(body)
        is_young = at - run.created_at < REPEATED_WITHIN
        if is_young and changed(run, _VARIES) == changed(wanted, _VARIES):
            return run if _is_answered(connection, run, additional) else None
    return None


def is_answered_by(step: RunStep, outputs: Sequence[ToolOutput]) -> bool:
    """Whether `step` was completed by these very outputs."""
    said = {output.tool_call_id: output.output or "" for output in outputs}
    calls = calls_of(step)
    return bool(calls) and {call.id: call.function.output for call in calls} == said


def _is_answered(connection: Connection, run: Run, additional: Sequence[CreateMessage]) -> bool:
    """Whether what the request wants answered is what `run` answers, and nothing that came since.

    A client that says something behind an ended run has heard of that run, and wants another.
    """
    if additional:
        return _were_added(connection, run, additional)
    if run.status not in ENDED:
        return True
    newest = message_rows.newest(connection, run.thread_id)
    return newest is not None and Message.model_validate_json(newest).run_id == run.id


def _were_added(connection: Connection, run: Run, wanted: Sequence[CreateMessage]) -> bool:
    """Whether the messages before the run's own end with the `wanted` ones."""
    page = store.messages.page(
        connection, PageWanted(limit=100, order="desc"), thread_id=run.thread_id
    )
    found = [Message.model_validate_json(body) for body in page.bodies]
    theirs = [message for message in found if message.run_id != run.id][: len(wanted)]
    same = [new_message(run.thread_id, request, 0).content for request in reversed(wanted)]
    return [message.content for message in theirs] == same
