"""Threads and their messages: how a request becomes an object, and how it is kept.

Functions that take a connection run inside a unit of work (`Store.read`, `Store.write`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from openai.types.beta import Thread
from openai.types.beta.threads import Message

from xiaozhi import store
from xiaozhi.errors import InvalidRequest
from xiaozhi.ids import later_than, new_id, not_before
from xiaozhi.metadata import MetadataPatch
from xiaozhi.requests import (
    CreateMessage,
    CreateThread,
    Exchange,
    ImageFilePart,
    ImageUrlPart,
    ModifyMessage,
    ModifyThread,
    TextPart,
)
from xiaozhi.store import (
    Connection,
    changed,
    message_moves,
    message_rows,
    run_rows,
    thread_rows,
    waiting_rows,
    written,
)

# A POST that the SDK repeats is the same message if the first one came no longer ago than this.
REPEATED_WITHIN = 60  # s
# The code of an exchange that is refused as its `until` is not the last message
THREAD_HAS_CHANGED = "thread_has_changed"
# The code of a patch that is refused as a key has not the value on which the patch depends
METADATA_HAS_CHANGED = "metadata_has_changed"
POSTED_AHEAD = 2  # s by which a posted message may lie ahead of the clock
SENT_BY_CLIENTS = ("role", "content", "attachments", "metadata")


def new_thread(request: CreateThread, at: int) -> Thread:
    return Thread.model_validate(
        {
            "id": new_id("thread_"),
            "object": "thread",
            "created_at": at,
            "metadata": request.metadata,
            "tool_resources": request.tool_resources.kept() if request.tool_resources else {},
        }
    )


def new_message(thread_id: str, request: CreateMessage, at: int) -> Message:
    """A message that a client posts: complete from the start, made by no run."""
    return Message.model_validate(
        {
            "id": new_id("msg_"),
            "object": "thread.message",
            "created_at": at,
            "thread_id": thread_id,
            "status": "completed",
            "incomplete_details": None,
            "completed_at": at,
            "incomplete_at": None,
            "role": request.role,
            "content": _content(request),
            "assistant_id": None,
            "run_id": None,
            "attachments": [],
            "metadata": request.metadata,
        }
    )


def add_thread(connection: Connection, request: CreateThread, at: int) -> Thread:
    """A new thread with the messages that the request brings."""
    thread = new_thread(request, at)
    thread_rows.add(connection, thread, at)
    _put_messages(connection, thread.id, request.messages, at)
    return thread


def modify_thread(connection: Connection, thread_id: str, request: ModifyThread) -> str:
    """The thread's JSON as it is now. Raises NotFound."""
    thread = store.threads.locked(connection, thread_id)
    changes: dict[str, Any] = {}
    if "metadata" in request.model_fields_set:
        changes["metadata"] = request.metadata
    if request.tool_resources:
        before = thread.tool_resources.to_dict() if thread.tool_resources else {}
        changes["tool_resources"] = {**before, **request.tool_resources.kept()}
    if changes:
        thread = changed(thread, changes)
        thread_rows.save(connection, thread)
    return written(thread)


def patch_thread_metadata(
    connection: Connection, thread_id: str, patch: MetadataPatch, only_if: Mapping[str, str]
) -> str:
    """The thread's JSON as it is now. Raises NotFound, InvalidRequest where it becomes too large.

    Two patches at the same time that name different keys both take effect. `only_if`: the values
    that keys must have, else InvalidRequest is raised; a key that is not there has "".
    """
    thread = store.threads.locked(connection, thread_id)
    before = thread.metadata or {}
    for key, value in only_if.items():
        if before.get(key, "") != value:
            words = f"The metadata of {thread_id} have another value for '{key}'."
            raise InvalidRequest(words, param=f"metadata[{key}]", code=METADATA_HAS_CHANGED)
    metadata = patch.applied_to(before)
    if metadata != thread.metadata:
        thread = changed(thread, {"metadata": metadata})
        thread_rows.save(connection, thread)
    return written(thread)


