"""Which pages of this process have a conversation open. Pure, but for the clock.

A page that goes away says nothing: it counts as open for a while after it was seen the last time.
"""

import threading
import time


class OpenPages:
    """`lasts`: s for which a page counts as open after it was seen."""

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._until: dict[str, dict[str, float]] = {}  # by thread and page: s, monotonic
        self._lock = threading.Lock()

    def see(self, thread_id: str, page_id: str) -> None:
        """The page has it open at this moment."""
        with self._lock:
            self._until.setdefault(thread_id, {})[page_id] = time.monotonic() + self._lasts

    def leave(self, thread_id: str, page_id: str) -> None:
        with self._lock:
            self._until.get(thread_id, {}).pop(page_id, None)

    def seconds_open(self, thread_id: str) -> float:
        """For how long a page counts as open from now on; 0.0: none does."""
        with self._lock:
            now = time.monotonic()
            pages = self._until.pop(thread_id, {})
            pages = {page: until for page, until in pages.items() if until > now}
            if not pages:
                return 0.0
            self._until[thread_id] = pages
            return max(pages.values()) - now
