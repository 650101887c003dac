"""Changes of single keys of metadata, each in one transaction of the server. Draws nothing.

Metadata that are read, changed and written back as a whole lose what another page, another program
or a title in the making writes in between (docs/extensions.md, "Single keys of metadata").
"""

from collections.abc import Mapping

from openai import BadRequestError
from openai.types.beta import Thread
from openai.types.beta.threads import Message

from xiaozhi.ui.client import client


def change_thread(
    thread_id: str, changes: Mapping[str, str | None], only_if: Mapping[str, str] | None = None
) -> Thread:
    """The thread as it is then. `changes`: None takes a key away.

    `only_if`: values that keys must have; "" is also the value of a key that is not there. Raises
    openai.APIError; where that is the reason, `has_changed` says so.
    """
    return client().patch(
        f"/threads/{thread_id}/metadata",
        cast_to=Thread,
        body=changes,
        options={"params": {"metadata": only_if} if only_if else {}},
    )


def has_changed(error: BadRequestError) -> bool:
    """Whether a key has another value than the change depends on: nothing was changed."""
    return error.code == "metadata_has_changed"


def change_message(message: Message, changes: Mapping[str, str | None]) -> None:
    """`message` has its metadata of then. `changes`: as above. Raises openai.APIError."""
    path = f"/threads/{message.thread_id}/messages/{message.id}/metadata"
    changed = client().patch(path, cast_to=Message, body=changes)
    message.metadata = changed.metadata
