"""How fast places became free lately: when one who finds no room may come again. Pure."""

import math
from collections import deque

REMEMBERED = 64  # times that a place became free
FASTEST = 0.02  # s between them, as far as is promised
SOONEST, LATEST = 1, 30  # s


class Pace:
    """All times are in s, of one monotonic clock."""

    def __init__(self, since: float = 0.0) -> None:
        """`since`: when the first one had to wait."""
        self._free_at = deque([since], REMEMBERED)
        self._promised = since

    def became_free(self, at: float) -> None:
        self._free_at.append(at)

    def retry_after(self, at: float) -> int:
        """In how many s to come again. Everybody gets a time of their own: not all come at once."""
        between = max((at - self._free_at[0]) / len(self._free_at), FASTEST)
        self._promised = min(max(self._promised, at) + between, at + LATEST)
        return min(max(math.ceil(self._promised - at), SOONEST), LATEST)