def add_message(
    connection: Connection, thread_id: str, request: CreateMessage, at: int, *, waits: bool = False
) -> str:
    """The message's JSON. While a run holds the thread it `waits` beside it, or is refused.

    Raises NotFound without the thread, InvalidRequest where it is refused (contract 7.4).
    """
    is_free = run_rows.touch_thread(connection, thread_id, at)
    run_id = None if is_free else run_rows.hold_thread(connection, thread_id)
    if run_id is None:
        if not is_free:  # that run has just ended
            run_rows.touch_thread(connection, thread_id, at)
        [message] = _add_messages(connection, thread_id, [request], at)
        return written(message)
    if not waits:
        raise InvalidRequest(f"Can't add messages to {thread_id} while a run {run_id} is active.")
    message = new_message(thread_id, request, at)
    waiting_rows.add(connection, message)
    return written(message)


def repeated_message(
    connection: Connection, thread_id: str, request: CreateMessage, at: int
) -> str | None:
    """The JSON of the newest message, if a client posted it, and it is this one and just made.

    The same words behind an answer are said again: that client has heard of the first ones. Raises
    NotFound without the thread.
    """
    # The first try may be under way still.
    run_rows.hold_thread(connection, thread_id)
    body = waiting_rows.newest(connection, thread_id)
    body = body or message_rows.newest(connection, thread_id)
    if body is None:
        return None
    kept, same = json.loads(body), json.loads(written(new_message(thread_id, request, at)))
    if at - kept["created_at"] >= REPEATED_WITHIN:
        return None
    is_same = all(kept[key] == same[key] for key in SENT_BY_CLIENTS)
    return body if is_same and kept["run_id"] is None else None


def message_body(connection: Connection, thread_id: str, message_id: str) -> str:
    """The message's JSON, also while it waits. Raises NotFound."""
    kept = waiting_rows.kept_in(connection, message_id, thread_id)
    return kept.body(connection, message_id, thread_id=thread_id)


def modify_message(
    connection: Connection, thread_id: str, message_id: str, request: ModifyMessage
) -> str:
    """The message's JSON as it is now, also while it waits. Raises NotFound."""
    kept = waiting_rows.kept_in(connection, message_id, thread_id, hold=True)
    message = kept.locked(connection, message_id, thread_id=thread_id)
    if "metadata" in request.model_fields_set:
        message = changed(message, {"metadata": request.metadata})
        kept.save(connection, message)
    return written(message)


def patch_message_metadata(
    connection: Connection, thread_id: str, message_id: str, patch: MetadataPatch
) -> str:
    """As `patch_thread_metadata`, for a message, also while it waits."""
    kept = waiting_rows.kept_in(connection, message_id, thread_id, hold=True)
    message = kept.locked(connection, message_id, thread_id=thread_id)
    metadata = patch.applied_to(message.metadata or {})
    if metadata != message.metadata:
        message = changed(message, {"metadata": metadata})
        kept.save(connection, message)
    return written(message)


def delete_message(connection: Connection, thread_id: str, message_id: str) -> None:
    """Also while it waits. Raises NotFound, InvalidRequest while a run writes it."""
    kept = waiting_rows.kept_in(connection, message_id, thread_id, hold=True)
    if kept is store.waiting_messages:
        return kept.delete(connection, message_id, thread_id=thread_id)
    message = kept.locked(connection, message_id, thread_id=thread_id)
    if message.status == "in_progress" and message.run_id:
        # The run would write it once more, and it would be there again.
        words = f"Can't delete message {message_id} while run {message.run_id} is writing it."
        raise InvalidRequest(words)
    message_rows.delete(connection, message_id, thread_id)


def exchange_messages(
    connection: Connection, thread_id: str, request: Exchange, at: int, *, again: bool = False
) -> str:
    """The thread's JSON. Its messages from one on lie in the other thread, others took their place.

    Those that come in stand in the request's order, its additional ones behind them. `again`: the
    client may have sent the same request before; then nothing happens. Raises NotFound (threads,
    messages), InvalidRequest while a run holds either thread, where `until` is not the thread's
    last message, or where metadata become too large.
    """
    other_id = request.other_thread_id
    _check_exchange(thread_id, request)
    # In one order, whichever of the two is asked: else two exchanges could wait for each other.
    for id in sorted((thread_id, other_id)):
        run_id = run_rows.hold_thread(connection, id)
        if run_id is not None:
            words = f"Can't exchange messages of {id} while a run {run_id} is active."
            raise InvalidRequest(words)
    if not (again and _is_exchanged(connection, thread_id, request)):
        if request.until and not message_rows.is_newest(connection, thread_id, request.until):
            words = f"Message '{request.until}' is not the last one of {thread_id} (any more)."
            raise InvalidRequest(words, param="until", code=THREAD_HAS_CHANGED)
        _move_messages(connection, thread_id, request)
        _add_messages(connection, thread_id, request.additional_messages, at)
        _patch_exchanged(connection, (thread_id, other_id), request.message_metadata)
        run_rows.touch_thread(connection, thread_id, at)
    return store.threads.body(connection, thread_id)


