"""Puts the house together: settings in, one ASGI app out."""

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount

from xiaozhi import data_folder, tracing
from xiaozhi.api import (
    AZURE,
    BASES,
    Access,
    HostGuard,
    ResponseHeaders,
    Rooms,
    Transport,
    create_api,
    health,
    http_error,
    scraping,
)
from xiaozhi.chat_models import BuiltIn, Catalog, ChatModel, OpenAICompatible
from xiaozhi.dispatch import Dispatcher, InProcess, Places
from xiaozhi.events import Events
from xiaozhi.ids import new_id
from xiaozhi.runs import Admission, Runs, Stop
from xiaozhi.settings import Settings
from xiaozhi.store import SQLite, Store, Watched

if TYPE_CHECKING:
    from xiaozhi.dispatch.mirrors import Mirrors

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Of what the server is made: tests of what fails put parts around them that fail."""

    store: Callable[[Store], Store] = lambda store: store
    events: Callable[[], Events] = Events
    model: Callable[[ChatModel], ChatModel] = lambda model: model


PARTS = Parts()


def create_server(
    settings: Settings, *, port: int, gguf: Path | None = None, parts: Parts = PARTS
) -> Starlette:
    """The whole server. `port`: where it will listen. `gguf`: the built-in model's file, if used.

    Raises CannotStart; what has to be opened is opened with the app's lifespan.
    """
    key = api_key(settings)
    api = create_api()
    page = None
    if settings.ui:
        # Only here: without the page nothing of Streamlit is imported.
        from xiaozhi.ui.page import create_page

        address = f"http://{_loopback(settings.host)}:{port}/v1"
        page = create_page(address, key, settings.openai_assistant_id)

    @asynccontextmanager
    async def lifespan(server: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            rooms = api.state.rooms = server.state.rooms = await _open(settings, gguf, stack, parts)
            taken_up = await rooms.runs.recover()
            if taken_up:
                log.info("%s unfinished runs go on", taken_up)
            if page is not None:
                await stack.enter_async_context(page.lifespan()(server))
            yield

    def rooms() -> Rooms:
        return server.state.rooms

    watching = [*health(rooms), scraping(rooms, [key] if settings.metrics == "key" else None)]
    doors = [Mount(base, Transport(api, [key], needs_beta=base not in AZURE)) for base in BASES]
    routes = [*doors, *watching]
    if page is not None:
        routes.append(Mount("/", page))
    # FastAPI only where its work is wanted: each of its layers is passed by every request.
    # What no route takes (a path with a line break in it, say) is told as the API tells it.
    handlers = {HTTPException: http_error}
    server = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers=handlers,
        middleware=[
            Middleware(Access),
            Middleware(ResponseHeaders),
            Middleware(HostGuard, settings.host, settings.allowed_hosts),
        ],
    )
    return server


def api_key(settings: Settings) -> str:
    """The operator's, or the one made at the first start. Raises CannotStart."""
    # Also where the key comes from elsewhere: the rest of what is kept lies there.
    data_folder.prepare(settings.data)
    if settings.api_key:
        return settings.api_key.get_secret_value()
    return data_folder.api_key(settings.data)


async def _open(
    settings: Settings, gguf: Path | None, stack: AsyncExitStack, parts: Parts
) -> Rooms:
    """Open everything, to be closed with `stack`, in the opposite order."""
    _trace(stack)
    opened = Watched(parts.store(await _database(settings)))
    stack.push_async_callback(opened.close)
    # As many answers at a time as are asked for: aiohttp would let 100 through, the others wait.
    connector = aiohttp.TCPConnector(limit=0)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    catalog = _catalog(settings, gguf, session, stack, parts)
    catalog.start()
    stack.push_async_callback(catalog.close)
    events = parts.events()
    dispatcher, mirrors = await _dispatcher(settings, opened, events, catalog, stack)
    admission = Admission(opened, dispatcher)
    runs = Runs(
        opened,
        events,
        catalog,
        dispatcher,
        admission,
        mirrors=mirrors,
        expires_after=settings.run_expires_after,
    )
    stack.push_async_callback(runs.close)
    stop = Stop(runs, admission, dispatcher, events)
    return Rooms(opened, events, catalog, runs, stop, settings.messages_wait)


async def _database(settings: Settings) -> Store:
    """Raises CannotStart."""
    if address := settings.postgres():
        # Only here: SQLite needs nothing of what it imports.
        from xiaozhi.store.postgres import Postgres

        return await Postgres.open(address)
    return await SQLite.open(settings.sqlite())


async def _dispatcher(
    settings: Settings, opened: Store, events: Events, catalog: Catalog, stack: AsyncExitStack
) -> "tuple[Dispatcher, Mirrors | None]":
    """On Postgres there may be other processes. Raises CannotStart."""
    here = InProcess(opened, new_id("proc_"), _places(settings, catalog))
    address = settings.postgres()
    if address is None:
        return here, None
    from xiaozhi.dispatch.mirrors import Mirrors
    from xiaozhi.dispatch.replicas import Replicas
    from xiaozhi.store.presence import Presence

    presence = Presence(address, here.owner)
    await presence.open()
    stack.push_async_callback(presence.close)
    mirrors = Mirrors(events, presence, here.knows)
    stack.push_async_callback(mirrors.close)
    return Replicas(here, opened, presence), mirrors


def _places(settings: Settings, catalog: Catalog) -> Places:
    chosen = settings.concurrent_runs_per_model

    def bound(model: str) -> int | None:
        """The tighter one: what was set, or what the model can do."""
        return min(filter(None, (chosen, catalog.at_a_time(model))), default=None)

    return Places(settings.concurrent_runs, bound, queued=settings.queued_runs)


def _trace(stack: AsyncExitStack) -> None:
    """Spans of what follows, where the environment asks for them."""
    if not tracing.is_asked_for(os.environ):
        return
    try:
        # Only here: an extra, and nothing of it is imported where nobody asks.
        from xiaozhi.otlp import Otlp
    except ImportError:
        log.warning(tracing.MISSING)
        return
    tracing.begin(Otlp())
    stack.push_async_callback(tracing.end)


def _catalog(
    settings: Settings,
    gguf: Path | None,
    session: aiohttp.ClientSession,
    stack: AsyncExitStack,
    parts: Parts,
) -> Catalog:
    sources: list[ChatModel] = []
    open_ended: ChatModel | None = None
    default = settings.model
    proxy = settings.model_proxy.get_secret_value() if settings.model_proxy else None
    if gguf is not None:
        built_in = BuiltIn(gguf, session)
        default = built_in.name
        built_in.start()
        stack.push_async_callback(built_in.close)
        sources.append(built_in)
    if address := settings.endpoint():
        secret = settings.openai_api_key
        key = secret.get_secret_value() if secret else None
        endpoint = OpenAICompatible(address, key, session, proxy=proxy)
        _look_for_other_proxies(endpoint, proxy)
        open_ended = parts.model(endpoint)
        sources.append(open_ended)
    if settings.ollama_url:
        sources.append(OpenAICompatible(settings.ollama_url, None, session, proxy=proxy))
    return Catalog(sources, default=default, open_ended=open_ended)


def _look_for_other_proxies(endpoint: OpenAICompatible, proxy: str | None) -> None:
    """Programs differ in whether they take a proxy from there: this one says that it does not."""
    names = [name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if _is_set(name)]
    if names and proxy is None and not endpoint.is_on_this_machine:
        log.warning("%s is not used for model endpoints; XIAOZHI_MODEL_PROXY would be", names[0])


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(name.lower()))


def _loopback(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host
