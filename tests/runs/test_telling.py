"""A run that another process has left is told anew here."""

import asyncio
from typing import Any, cast

from xiaozhi.events import Events
from xiaozhi.runs.telling import Telling

RUN = "run_1"


def test_a_run_that_is_taken_up_does_not_go_on_with_what_its_last_process_told():
    """That one was stopped, and told so: its events are kept here for a while, closed."""

    async def taken_up() -> tuple[int | None, str, str]:
        events = Events()
        events.open(RUN, "its edition")
        events.publish(RUN, "thread.message.delta", "{}")
        events.close(RUN)
        before = events.edition(RUN)
        Telling(cast("Any", None), events, None).taken_up(RUN)
        return events.published(RUN), before, events.edition(RUN)

    published, before, after = asyncio.run(taken_up())
    assert published == 0
    assert before != after
