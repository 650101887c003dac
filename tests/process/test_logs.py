"""What the server writes to its log, and what it never writes there."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, OpenAIError
from openai.types.beta.threads import Run
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.process.processes import Process, command, started
from tests.process.tab import tab
from tests.running import KEY
from xiaozhi.chat_models.scripted import Calls, Fails, Says, Scripted

# In everything that people, programs and providers say; and nowhere in a log
CANARY = "Kanarienvogel"
POEM = {"type": "function", "function": {"name": "poem", "parameters": {"type": "object"}}}


def lines(server: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.said]


def told(server: Process, message: str) -> list[dict[str, Any]]:
    return [line for line in lines(server) if line["message"] == message]


def ask(server: Process, path: str, body: str | None = None, **headers: str) -> int:
    """The status; `path`: from the root on."""
    request = urllib.request.Request(
        server.url.removesuffix("/v1") + path,
        None if body is None else body.encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def converse(client: OpenAI, model: Scripted) -> list[str]:
    """Runs that end in each way, with the canary wherever there is room for it. Their statuses."""
    secret = {"note": f"{CANARY} in metadata"}
    assistant = client.beta.assistants.create(
        model="scripted",
        name=CANARY,
        description=CANARY,
        instructions=f"Speak of the {CANARY}.",
        tools=[POEM],  # type: ignore[list-item]  # because the SDK wants its own classes' dicts
        metadata=secret,
    )
    said = {"role": "user", "content": f"Do you know the {CANARY}?"}
    thread = client.beta.threads.create(messages=[said], metadata=secret)  # type: ignore[list-item]  # because as above
    asked: Any = {"thread_id": thread.id, "assistant_id": assistant.id, "poll_interval_ms": 20}
    model.script = [
        Calls([("poem", f'{{"about": "{CANARY}"}}')]),
        Says(f"The {CANARY} sings."),
        Fails(400, f"You said {CANARY}, which is not allowed"),
        Fails(401, f"{CANARY} is no key"),
        *[Fails(503, f"{CANARY} overloaded") for _ in range(3)],
        Says(f"The {CANARY} brea", finish_reason=None),
    ]
    run: Run = client.beta.threads.runs.create_and_poll(**asked, metadata=secret)
    assert run.required_action
    [call] = run.required_action.submit_tool_outputs.tool_calls
    outputs: Any = [{"tool_call_id": call.id, "output": f"{CANARY}, {CANARY}"}]
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs
    )
    runs = [run, *(client.beta.threads.runs.create_and_poll(**asked) for _ in range(4))]
    with client.beta.threads.runs.stream(
        thread_id=thread.id,
        assistant_id=assistant.id,
        additional_instructions=CANARY,
        additional_messages=[said],  # type: ignore[list-item]  # because as above
    ) as stream:
        stream.until_done()
    model.script = [Fails(400, CANARY)]
    for _ in range(2):
        try:
            client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": CANARY}]
            )
        except OpenAIError:
            continue
    return [run.status for run in runs]


def misbehave(server: Process) -> Iterable[int]:
    """Requests that are refused, or meant for nobody; all with the canary."""
    beta = {"OpenAI-Beta": "assistants=v2"}
    yield ask(server, f"/v1/threads?q={CANARY}&metadata[{CANARY}]={CANARY}", **beta)
    yield ask(server, f"/v1/threads?limit={CANARY}", **beta)
    yield ask(server, f"/v1/threads/{CANARY}", **beta)
    yield ask(server, f"/v1/{CANARY}?{CANARY}")
    yield ask(server, f"/{CANARY}?{CANARY}={CANARY}")
    yield ask(server, "/v1/models", Authorization=f"Bearer {CANARY}-and-more")
    yield ask(server, "/v1/models", Cookie=CANARY, **{"User-Agent": CANARY})
    yield ask(server, "/metrics", Authorization=f"Bearer {CANARY}")
    yield ask(server, "/v1/threads", f'{{"{CANARY}": "{CANARY}"}}', **beta)
    yield ask(server, "/v1/threads", f'{{"metadata": {CANARY}', **beta)
    yield ask(server, "/v1/assistants", f'{{"model": 3, "name": ["{CANARY}"]}}', **beta)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_line_holds_what_people_say(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str], log_format: str
):
    flags = ["--model-url", model_server[1], "--log-format", log_format, "--log-level", "debug"]
    keys = {"OPENAI_API_KEY": f"sk-{CANARY}", "OPENAI_LOG": "debug"}
    with started(tmp_path, *flags, word="serve", port=0, **keys) as server:
        ends = converse(server.client(), model)
        statuses = list(misbehave(server))
        with tab(server.port) as seen:
            seen.search(CANARY)
        with (
            pytest.raises(InvalidStatus),
            connect(
                f"ws://127.0.0.1:{server.port}/_stcore/stream?{CANARY}",
                origin=Origin(f"http://{CANARY}"),
            ),
        ):
            pass
        server.stop()
    assert ends == ["completed", "failed", "failed", "failed", "failed"]
    assert statuses.count(200) == 3
    output = "".join(server.said)
    assert output.count("run ended") == 6
    assert CANARY.lower() not in output.lower()
    assert KEY not in output


def test_a_service_manager_gets_one_json_object_a_line(
    tmp_path: Path, model_server: tuple[Scripted, str]
):
    with started(tmp_path, "--no-ui", "--model-url", model_server[1], word="serve") as server:
        ask(server, "/v1/models")
        server.stop()
    for line in lines(server):
        assert set(line) >= {"time", "level", "logger", "message"}
    uvicorns = [line for line in lines(server) if line["logger"].startswith("uvicorn")]
    assert uvicorns
    # Probes are no news.
    assert [line["route"] for line in told(server, "request")] == ["/v1/models"]


def test_a_request_has_one_line(tmp_path: Path, model_server: tuple[Scripted, str]):
    with started(tmp_path, "--no-ui", "--model-url", model_server[1], word="serve") as server:
        client = server.client()
        thread = client.beta.threads.create()
        named = {"X-Client-Request-Id": "trip-7"}
        answer = client.beta.threads.with_raw_response.retrieve(thread.id, extra_headers=named)
        for path in ("/v1/threads/thread_of_my_own/runs", "/v1/nowhere", "/elsewhere"):
            ask(server, path, **{"OpenAI-Beta": "assistants=v2"})
        ask(server, "/v1/models", Authorization="")
        server.stop()
    requests = told(server, "request")
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("POST", "/v1/threads", 200),
        ("GET", "/v1/threads/{thread_id}", 200),
        ("GET", "/v1/threads/{thread_id}/runs", 404),
        ("GET", "unknown", 404),
        ("GET", "page", 404),
        ("GET", "unknown", 401),
    ]
    assert requests[1]["request_id"] == answer.headers["x-request-id"]
    assert requests[1]["thread_id"] == thread.id
    assert requests[1]["client_request_id"] == "trip-7"
    assert 0 < requests[1]["ms"] < 10_000
    # An id that is none of ours may be anything.
    assert "thread_id" not in requests[2]


def test_a_runs_lines_say_which_run_and_which_request(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    model.script = [Fails(400, "no"), Says("yes")]
    with started(tmp_path, "--no-ui", "--model-url", model_server[1], word="serve") as server:
        client = server.client()
        assistant = client.beta.assistants.create(model="scripted")
        thread: Any = {"messages": [{"role": "user", "content": "hi"}]}
        answers = [
            client.beta.threads.with_raw_response.create_and_run(
                assistant_id=assistant.id, thread=thread
            )
            for _ in range(2)
        ]
        runs = [answer.parse() for answer in answers]
        for run in runs:
            client.beta.threads.runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20)
        server.stop()
    [refused] = [line for line in lines(server) if line["message"].startswith("no answer")]
    assert refused["message"] == "no answer: The model endpoint refused the request (HTTP 400)"
    assert (refused["level"], refused["code"]) == ("warning", "invalid_prompt")
    assert refused["run_id"] == runs[0].id
    ended = {line["run_id"]: line for line in told(server, "run ended")}
    assert [ended[run.id]["status"] for run in runs] == ["failed", "completed"]
    for run, answer in zip(runs, answers, strict=True):
        assert ended[run.id]["thread_id"] == run.thread_id
        # The run outlives its request, and knows it still.
        assert ended[run.id]["request_id"] == answer.headers["x-request-id"]
    assert ended[runs[1].id]["tokens_written"] == 1


def test_what_cannot_start_is_a_line_too(tmp_path: Path):
    refused = subprocess.run(
        command("serve", "--port", "99999", "--data", str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    [line] = [json.loads(line) for line in refused.stderr.splitlines()]
    assert line["level"] == "critical"
    assert line["message"].startswith("The setting 'port' cannot be right")


ERRORS = f"""
import asyncio, json, logging, sys, threading, warnings
from xiaozhi import logs

