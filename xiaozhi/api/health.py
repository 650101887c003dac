"""/health and /health/ready: for whoever watches the process. No key is needed."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from xiaozhi.api.dependencies import Rooms
from xiaozhi.errors import XiaozhiError


def health(rooms: Callable[[], Rooms]) -> list[Route]:
    """`rooms`: the parts of the house, once they are open."""

    async def alive(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> JSONResponse:
        if rooms().stop.has_begun:
            # A balancer sends nothing more here.
            return JSONResponse({"status": "stopping"}, 503)
        checks = {"database": rooms().store.check, "model": rooms().catalog.check}
        found: dict[str, str] = {}
        for name, check in checks.items():
            try:
                await check()
            except XiaozhiError as error:
                found[name] = error.message
            else:
                found[name] = "ok"
        is_ready = all(state == "ok" for state in found.values())
        content = {"status": "ready" if is_ready else "not ready", **found}
        return JSONResponse(content, 200 if is_ready else 503)

    return [Route("/health", alive), Route("/health/ready", ready)]
