"""What a model thinks before it answers, where its server leaves that in the text.

    <think>They greet me.</think>

    Hello!

Only a block that the answer begins with is one; one that is not closed goes on to the end. Servers
that send thoughts in a field of their own are read in `wire.py`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from xiaozhi.chat_models.chat_model import Piece
from xiaozhi.errors import ModelFailed

OPENER, CLOSER = "<think>", "</think>"


async def with_thoughts(pieces: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
    """The same answer; what it thinks at its beginning is `reasoning`, and no `text`."""
    parting = Parting()
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                goes_on = not (piece.finish_reason or piece.calls or piece.refusal)
                thought, piece.text = parting.take(piece.text, goes_on=goes_on)
                piece.reasoning += thought
                yield piece
        except ModelFailed:
            for rest in _rest(parting):
                yield rest
            raise
        for rest in _rest(parting):
            yield rest


class Parting:
    """Parts what is thought from what is said, wherever the pieces of a text are cut."""

    def __init__(self) -> None:
        self._state = self._before
        self._held = ""
        self._has_thought = False

    def take(self, text: str, *, goes_on: bool = True) -> tuple[str, str]:
        """(what is thought, what is said) as far as it is certain now. `goes_on`: more may come."""
        if self._state == self._behind:
            return "", text
        self._held += text
        return self._state(goes_on)

    def _before(self, goes_on: bool) -> tuple[str, str]:
        begun = self._held.lstrip()
        if begun.startswith(OPENER):
            self._held, self._state = begun.removeprefix(OPENER), self._inside
            return self._inside(goes_on)
        if goes_on and OPENER.startswith(begun):
            return "", ""
        self._state = self._behind
        return "", self._let_go()

    def _inside(self, goes_on: bool) -> tuple[str, str]:
        thought, closer, said = self._held.partition(CLOSER)
        if closer:
            thought = thought.rstrip()
            self._held, self._state = said, self._between
        elif goes_on:
            # The beginning of its end, and the space before that, may be no part of it.
            beginnings = (CLOSER[:length] for length in range(len(CLOSER) - 1, 0, -1))
            begun = next((one for one in beginnings if thought.endswith(one)), "")
            thought = thought.removesuffix(begun).rstrip()
            self._held = self._held[len(thought) :]
        else:
            thought, self._held = thought.rstrip(), ""
        if not self._has_thought:
            thought = thought.lstrip()
            self._has_thought = bool(thought)
        return thought, self._between(goes_on)[1] if closer else ""

    def _between(self, goes_on: bool) -> tuple[str, str]:
        self._held = self._held.lstrip()
        if self._held:
            self._state = self._behind
        return "", self._let_go()

    def _behind(self, goes_on: bool) -> tuple[str, str]:
        return "", self._let_go()

    def _let_go(self) -> str:
        held, self._held = self._held, ""
        return held


def _rest(parting: Parting) -> list[Piece]:
    """What was held back until the end, if there is something."""
    thought, said = parting.take("", goes_on=False)
    return [Piece(said, reasoning=thought)] if thought or said else []
