"""Many conversations at once, of every kind, each kept by a careful client with its journal."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from openai import APIError, AsyncOpenAI, BadRequestError
from openai.types.beta import Assistant
from openai.types.beta.threads import Message, Run

from tests.resilience.careful import LOST, Careful
from tests.resilience.journal import ENDED, Journal, PostedMessage, ToldRun, ToldThread
from tests.resilience.talk import GO_ON, WEATHER

TURNS = 6  # of one thread, at most; then its client begins another
RUNS_END_WITHIN = 60.0  # s, over all the deaths
WAIT = {"Xiaozhi-When-Locked": "wait"}


class Load:
    """Runs until `stopping` is set; then each conversation ends with the turn that it is in."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        clients: int,
        seed: str,
        may_end: Collection[str] = ("completed",),
    ) -> None:
        """`may_end`: statuses with which runs may end that nobody cancels."""
        self.journal = Journal(may_end=may_end)
        self.stopping = False
        self._addresses = addresses
        self._clients = clients
        self._seed = seed
        self._callers: list[Careful] = []

    @property
    def lost(self) -> int:
        """How many attempts were lost although the SDK had repeated them."""
        return sum(caller.lost for caller in self._callers)

    async def prepare(self) -> None:
        """What all conversations share."""
        self._callers = [Careful(self._addresses) for _ in range(self._clients)]

        async def create(client: AsyncOpenAI) -> Assistant:
            return await client.beta.assistants.create(model="scripted", tools=[WEATHER])

        self.journal.assistant_id = (await self._callers[0].read(create)).id

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number, caller in enumerate(self._callers):
                    choice = random.Random(f"{self._seed}/{number}")
                    group.create_task(self._talk(caller, choice))
        finally:
            for caller in self._callers:
                await caller.close()

    async def _talk(self, caller: Careful, choice: random.Random) -> None:
        while not self.stopping:
            conversation = await Conversation.begun(caller, choice, self.journal)
            for _ in range(choice.randint(2, TURNS)):
                if self.stopping:
                    break
                await conversation.turn()


