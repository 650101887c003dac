"""Which model answers to which name."""

import asyncio
import logging
import re
import time
from collections.abc import Sequence

from openai.types import Model

from xiaozhi.chat_models import chat_model
from xiaozhi.chat_models.chat_model import ChatModel
from xiaozhi.errors import ModelFailed, NotFound

DEFAULT = "default"  # stands for whichever model is the server's default when a run is made
FRESH = 30.0  # s

# Names that programs for OpenAI ask for. Where no endpoint is set that may know them, the default
# model answers: such a program works when only its base_url is changed (docs/decisions/0005).
_OPENAIS = re.compile(r"^(gpt-|chatgpt-|o[134](-|$))")
_NOT_FOR_CHAT = re.compile(
    r"embed|whisper|tts|dall-e|image|moderation|audio|realtime|transcribe|rerank|davinci|babbage|sora"
)
_PREFERRED = ("gpt-5-mini", "gpt-4o-mini", "deepseek-chat", "qwen-plus")

log = logging.getLogger(__name__)


class Catalog:
    """The models of all sources. `sources`: the first one has the server's default model.

    `open_ended`: the source that may know more names than it lists (an endpoint that was set).
    `default`: the name that was chosen in the settings; else it is found out.
    """

    def __init__(
        self,
        sources: Sequence[ChatModel],
        *,
        default: str | None = None,
        open_ended: ChatModel | None = None,
    ) -> None:
        self._sources = sources
        self._chosen = default
        self._open_ended = open_ended
        self._lists: dict[int, Sequence[Model]] = {}
        self._source_of: dict[str, ChatModel] = {}
        self._failure: ModelFailed | None = None
        self._asked_at = -FRESH
        self._first_look: asyncio.Future[None] | None = None
        self._asking = asyncio.Lock()

    async def models(self) -> list[Model]:
        """All that are known, the default one first. A silent source keeps its last list."""
        await self._refresh()
        default = self.default()
        found = {model.id: model for models in self._known() for model in models}
        return sorted(found.values(), key=lambda model: model.id != default)

    def start(self) -> None:
        """Ask the sources in the background: the first run need not wait for it."""
        self._first_look = asyncio.ensure_future(self._refresh())

    async def close(self) -> None:
        if self._first_look is not None:
            self._first_look.cancel()
            await asyncio.gather(self._first_look, return_exceptions=True)

    async def check(self) -> None:
        """Whether the default model can answer now. Raises ModelFailed."""
        for source in self._sources[:1]:
            await source.check()

    async def model(self, name: str) -> Model:
        """Raises NotFound."""
        for model in await self.models():
            if model.id == name:
                return model
        raise _unknown(name)

    def default(self) -> str | None:
        """The name of the default model; None where no source has answered yet."""
        if self._chosen:
            return self._chosen
        for models in self._known():
            names = [model.id for model in models if not _NOT_FOR_CHAT.search(model.id.lower())]
            for name in (*_PREFERRED, *names):
                if name in names:
                    return name
        return None

    async def described(self, within: float) -> str:
        """The default model's name, or why there is none yet; for people. `within`: s."""
        try:
            await asyncio.wait_for(self._refresh(), within)
        except TimeoutError:
            log.info("not all models are known yet")
        failure = self._failure.message if self._failure else "-"
        return self.default() or failure

    def resolved(self, name: str) -> str:
        """The name of the model that will answer. Raises NotFound where nobody can know it."""
        if name == DEFAULT:
            return self.default() or DEFAULT
        if self._source(name) or self._open_ended or name == self._chosen:
            return name
        if _OPENAIS.match(name):
            return self.default() or DEFAULT
        raise _unknown(name)

    async def named(self, name: str) -> tuple[ChatModel, str]:
        """Who answers, and under which name it must be asked. Raises ModelFailed."""
        source = self._source(name)
        if source is None and name == DEFAULT:
            await self._refresh()
            name = self.default() or DEFAULT
            source = self._source(name)
        if source is None and self._open_ended is None:
            await self._refresh()
            source = self._source(name)
        source = source or self._open_ended
        if source is None or name == DEFAULT:
            raise self._failure or ModelFailed(chat_model.UNKNOWN_MODEL, name)
        return source, name

    def at_a_time(self, name: str) -> int | None:
        """How many answers the model gives at a time; None where nobody knows a bound."""
        source = self._source(name)
        return source.at_a_time(name) if source else None

    def _source(self, name: str) -> ChatModel | None:
        return self._source_of.get(name)

    def _known(self) -> list[Sequence[Model]]:
        return [self._lists.get(id(source), ()) for source in self._sources]

    async def _refresh(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked_at < FRESH:
                return
            await asyncio.gather(*(self._ask(source) for source in self._sources))
            self._asked_at = time.monotonic()

    async def _ask(self, source: ChatModel) -> None:
        try:
            self._lists[id(source)] = await source.models()
            self._source_of = {
                model.id: source
                # The first source that has a name answers to it.
                for source in reversed(self._sources)
                for model in self._lists.get(id(source), ())
            }
            if source is self._sources[0]:
                self._failure = None
        except ModelFailed as error:
            # An Ollama that is not there is no event; the first source should be.
            if source is self._sources[0]:
                log.warning("no list of models: %s", error.without_their_words())
                self._failure = error


def _unknown(name: str) -> NotFound:
    return NotFound(f"The model '{name}' does not exist", param="model", code="model_not_found")
