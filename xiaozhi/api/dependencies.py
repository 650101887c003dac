"""What the endpoints ask for: the parts of the house, and the page that a client wants."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request
from pydantic import BeforeValidator

from xiaozhi.chat_models import Catalog
from xiaozhi.events import Events
from xiaozhi.requests import EXTENSION
from xiaozhi.runs import Runs, Stop
from xiaozhi.store import PageWanted, Store

Included = Literal["step_details.tool_calls[*].file_search.results[*].content"]
# Not `default_factory=list`: of that, each request would parse the signature (0.4 ms).
NONE: list[Included] = []
NOTHING: list[str] = []
NOT_EMPTY = BeforeValidator(lambda found: [value for value in found if value])


@dataclass(frozen=True)
class Rooms:
    """The parts of the house that the API uses, put together in `server.py`.

    `messages_wait`: what becomes of a message whose thread is locked, if its request does not say.
    """

    store: Store
    events: Events
    catalog: Catalog
    runs: Runs
    stop: Stop
    messages_wait: bool = False


async def _rooms(request: Request) -> Rooms:
    return request.app.state.rooms


def _or(default: object) -> BeforeValidator:
    """An empty value means that nothing was given: programs write `limit=&order=`."""
    return BeforeValidator(lambda found: default if found == "" else found)


async def _page_wanted(
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most."), _or(20)] = 20,
    order: Annotated[
        Literal["asc", "desc"], Query(description="By `created_at`."), _or("desc")
    ] = "desc",
    after: Annotated[str | None, Query(description="Those after this id, in that order.")] = None,
    before: Annotated[str | None, Query(description="Those before this id.")] = None,
) -> PageWanted:
    return PageWanted(limit, order, after or None, before or None)


async def _is_retry(x_stainless_retry_count: Annotated[str, Header()] = "0") -> bool:
    """Whether the SDK sends this request again, after a lost connection."""
    return x_stainless_retry_count not in ("", "0")


async def _include(
    several: Annotated[list[Included], Query(alias="include[]"), NOT_EMPTY] = NONE,
    one: Annotated[list[Included], Query(alias="include"), NOT_EMPTY] = NONE,
) -> list[str]:
    """What to add to an answer (contract 8): the one value that there is."""
    return [*several, *one]


_Reasoning = Query(
    alias="include[]",
    json_schema_extra=EXTENSION,
    description="`reasoning`: what the model thought; `reasoning.seconds`: only for how long. "
    "Anything else is passed over.",
)


async def _reasoning(
    several: Annotated[list[str], _Reasoning] = NOTHING,
    one: Annotated[list[str], Query(alias="include", include_in_schema=False)] = NOTHING,
) -> Literal["", "seconds", "text"]:
    """How much of what models thought a client wants to hear (docs/extensions.md)."""
    wanted = {*several, *one}
    return "text" if "reasoning" in wanted else "seconds" if "reasoning.seconds" in wanted else ""


IsRetry = Annotated[bool, Depends(_is_retry)]
WhatToInclude = Annotated[list[str], Depends(_include)]
WhatOfReasoning = Annotated[Literal["", "seconds", "text"], Depends(_reasoning)]
TheRooms = Annotated[Rooms, Depends(_rooms)]
ThePage = Annotated[PageWanted, Depends(_page_wanted)]
