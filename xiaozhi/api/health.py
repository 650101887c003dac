"""/health and /health/ready: for whoever watches the process. No key is needed.

Anybody may ask, as often as they like, so an answer shows no address, writes nothing, and what was
found is remembered: the provider's endpoint is asked at most once in REMEMBERED seconds.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from xiaozhi.api.dependencies import Rooms
from xiaozhi.errors import ModelFailed, XiaozhiError

REMEMBERED = 10.0  # s
DATABASE_WITHIN = 4.0  # s until a database that does not answer is not ready; probes wait for 5
MODEL_WITHIN = 1.0  # s that an answer waits for the model's endpoint; it decides nothing

OK = "ok"
UNAVAILABLE = "unavailable"
NOT_KNOWN = "not known yet"

log = logging.getLogger(__name__)


def health(rooms: Callable[[], Rooms]) -> list[Route]:
    """`rooms`: the parts of the house, once they are open."""
    database = _Check("database", lambda: rooms().store.check())
    model = _Check("model", lambda: rooms().catalog.check())

    async def alive(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> JSONResponse:
        if rooms().stop.has_begun:
            # A balancer sends nothing more here.
            return JSONResponse({"status": "stopping"}, 503)
        of_database, of_model = await asyncio.gather(
            database.finding(DATABASE_WITHIN), model.finding(MODEL_WITHIN)
        )
        # What requests have found out meanwhile is known without another look.
        is_ready = of_database == OK and rooms().store.trouble() is None
        content = {
            "status": "ready" if is_ready else "not ready",
            "database": OK if is_ready else UNAVAILABLE,
            "model": of_model,
        }
        return JSONResponse(content, 200 if is_ready else 503)

    return [Route("/health", alive), Route("/health/ready", ready)]


class _Check:
    """What a check has found, remembered for a while. Requests that come together share one."""

    def __init__(self, name: str, check: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._check = check
        self._looking: asyncio.Task[str] | None = None
        self._ended = 0.0
        self._logged = OK

    async def finding(self, within: float) -> str:
        """`within`: s until it is not known yet; the check goes on, for those that ask later."""
        looking = self._looking
        is_old = time.monotonic() - self._ended > REMEMBERED
        if looking is None or (looking.done() and is_old):
            looking = self._looking = asyncio.ensure_future(self._look())
        await asyncio.wait([looking], timeout=within)
        return looking.result() if looking.done() else NOT_KNOWN

    async def _look(self) -> str:
        try:
            await self._check()
        except ModelFailed as error:
            # One of our fixed sentences. The details may hold an address, or words of a provider.
            found, why = error.reason, error.without_their_words()
        except XiaozhiError as error:
            found, why = UNAVAILABLE, error.message
        else:
            found = why = OK
        finally:
            self._ended = time.monotonic()
        if why != self._logged:
            level = logging.INFO if why == OK else logging.WARNING
            log.log(level, "%s: %s", self._name, why)
            self._logged = why
        return found
