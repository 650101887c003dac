"""All conversations are deleted, one after the other, on a thread of its own. Draws nothing.

It goes on when the page is closed. Where the server goes away, the rest stays as it was.
"""

import threading
import time
from collections.abc import Mapping

from openai import APIError

from xiaozhi.ui import shelves

TOLD_EVERY = 1.0  # s between two times that open lists are told of it


class Clearing:
    """Begins with its making. `total`: how many there were then; 0 until they are counted.

    `gone`: the ids of those that are deleted. `broke_off`: the server refused, or could not be
    reached.
    """

    def __init__(self) -> None:
        self.total = 0
        self.gone: set[str] = set()
        self.has_ended = False
        self.broke_off = False
        threading.Thread(target=self._clear, name="clearing", daemon=True).start()

    def _clear(self) -> None:
        try:
            # First all of them: what is begun from now on stays.
            ids = list(dict.fromkeys(each.id for each in shelves.everywhere()))
            self.total = len(ids)
            self._delete(ids, shelves.archives())
            # Versions that another page has made meanwhile
            for id, archives in shelves.archives().items():
                if id in self.gone:
                    shelves.delete_at_once(id, archives)
        except APIError:
            self.broke_off = True
        finally:
            shelves.changed()
            self.has_ended = True

    def _delete(self, ids: list[str], archives: Mapping[str, list[str]]) -> None:
        told = time.monotonic()
        for id in ids:
            shelves.delete_at_once(id, archives.get(id, []))
            self.gone.add(id)
            if time.monotonic() - told > TOLD_EVERY:
                shelves.changed()
                told = time.monotonic()
