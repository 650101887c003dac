"""Tell the function calls of an answer apart, however its endpoint numbers and cuts them. Pure.

OpenAI says the `index` in each chunk, id and name in the first one. Others leave the index out,
give each call the same one (Gemini, an older Ollama), repeat id and name in each chunk, make a new
id for each chunk (an older vLLM), send a name in pieces, or several calls in one chunk.

    new index                                     a new call
    the same index, or none:
        a new id with a name                      a new call, unless the last one is unfinished
        a name, and the arguments are whole       a new call, if those of the last one are, too
        a name, before the last one's arguments   a piece of its name, or its name once more
        no name                                   goes on with the last one
"""

import json
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xiaozhi.chat_models.chat_model import CallPiece
from xiaozhi.surrogates import SurrogateJoiner

NO_ARGUMENTS = "{}"  # as OpenAI writes it; others send nothing at all
LOOKS = 100  # at the arguments of one call, whether they are whole


class UnnamedCall(Exception):
    """A function was called whose name never came. `arguments`: those that came."""

    def __init__(self, arguments: str) -> None:
        super().__init__(arguments)
        self.arguments = arguments


@dataclass(slots=True, eq=False)
class _Call:
    """`position`: among the calls of the answer. `number`: as it is told, once it is."""

    position: int
    id: str | None
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    # Its name may grow until it is handed out
    number: int | None = None
    has_arguments: bool = False
    name_joiner: SurrogateJoiner = field(default_factory=SurrogateJoiner)
    joiner: SurrogateJoiner = field(default_factory=SurrogateJoiner)
    looks: int = 0

    def is_whole(self) -> bool:
        """Whether its arguments are a whole JSON object."""
        self.looks += 1
        # Each look reads all of them: without a bound a name in each chunk makes that quadratic.
        if self.looks > LOOKS or not self.arguments[-1].rstrip().endswith("}"):
            return False
        return _is_object("".join(self.arguments))


class CallPieces:
    """Of one answer. `functions`: the names that can be called; none where they are not known."""

    def __init__(self, functions: Collection[str] = ()) -> None:
        self._functions = functions
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        # How many of the calls have been looked at for being handed out, and how many were
        self._passed = 0
        self._told = 0
        # Characters of names and arguments
        self.size = 0

    def __len__(self) -> int:
        return len(self._calls)

    def take(self, entries: Sequence[Mapping[str, Any]]) -> list[CallPiece]:
        """`entries`: the `tool_calls` of one chunk, or of a whole answer."""
        pieces: list[CallPiece] = []
        named: set[int] = set()
        for entry in entries:
            function = _function(entry)
            name, arguments = _text(function.get("name")), _arguments(function.get("arguments"))
            call = self._of(entry, name, arguments, named)
            if name:
                named.add(call.position)
                if call.number is None:
                    call.name = self._longer(call.name, call.name_joiner.take(name))
            self.size += len(name) + len(arguments)
            if arguments:
                self._argue(call, arguments, pieces)
        return pieces

    def rest(self) -> list[CallPiece]:
        """What was held back until the answer's end. Raises UnnamedCall."""
        pieces: list[CallPiece] = []
        for call in self._calls:
            if not call.name:
                if call.arguments:
                    raise UnnamedCall("".join(call.arguments))
                continue
            if call.number is None:
                self._name(call, pieces)
            assert call.number is not None, "it has just been named"
            left = call.joiner.rest()
            if not (call.has_arguments or left):
                left = NO_ARGUMENTS
            if left:
                pieces.append(CallPiece(call.number, None, left))
        return pieces

    def _of(
        self, entry: Mapping[str, Any], name: str, arguments: str, named: Container[int]
    ) -> _Call:
        """The call that `entry` is a piece of. `named`: those that this chunk has named before."""
        id, index = _text(entry.get("id")), entry.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            index = None
        call = self._known(id, index)
        if call is None or (name and self._begins(call, id, name, arguments, named)):
            call = _Call(len(self._calls), id)
            self._calls.append(call)
        if id:
            call.id = call.id or id
            self._by_id[id] = call
        if index is not None:
            self._by_index[index] = call
        return call

    def _known(self, id: str, index: int | None) -> _Call | None:
        if index is not None:
            return self._by_index.get(index)
        if id in self._by_id:
            return self._by_id[id]
        return self._calls[-1] if self._calls else None

    def _begins(
        self, last: _Call, id: str, name: str, arguments: str, named: Container[int]
    ) -> bool:
        """Whether what looks like a piece of `last`, with a name, begins another call."""
        if id and id == last.id:
            return False
        if last.position in named:
            return True
        if id and last.id:
            return not last.arguments or name != last.name or last.is_whole()
        if not last.name:
            return False
        if last.arguments:
            return name != last.name or last.is_whole()
        is_longer = name.startswith(last.name) and last.name not in self._functions
        if name == last.name or is_longer or self._may_become(last.name + name):
            return False
        return name in self._functions or _is_object(arguments)

    def _longer(self, known: str, name: str) -> str:
        """A name with its next piece; some endpoints send the whole one again and again."""
        if not known or known == name:
            return name
        if self._may_become(known + name):
            return known + name
        if name in self._functions or name.startswith(known):
            return name
        return known if known in self._functions else known + name

    def _may_become(self, name: str) -> bool:
        """Whether `name` is the name of a function, or begins one."""
        return any(function.startswith(name) for function in self._functions)

    def _argue(self, call: _Call, arguments: str, pieces: list[CallPiece]) -> None:
        """Take a piece of the arguments: the names of the calls so far are certain now."""
        call.arguments.append(arguments)
        if call.number is not None:
            self._say(call, arguments, pieces)
            return
        while self._passed <= call.position and self._calls[self._passed].name:
            self._name(self._calls[self._passed], pieces)

    def _name(self, call: _Call, pieces: list[CallPiece]) -> None:
        """Hand out a call's name, and what came of its arguments meanwhile."""
        call.number, self._told = self._told, self._told + 1
        self._passed = call.position + 1
        call.name += call.name_joiner.rest()
        pieces.append(CallPiece(call.number, call.name, ""))
        self._say(call, "".join(call.arguments), pieces)

    def _say(self, call: _Call, arguments: str, pieces: list[CallPiece]) -> None:
        assert call.number is not None, "its name comes first"
        said = call.joiner.take(arguments)
        # Space alone would be no JSON in the end.
        if said and (call.has_arguments or said.strip()):
            call.has_arguments = True
            pieces.append(CallPiece(call.number, None, said))


def _function(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Some leave the `function` around name and arguments out."""
    found = entry.get("function")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else entry


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _arguments(found: Any) -> str:
    """JSON text, also where an endpoint sends the object itself."""
    if found is None or isinstance(found, str):
        return found or ""
    return json.dumps(found, ensure_ascii=False)


def _is_object(text: str) -> bool:
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False