class Conversation:
    """One thread and its one client."""

    def __init__(
        self, caller: Careful, choice: random.Random, journal: Journal, thread: ToldThread
    ) -> None:
        self._caller = caller
        self._choice = choice
        self._thread = thread
        self._assistant_id = journal.assistant_id
        journal.threads.append(thread)

    @classmethod
    async def begun(
        cls, caller: Careful, choice: random.Random, journal: Journal
    ) -> "Conversation":
        """On an empty thread, or with a thread and its first run in one."""
        if choice.random() < 0.7:
            thread = await caller.read(lambda client: client.beta.threads.create())
            return cls(caller, choice, journal, ToldThread(thread.id))
        words = _asking(choice, "say", 10)
        first: Any = {"messages": [{"role": "user", "content": words}]}
        assistant_id = journal.assistant_id
        # Nothing tells whether an attempt whose answer was lost has made one: that one is nobody's.
        run = await caller.read(
            lambda client: client.beta.threads.create_and_run(
                assistant_id=assistant_id, thread=first
            )
        )
        made = cls(caller, choice, journal, ToldThread(run.thread_id))
        [message] = [one for one in await made._messages() if one.role == "user"]
        made._thread.happened.append(PostedMessage(message.id, words))
        await made._to_its_end(made._told(run, words))
        return made

    async def turn(self) -> None:
        turns = [
            (4, self._polled),
            (4, self._streamed),
            (2, self._with_additional_message),
            (3, self._with_function),
            (3, self._cancelled),
            (2, self._with_waiting_messages),
            (2, self._same_words),
        ]
        [turn] = self._choice.choices([turn for _, turn in turns], [weight for weight, _ in turns])
        await turn()

    async def _polled(self) -> None:
        words = await self._post(self._asking("say", 12))
        await self._to_its_end(await self._run(words))

    async def _same_words(self) -> None:
        """What was said before is no message that is sent again, though it looks so."""
        await self._post(GO_ON)
        await self._to_its_end(await self._run(GO_ON))

    async def _with_additional_message(self) -> None:
        words = self._asking("say", 5)
        more: Any = [{"role": "user", "content": words}]
        run = await self._run(words, additional_messages=more)
        # Its place in the thread is before the run that brought it.
        self._thread.happened.remove(run)
        [message] = [one for one in await self._messages() if _text(one) == words]
        self._thread.happened += [PostedMessage(message.id, words), run]
        await self._to_its_end(run)

    async def _with_function(self) -> None:
        words = await self._post(self._asking("weather"))
        run = await self._run(words)
        await self._to_its_end(run)
        if run.told[-1] == "requires_action":
            await self._submit(run)
            await self._to_its_end(run)

    async def _cancelled(self) -> None:
        words = await self._post(self._asking(self._choice.choice(["slowly", "weather"]), 15))
        run = await self._run(words)
        await asyncio.sleep(self._choice.uniform(0, 0.8))
        run.cancelled = True
        try:
            await self._caller.read(
                lambda client: client.beta.threads.runs.cancel(run.id, thread_id=self._thread.id)
            )
        except BadRequestError as error:
            # It has ended, or an attempt was taken whose answer was lost.
            if "Cannot cancel run with status" not in str(error):
                raise
        await self._to_its_end(run)

    async def _with_waiting_messages(self) -> None:
        words = await self._post(self._asking("say", 12))
        run = await self._run(words)
        for _ in range(self._choice.randint(1, 3)):
            words = await self._post(self._asking("say", 5), waits_for=run)
        await self._to_its_end(run)
        await self._to_its_end(await self._run(words))

    async def _streamed(self) -> None:
        words = await self._post(self._asking("say", 12))

        async def stream(client: AsyncOpenAI) -> ToldRun:
            """The run that the stream has told of, also where it broke off later."""
            runs: Any = client.beta.threads.runs
            events: AsyncIterator[Any] = await runs.create(
                self._thread.id, assistant_id=self._assistant_id, stream=True
            )
            run = self._told((await anext(events)).data, words)
            try:
                async for event in events:
                    _hear(run, event)
            except (*LOST, APIError):
                pass
            return run

        run = await self._caller.write(stream, lambda: self._made_run(words))
        await self._to_its_end(run)

    async def _post(self, words: str, *, waits_for: ToldRun | None = None) -> str:
        """Returns the words, once they are accepted."""
        headers = WAIT if waits_for else None

        async def post(client: AsyncOpenAI) -> str:
            messages = client.beta.threads.messages
            made = await messages.create(
                self._thread.id, role="user", content=words, extra_headers=headers
            )
            return made.id

        async def made() -> str | None:
            if waits_for:
                # A message that waits is in no list yet.
                await self._to_its_end(waits_for)
            for message in await self._messages():
                is_new = message.role == "user" and not self._thread.knows(message.id)
                if is_new and _text(message) == words:
                    return message.id
            return None

        message_id = await self._caller.write(post, made)
        assert not self._thread.knows(message_id), f"{message_id} was accepted twice: {words}"
        self._thread.happened.append(PostedMessage(message_id, words))
        return words

    async def _run(self, words: str, **more: Any) -> ToldRun:
        """The run that answers `words`, once it is accepted."""

        async def create(client: AsyncOpenAI) -> ToldRun:
            runs: Any = client.beta.threads.runs
            run: Run = await runs.create(self._thread.id, assistant_id=self._assistant_id, **more)
            return self._told(run, words)

        return await self._caller.write(create, lambda: self._made_run(words))

    async def _made_run(self, words: str) -> ToldRun | None:
        """The run that an attempt has made whose answer was lost."""
        found = await self._caller.read(
            lambda client: client.beta.threads.runs.list(self._thread.id, limit=1)
        )
        new = [run for run in found.data if not self._thread.knows(run.id)]
        return self._told(new[0], words) if new else None

    async def _submit(self, run: ToldRun) -> None:
        now = await self._retrieve(run)
        if now.required_action is None:
            # In this moment, where the clock jumps
            assert now.status == "expired"
            return
        calls = now.required_action.submit_tool_outputs.tool_calls
        outputs = {call.id: f"{self._choice.randint(-20, 40)} °C" for call in calls}
        given: Any = [{"tool_call_id": id, "output": said} for id, said in outputs.items()]

        async def submit(client: AsyncOpenAI) -> bool:
            runs = client.beta.threads.runs
            await runs.submit_tool_outputs(run.id, thread_id=self._thread.id, tool_outputs=given)
            return True

        async def taken() -> bool | None:
            return (await self._retrieve(run)).status != "requires_action" or None

        try:
            await self._caller.write(submit, taken)
        except BadRequestError:
            # As above, a moment later
            if (await self._retrieve(run)).status != "expired":
                raise
            return
        run.outputs = outputs

    async def _to_its_end(self, run: ToldRun) -> None:
        """Until it has ended, or waits for its client."""
        until = time.monotonic() + RUNS_END_WITHIN
        while not (run.told and run.told[-1] in ENDED):
            now = await self._retrieve(run)
            _tell(run, now.status)
            if now.status == "requires_action" and not (run.cancelled or run.outputs):
                return
            assert time.monotonic() < until, f"stuck: {now}"
            await asyncio.sleep(0.05)

    async def _retrieve(self, run: ToldRun) -> Run:
        return await self._caller.read(
            lambda client: client.beta.threads.runs.retrieve(run.id, thread_id=self._thread.id)
        )

    async def _messages(self) -> list[Message]:
        page = await self._caller.read(
            lambda client: client.beta.threads.messages.list(self._thread.id, limit=20)
        )
        return page.data

    def _told(self, run: Run, words: str) -> ToldRun:
        assert not self._thread.knows(run.id), f"{run.id} was accepted twice: {words}"
        told = ToldRun(run.id, words)
        self._thread.happened.append(told)
        return told

    def _asking(self, what: str, at_most: int = 0) -> str:
        return _asking(self._choice, what, at_most)


def _asking(choice: random.Random, what: str, at_most: int = 0) -> str:
    marker = f"{choice.getrandbits(64):x}"
    return (
        f"#{marker} {what}"
        if what == "weather"
        else f"#{marker} {what} {choice.randint(1, at_most)}"
    )


def _hear(run: ToldRun, event: Any) -> None:
    if event.event == "thread.message.completed":
        run.texts[event.data.id] = _text(event.data)
    elif event.event.startswith("thread.run.") and "step" not in event.event:
        _tell(run, event.data.status)


def _tell(run: ToldRun, status: str) -> None:
    if not run.told or run.told[-1] != status:
        run.told.append(status)
    if status in ENDED and run.ended_at is None:
        run.ended_at = time.monotonic()


def _text(message: Message) -> str:
    return "".join(part.text.value for part in message.content if part.type == "text")
