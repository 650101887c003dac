"""What the endpoints ask for: the parts of the house, and the page that a client wants."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query, Request

from xiaozhi.chat_models import Catalog
from xiaozhi.events import Events
from xiaozhi.runs import Runs
from xiaozhi.store import PageWanted, Store


@dataclass(frozen=True)
class Rooms:
    """The parts of the house that the API uses, put together in `server.py`."""

    store: Store
    events: Events
    catalog: Catalog
    runs: Runs


async def _rooms(request: Request) -> Rooms:
    return request.app.state.rooms


async def _page_wanted(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
    before: str | None = None,
) -> PageWanted:
    return PageWanted(limit, order, after, before)


TheRooms = Annotated[Rooms, Depends(_rooms)]
ThePage = Annotated[PageWanted, Depends(_page_wanted)]
