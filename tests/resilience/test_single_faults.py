"""Each write, read, publish and piece on the path of a run fails once, one after the other."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from openai import APIError, OpenAI
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from tests.resilience.faulty import Faults
from tests.resilience.journal import ENDED
from tests.resilience.talk import WEATHER
from tests.running import Running, running, until
from xiaozhi.chat_models.scripted import Calls, Says, Scripted
from xiaozhi.errors import Unavailable
from xiaozhi.runs import watchdog
from xiaozhi.store import Connection, changed, run_rows

STEPS = 7  # how often each kind of thing happens in the story below, and a little more
LEFT_TO_THE_WATCHDOG = 2 * (watchdog.BELIEVED_AFTER + 2 * watchdog.LOOKS_EVERY)  # s


Value = TypeVar("Value")


class OneFault(Faults):
    """The one that is set, once. `passes`: what of its kind goes well before."""

    def __init__(self) -> None:
        super().__init__("", chance=0.0)
        self._where = ""
        self._passes = 0
        self._error: Callable[[], Exception] = Exception

    def set(self, where: str, passes: int, error: Callable[[], Exception]) -> None:
        self._where, self._passes, self._error = where, passes, error

    def at(self, where: str, times: float = 1.0) -> Exception | None:
        if where != self._where:
            return None
        self._passes -= 1
        if self._passes >= 0:
            return None
        self._where = ""
        self.injected[where] += 1
        return self._error()


def unavailable() -> Exception:
    return Unavailable("The database cannot be read: injected.")


def half_a_character() -> Exception:
    return UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed")


@pytest.fixture(scope="module")
def faults() -> OneFault:
    return OneFault()


@pytest.fixture(scope="module")
def server(
    faults: OneFault,
    model_server: tuple[Scripted, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    with running(folder, model_url=model_server[1], parts=faults.parts()) as started:
        yield started


def answered(ask: Callable[[], Value]) -> Value:
    """At the second or third attempt, where the first one met the fault."""
    for _ in range(2):
        try:
            return ask()
        except APIError:
            continue
    return ask()


def read(client: OpenAI, run: Run) -> Run:
    return answered(lambda: client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id))


def cancel(client: OpenAI, run: Run) -> Run:
    return client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def say_more(client: OpenAI, thread: Thread) -> Message:
    """Raises BadRequestError where a run holds the thread."""
    return client.beta.threads.messages.create(thread.id, role="user", content="still here")


def runs_of(client: OpenAI, thread: Thread) -> list[Run]:
    return answered(lambda: client.beta.threads.runs.list(thread.id).data)


def listened(listen: Callable[[], Any]) -> list[str]:
    """The names of all events, or "error" as the last one where that is how the stream ends."""
    names: list[str] = []
    try:
        with listen() as stream:
            names.extend(event.event for event in stream)
    except APIError:
        names.append("error")
    return names


def all_of_a_run(client: OpenAI, assistant_id: str) -> Thread:
    """Its thread; it has said something, called, been answered, and said something more."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "weather?"}])
    runs = client.beta.threads.runs
    told = listened(
        lambda: runs.create(thread_id=thread.id, assistant_id=assistant_id, stream=True)
    )
    assert told[-1] in ("error", "thread.run.requires_action", "thread.run.failed"), told
    for run in runs_of(client, thread):
        until(lambda run=run: read(client, run).status in (*ENDED, "requires_action"), 30)
        if (action := read(client, run).required_action) is None:
            continue
        calls = action.submit_tool_outputs.tool_calls
        outputs: Any = [{"tool_call_id": call.id, "output": "rain"} for call in calls]
        told = listened(
            lambda run=run, outputs=outputs: runs.submit_tool_outputs(
                run.id, thread_id=thread.id, tool_outputs=outputs, stream=True
            )
        )
        assert told[-1] in ("error", "thread.run.completed", "thread.run.failed"), told
    return thread


