"""What the clients of a load were told: the server must stand by it, whatever happened since."""

from collections.abc import Collection
from dataclasses import dataclass, field

ENDED = ("completed", "failed", "cancelled", "expired", "incomplete")


@dataclass
class PostedMessage:
    """A message that was accepted: its client got the id."""

    id: str
    words: str


@dataclass
class ToldRun:
    """A run that was accepted. `words`: the message that it answers.

    `told`: its statuses, as they were told. `texts`: messages that were told as completed, by id.
    `outputs`: those that were accepted, by call. `ended_at`: when the end was told
    (time.monotonic()). `cancelled`: a cancel was asked for.
    """

    id: str
    words: str
    told: list[str] = field(default_factory=list[str])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    ended_at: float | None = None
    cancelled: bool = False


@dataclass
class ToldThread:
    """`happened`: in order, as its one client was told it."""

    id: str
    happened: list[PostedMessage | ToldRun] = field(default_factory=list[PostedMessage | ToldRun])

    @property
    def messages(self) -> list[PostedMessage]:
        return [one for one in self.happened if isinstance(one, PostedMessage)]

    @property
    def runs(self) -> list[ToldRun]:
        return [one for one in self.happened if isinstance(one, ToldRun)]

    def knows(self, id: str) -> bool:
        return any(one.id == id for one in self.happened)


@dataclass
class Journal:
    """`may_end`: statuses with which runs may end that nobody cancels."""

    assistant_id: str = ""
    may_end: Collection[str] = ("completed",)
    threads: list[ToldThread] = field(default_factory=list[ToldThread])

    @property
    def messages(self) -> list[PostedMessage]:
        return [message for thread in self.threads for message in thread.messages]

    @property
    def runs(self) -> list[ToldRun]:
        return [run for thread in self.threads for run in thread.runs]
