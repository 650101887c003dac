"""A run as it happens: a thread of this process listens to it, pages look at what it heard.

The run belongs to the server: whatever a page does (a click, a reload, a closed tab), it goes on,
and the next look finds everything that was said so far.
"""

import threading
import time
from typing import cast

import streamlit as st
from openai import APIConnectionError, APIError, OpenAI, Stream
from openai.types.beta.assistant_stream_event import AssistantStreamEvent
from openai.types.beta.threads import Run

from xiaozhi.ui.growing_text import GrowingText
from xiaozhi.ui.thinking import Thinking

ATTEMPTS = 5  # to come back to a run after a lost connection
KEPT = 200  # runs that have ended and are remembered, at most

# What waits for a function stands in both: nothing more is heard of it, and no other may begin.
ENDED = ("completed", "incomplete", "failed", "cancelled", "expired", "requires_action")
ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")


class Followed:
    """`text`: the answer so far. `run`: as it was last told. `lost`: why nothing more is heard.

    `thinking`: what was thought before the answer.
    """

    def __init__(self, client: OpenAI, run: Run) -> None:
        self.run = run
        self._text = GrowingText()
        self.thinking = Thinking()
        self.lost: APIError | None = None
        self._client = client
        self._heard = threading.Condition()
        name = f"follow {run.id}"
        self._follower = threading.Thread(target=self._follow, name=name, daemon=True)
        self._follower.start()

    @property
    def text(self) -> str:
        return str(self._text)

    @property
    def ended(self) -> bool:
        return self.lost is not None or self.run.status in ENDED

    def wait(self, known: int, timeout: float) -> None:
        """Until there is more text than `known` characters, or the end; `timeout` s at most."""
        with self._heard:
            self._heard.wait_for(lambda: len(self._text) != known or self.ended, timeout)

    def join(self) -> None:
        """Until the end, without being woken by each word."""
        self._follower.join()

    def _follow(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._listen()
            except APIConnectionError as error:
                if attempt == ATTEMPTS - 1:
                    self._lose(error)
                time.sleep(0.3 * 2**attempt)
            except APIError as error:
                self._lose(error)
            if self.ended:
                return

    def _listen(self) -> None:
        self._text = GrowingText()
        self.thinking = Thinking()
        stream = self._client.get(
            f"/threads/{self.run.thread_id}/runs/{self.run.id}/events",
            cast_to=cast("type[AssistantStreamEvent]", AssistantStreamEvent),
            options={"params": {"include[]": "reasoning"}, "timeout": 60},
            stream=True,
            stream_cls=Stream[AssistantStreamEvent],
        )
        with stream:
            for event in stream:
                self._take(event)

    def _take(self, event: AssistantStreamEvent) -> None:
        self.thinking.take(event.event, event.data.model_extra or {})
        if event.event == "thread.message.delta":
            for part in event.data.delta.content or ():
                if part.type == "text" and part.text and part.text.value:
                    with self._heard:
                        self._text.add(part.text.value)
                        self._heard.notify_all()
        elif isinstance(event.data, Run):
            with self._heard:
                self.run = event.data
                self._heard.notify_all()

    def _lose(self, error: APIError) -> None:
        with self._heard:
            self.lost = error
            self._heard.notify_all()


def followed(client: OpenAI, run: Run) -> Followed:
    """The one follower of a run in this process, for all pages that look at it."""
    runs, lock = _runs()
    with lock:
        if run.id not in runs:
            # A follower that is forgotten while it runs goes on, and the next look starts another.
            ended = [id for id, each in runs.items() if each.ended]
            for old in ended[: max(0, len(ended) - KEPT + 1)]:
                del runs[old]
            runs[run.id] = Followed(client, run)
        return runs[run.id]


def let_go(run: Run) -> None:
    """The next look at `run` begins to follow it anew."""
    runs, lock = _runs()
    with lock:
        runs.pop(run.id, None)


@st.cache_resource
def _runs() -> tuple[dict[str, Followed], threading.Lock]:
    return {}, threading.Lock()
