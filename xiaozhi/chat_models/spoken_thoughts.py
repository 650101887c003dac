"""What a model thinks before it answers, where its server leaves that in the text.

    <think>They greet me.</think>

    Hello!

Only a block that the answer begins with is one; one that is not closed goes on to the end. Servers
that send thoughts in a field of their own are read in `wire.py`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from xiaozhi.chat_models.chat_model import Piece
from xiaozhi.chat_models.unopened_thoughts import CLOSER, OPENER, CloserWatch, closed
from xiaozhi.errors import ModelFailed


class Habit:
    """Whether a model leaves the opener of its thoughts out, as was seen in its last answers."""

    def __init__(self) -> None:
        self.is_unopened = False


async def with_thoughts(
    pieces: AsyncGenerator[Piece], habit: Habit | None = None
) -> AsyncGenerator[Piece]:
    """The same answer; what it thinks at its beginning is `reasoning`, and no `text`."""
    habit = habit or Habit()
    parting, watch = Parting(is_inside=habit.is_unopened), CloserWatch()
    has_said = False
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                goes_on = not (piece.finish_reason or piece.calls or piece.refusal)
                thought, piece.text = parting.take(piece.text, goes_on=goes_on)
                piece.reasoning += thought
                if parting.never_ended and piece.finish_reason != "length":
                    _tell_as_answer(piece, parting, habit)
                elif piece.text and not parting.has_thought:
                    begins = watch.take(piece.text)
                    if begins is not None:
                        habit.is_unopened = True
                        _take_back(piece, begins, parting, has_said=has_said)
                    has_said = True
                yield piece
        except ModelFailed:
            for rest in _rest(parting):
                yield rest
            raise
        for rest in _rest(parting):
            if parting.never_ended:
                _tell_as_answer(rest, parting, habit)
            yield rest


def _tell_as_answer(piece: Piece, parting: "Parting", habit: Habit) -> None:
    """It has not thought, this time: what was told as thoughts is the answer."""
    habit.is_unopened = False
    piece.text, parting.never_ended = parting.never_ended, ""


def _take_back(piece: Piece, begins: int, parting: "Parting", *, has_said: bool) -> None:
    """What `piece` has before `begins`, and what was said before it, was thought."""
    thought, said = piece.text[:begins], piece.text[begins:]
    parting.close()
    _, piece.text = parting.take(said)
    if has_said:
        piece.thought_until = thought
    else:
        piece.reasoning += closed(thought)


class Parting:
    """Parts what is thought from what is said, wherever the pieces of a text are cut.

    `is_inside`: the text begins in the middle of thoughts; where their end never comes, they are in
    `never_ended` behind the text's end.
    """

    def __init__(self, *, is_inside: bool = False) -> None:
        self._state = self._before
        self._is_inside = is_inside
        self._held = ""
        self.has_thought = False
        self.never_ended = ""
        self._inside_so_far: list[str] | None = None

    def take(self, text: str, *, goes_on: bool = True) -> tuple[str, str]:
        """(what is thought, what is said) as far as it is certain now. `goes_on`: more may come."""
        if self._state == self._behind:
            return "", text
        self._held += text
        thought, said = self._state(goes_on)
        if self._inside_so_far is not None:
            self._inside_so_far.append(thought)
            if self._state != self._inside:
                self._inside_so_far = None
            elif not goes_on:
                self.never_ended = "".join(self._inside_so_far)
                self._inside_so_far = None
        return thought, said

    def close(self) -> None:
        """What was said so far was thought, and has ended."""
        self._state, self.has_thought = self._between, True

    def _before(self, goes_on: bool) -> tuple[str, str]:
        begun = self._held.lstrip()
        if begun.startswith(OPENER):
            self._held, self._state = begun.removeprefix(OPENER), self._inside
            return self._inside(goes_on)
        if goes_on and OPENER.startswith(begun):
            return "", ""
        if self._is_inside and begun:
            self._inside_so_far, self._state = [], self._inside
            return self._inside(goes_on)
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
        if not self.has_thought:
            thought = thought.lstrip()
            self.has_thought = bool(thought)
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
    return [Piece(said, reasoning=thought)] if thought or said or parting.never_ended else []
