"""GET /metrics: what Prometheus asks for. With the API's key, unless the settings open it.

It tells no content, but names of models and how much is done here, which is nobody's business on a
server that others can reach. Prometheus sends a key with `authorization: credentials`.
"""

import asyncio
from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xiaozhi import metrics
from xiaozhi.api.answers import refused
from xiaozhi.api.dependencies import Rooms
from xiaozhi.api.transport import check_key
from xiaozhi.errors import XiaozhiError
from xiaozhi.runs.lifecycle import ACTIVE
from xiaozhi.store import run_rows


def scraping(rooms: Callable[[], Rooms], keys: Collection[str] | None) -> Route:
    """`rooms`: the parts of the house, once they are open. `keys`: None lets everybody look."""

    async def scrape(request: Request) -> Response:
        try:
            if keys is not None:
                check_key(request.headers, keys)
            found = await rooms().store.read(run_rows.active_by_status)
        except XiaozhiError as error:
            return refused(error)
        active = dict.fromkeys(ACTIVE, 0) | found
        accept = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(metrics.written, accept, active)
        return Response(body, headers={"content-type": content_type})

    return Route("/metrics", scrape)