@pytest.mark.timeout(300)
@pytest.mark.parametrize("error", [unavailable, half_a_character])
@pytest.mark.parametrize(
    "where",
    ["read before", "parse", "write before", "write within", "publish", "publish a piece", "model"],
)
def test_whatever_fails_once_the_run_ends_and_its_thread_is_free(
    client: OpenAI,
    model: Scripted,
    faults: OneFault,
    where: str,
    error: Callable[[], Exception],
):
    assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
    for passes in range(STEPS):
        model.script = [Calls([("weather", "{}")], text="I look."), Says("It is rain.")]
        # Behind the write that makes the thread
        faults.set(where, passes + (1 if where.startswith("write") else 0), error)
        thread = all_of_a_run(client, assistant.id)
        faults.set("", 0, error)

        def has_ended(thread: Thread = thread) -> bool:
            # What waits for its client was never answered: the request that did so has failed.
            ends = (*ENDED, "requires_action")
            return all(run.status in ends for run in runs_of(client, thread))

        until(has_ended, LEFT_TO_THE_WATCHDOG)
        for run in runs_of(client, thread):
            if run.status == "requires_action":
                answered(lambda run=run: cancel(client, run))
            if run.status == "failed":
                is_away = error is unavailable and where.startswith(("read", "parse", "write"))
                assert not is_away, "a database that is away is waited for"
                assert run.last_error
                assert run.last_error.message
        answered(lambda thread=thread: say_more(client, thread))


def test_a_run_that_was_made_while_its_answer_was_lost_goes_on(
    client: OpenAI, model: Scripted, faults: OneFault, caplog: pytest.LogCaptureFixture
):
    model.script = [Says("Here.")]
    assistant = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
    faults.set("write after", 0, half_a_character)
    with pytest.raises(APIError):
        client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    until(lambda: runs_of(client, thread)[0].status == "completed", LEFT_TO_THE_WATCHDOG)
    assert "nobody has ended it; it is lost" in caplog.text


def test_a_cancel_is_no_stop_of_the_process_although_its_run_cannot_be_read(
    client: OpenAI, model: Scripted, faults: OneFault, caplog: pytest.LogCaptureFixture
):
    model.script = [Says("one two three", can_be_held=True)]
    assistant = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
    with model.held():
        run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
        until(lambda: read(client, run).status == "in_progress")
        faults.set("read before", 0, unavailable)
        client.beta.threads.runs.cancel(run.id, thread_id=thread.id)
        until(lambda: faults.injected["read before"] and read(client, run).status == "cancelled")
    assert "nobody has ended it" not in caplog.text


def test_the_watchdog_finds_what_nobody_moves(
    client: OpenAI, server: Running, model: Scripted, caplog: pytest.LogCaptureFixture
):
    """Of a process that is there: what it should execute, and what should have ended long ago."""
    ends = {
        "queued": "completed",
        "cancelling": "cancelled",
        "requires_action": "expired",
        "in_progress": "expired",
    }
    assistant = client.beta.assistants.create(model="scripted")
    left = {
        status: left_behind(client, server, assistant.id, status, overdue=end == "expired")
        for status, end in ends.items()
    }

    def all_have_ended() -> bool:
        return {status: read(client, run).status for status, run in left.items()} == ends

    until(all_have_ended, LEFT_TO_THE_WATCHDOG)
    for run in left.values():
        assert f"run {run.id}: nobody has ended it" in caplog.text
        client.beta.threads.messages.create(run.thread_id, role="user", content="still here")


def left_behind(
    client: OpenAI, server: Running, assistant_id: str, status: str, *, overdue: bool
) -> Run:
    """A run that holds its thread, and that nobody executes."""
    ended = client.beta.threads.create_and_run_poll(
        assistant_id=assistant_id, thread={"messages": [{"role": "user", "content": "hello"}]}
    )
    expires_at = int(time.time()) + (-1 if overdue else 600)
    row = {"id": f"{ended.id}x", "status": status, "completed_at": None, "usage": None}
    run = changed(ended, {**row, "expires_at": expires_at})

    def write(connection: Connection) -> None:
        assert run_rows.lock_thread(connection, run.thread_id, run.id, 1)
        run_rows.add_run(connection, run, owner=server.rooms.runs.owner, expires_at=expires_at)

    server.on_the_loop(lambda: server.rooms.store.write(write))
    return run