def _check_exchange(thread_id: str, request: Exchange) -> None:
    """Raises InvalidRequest for what can be told by the request alone."""
    if request.other_thread_id == thread_id:
        words = "Invalid 'other_thread_id': a thread cannot exchange messages with itself."
        raise InvalidRequest(words, param="other_thread_id", code="invalid_value")
    if request.since is None and not request.messages:
        words = "Missing required parameter: 'since', or 'messages'. Nothing would move."
        raise InvalidRequest(words, param="since", code="missing_required_parameter")


def _move_messages(connection: Connection, thread_id: str, request: Exchange) -> None:
    """Raises NotFound."""
    other_id = request.other_thread_id
    leaving: list[str] = []
    if request.since is not None:
        leaving = message_moves.ids_from_on(connection, thread_id, request.since)
    coming = list(dict.fromkeys(request.messages))
    message_moves.must_be_in(connection, other_id, coming)
    message_moves.move(connection, leaving, thread_id, other_id)
    message_moves.move(connection, coming, other_id, thread_id)


def _is_exchanged(connection: Connection, thread_id: str, request: Exchange) -> bool:
    """Whether the first message that is to move has moved already."""
    if request.since is not None:
        return store.messages.exists(connection, request.since, thread_id=request.other_thread_id)
    return store.messages.exists(connection, request.messages[0], thread_id=thread_id)


def _patch_exchanged(
    connection: Connection, thread_ids: tuple[str, str], patches: Mapping[str, MetadataPatch]
) -> None:
    """Raises NotFound for a message that lies in neither thread."""
    for id, patch in patches.items():
        message = store.messages.locked(connection, id)
        if message.thread_id not in thread_ids:
            raise store.messages.missing(id)
        metadata = patch.applied_to(message.metadata or {})
        store.messages.save(connection, changed(message, {"metadata": metadata}))


def add_messages_of_run(
    connection: Connection, thread_id: str, requests: list[CreateMessage], at: int
) -> None:
    """The additional messages of a run that already holds the thread, in order."""
    _add_messages(connection, thread_id, requests, at)


def _add_messages(
    connection: Connection, thread_id: str, requests: Sequence[CreateMessage], at: int
) -> list[Message]:
    """To the end of the thread, which nobody else changes meanwhile. `at`: Unix seconds."""
    if requests:
        at = _time_behind(message_rows.newest(connection, thread_id), at)
    return _put_messages(connection, thread_id, requests, at)


def _put_messages(
    connection: Connection, thread_id: str, requests: Sequence[CreateMessage], at: int
) -> list[Message]:
    added = [new_message(thread_id, request, at) for request in requests]
    for message in added:
        message_rows.add(connection, message)
    return added


def _time_behind(newest: str | None, at: int) -> int:
    """The `created_at` of what a client posts behind `newest`, the JSON of a message, if any.

    Answers may lie ahead of the clock: it is no earlier, and later where that is still near the
    clock. Messages that are posted in a row have one time.
    """
    if newest is None:
        return at
    before = json.loads(newest)
    if before["role"] == "assistant":
        return later_than(before["created_at"], at, ahead=POSTED_AHEAD)
    return not_before(before["created_at"], at)


def _content(request: CreateMessage) -> list[dict[str, Any]]:
    if isinstance(request.content, str):
        return [_text(request.content)]
    return [_part(part) for part in request.content]


def _part(part: TextPart | ImageUrlPart | ImageFilePart) -> dict[str, Any]:
    match part:
        case TextPart():
            return _text(part.text)
        case ImageUrlPart(image_url=image):
            image_url = {"url": image.url, "detail": image.detail}
            return {"type": "image_url", "image_url": image_url}
        case ImageFilePart(image_file=image):
            image_file = {"file_id": image.file_id, "detail": image.detail}
            return {"type": "image_file", "image_file": image_file}


def _text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": []}}
