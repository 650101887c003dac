"""The server dies while a model thinks: what was thought is kept until it thinks anew."""

import time
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.process.processes import started
from tests.process.test_dying import poll, say, texts
from xiaozhi.chat_models.scripted import Hangs, Says, Scripted

THINKS = Says("never", thoughts=[f"{number} " for number in range(5000)], pause=0.02)


def thoughts(client: OpenAI, run: Run) -> list[str]:
    found = client.beta.threads.runs.retrieve(
        run.id, thread_id=run.thread_id, extra_query={"include[]": "reasoning"}
    )
    return [one["text"] for one in (found.model_extra or {})["reasoning"]]


def wait_for_thoughts(client: OpenAI, run: Run) -> str:
    deadline = time.monotonic() + 20
    while not (found := thoughts(client, run)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[0]


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_thoughts_outlive_the_server(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str], way: str
):
    model.script = [THINKS, Hangs()]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, XIAOZHI_STOP_WITHIN="0") as server:
        client = server.client()
        run = say(client, "hello")
        before = wait_for_thoughts(client, run)
        assert before.startswith("0 1 ")
        getattr(server, way)()
    with started(tmp_path, *flags, port=server.port):
        [kept] = thoughts(client, run)
        assert kept.startswith(before)
        client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        assert poll(client, run).status == "cancelled"
        assert thoughts(client, run) == [kept]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(Says("done", thoughts="anew"), ["anew"]), (Says("done"), [])],
)
def test_a_new_try_thinks_for_itself(
    tmp_path: Path,
    model: Scripted,
    model_server: tuple[Scripted, str],
    answer: Says,
    expected: list[str],
):
    model.script = [THINKS, answer]
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags) as server:
        client = server.client()
        run = say(client, "hello")
        wait_for_thoughts(client, run)
        server.kill()
    with started(tmp_path, *flags, port=server.port):
        assert poll(client, run).status == "completed"
        assert thoughts(client, run) == expected
        assert texts(client, run.thread_id) == ["hello", "done"]
