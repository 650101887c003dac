"""What must be done is tried until it can be; who listens is not kept waiting for as long."""

import asyncio

import pytest

from xiaozhi.errors import NotFound, Unavailable
from xiaozhi.runs.patience import until_available


def test_it_is_done_in_the_end_and_listeners_are_told_once():
    story: list[str] = []

    async def doing() -> str:
        if len(story) < 6:
            story.append("full")
            raise Unavailable("The disk is full.")
        return "done"

    pauses = (0.001, 0.001)
    takes_long = until_available(
        "an end", doing, takes_long=lambda: story.append("takes long"), pauses=pauses
    )
    assert asyncio.run(takes_long) == "done"
    assert story == ["full", "full", "full", "takes long", "full", "full"]


def test_another_error_is_no_reason_to_wait():
    async def doing() -> str:
        raise NotFound("It was deleted.")

    with pytest.raises(NotFound):
        asyncio.run(until_available("an end", doing))