logs.begin(sys.argv[1], "info")
log = logging.getLogger("xiaozhi.example")
logs.about(request_id="req_1")
try:
    try:
        open("/nowhere")
    except OSError as error:
        raise ValueError("{CANARY}") from error
except ValueError:
    log.exception("it failed", extra=logs.fields(status=500, code=None))
log.info("%s %d", "too few")
log.info("two\\nlines, half a character: \\ud800, 你好")
log.debug("details")
for library in ("httpx3", "a.library.nobody.knows"):
    logging.getLogger(library).info("GET %s", "/?q={CANARY}")
    logging.getLogger(library).warning("GET %s failed", "/?q={CANARY}")
warnings.warn("[field_name='a', input_value='{CANARY}, and so on', input_type=str]")
warnings.warn("mind the gap")

def broken(): raise KeyError("{CANARY}")
thread = threading.Thread(target=broken)
thread.start()
thread.join()

async def left_alone():
    logs.on_loop(asyncio.get_running_loop())
    async def broken(): raise ValueError("{CANARY}")
    task = asyncio.ensure_future(broken())
    await asyncio.sleep(0.01)

asyncio.run(left_alone())
raise ValueError("{CANARY}")
"""


def logged(log_format: str) -> str:
    """What a program writes that fails in every way."""
    done = subprocess.run(
        [sys.executable, "-c", ERRORS, log_format], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert CANARY not in done.stdout + done.stderr
    return done.stderr


def test_an_errors_line_says_where_it_came_from_and_no_more():
    failed, few, odd, one, other, value, warned, thread, task, end = map(
        json.loads, logged("json").splitlines()
    )
    assert (failed["message"], failed["status"]) == ("it failed", 500)
    assert failed["request_id"] == "req_1"
    assert "code" not in failed
    assert 'File "<string>", line' in failed["error"]
    # Words about files are of use, and of no harm.
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'" in failed["error"]
    assert failed["error"].endswith("builtins.ValueError")
    assert few["message"] == "%s %d"
    assert odd["message"] == "two\nlines, half a character: \ud800, 你好"
    # What a library that is not known repeats may be anything.
    assert (one["logger"], one["message"]) == ("httpx3", "GET %s failed")
    assert (other["logger"], other["message"]) == ("a.library.nobody.knows", "GET %s failed")
    assert "[field_name='a', input_type=str]" in value["message"]
    assert (warned["logger"], "mind the gap" in warned["message"]) == ("py.warnings", True)
    assert thread["message"] == "a thread ends by an error"
    assert task["message"] == "Task exception was never retrieved"
    assert (end["level"], end["message"]) == ("critical", "the program ends by an error")


def test_people_get_words():
    first = logged("text").splitlines()[0]
    assert "ERROR xiaozhi.example: it failed request_id=req_1 status=500" in first


def test_a_reader_that_stops_does_not_stop_the_program():
    program = (
        "import logging, time\n"
        "from xiaozhi import logs\n"
        "logs.begin('json', 'info')\n"
        "log = logging.getLogger('xiaozhi')\n"
        "for _ in range(30_000): log.info('x' * 1000)\n"
        "print('done', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        # Nobody reads its stderr, whose pipe is full after 64 lines.
        assert process.stdout.readline() == "done\n"
        process.kill()
