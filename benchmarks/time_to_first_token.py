"""How much does our API add to the time to the first token?

The same scripted model is asked directly and through the API (a run in a thread, SQLite on disk,
full durability), in turn, by one plain client, each in a process of its own. Expected: at most
5 ms at the median on an idle machine.

    .venv/bin/python -m benchmarks.time_to_first_token

2026-11-24, 2 idle cores, Python 3.11, SQLite: 3.5 ms added at the median, p95 4.1.
"""

import http.client
import json
import statistics
import time

from openai import OpenAI

from benchmarks.processes import KEY, scripted_model, server

TURNS = 100
WARM_UP = 10


def first_token(
    connection: http.client.HTTPConnection, path: str, body: object, marker: bytes
) -> float:
    """Ms from sending the request to the first line that holds `marker`; reads to the end."""
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "OpenAI-Beta": "assistants=v2",
    }
    data = json.dumps(body)
    began = time.perf_counter()
    connection.request("POST", path, data, headers)
    response = connection.getresponse()
    while marker not in (line := response.readline()):
        assert line, "the stream ended before its first token"
    took = (time.perf_counter() - began) * 1000
    response.read()
    return took


def main() -> None:
    with scripted_model(9010, words=20) as model_url, server(9011, model_url, "--no-ui"):
        client = OpenAI(base_url="http://127.0.0.1:9011/v1", api_key=KEY)
        assistant = client.beta.assistants.create(model="scripted")
        to_it = http.client.HTTPConnection("127.0.0.1:9010")
        to_us = http.client.HTTPConnection("127.0.0.1:9011")
        messages = [{"role": "user", "content": "hello"}]
        its: list[float] = []
        ours: list[float] = []
        for _ in range(WARM_UP + TURNS):
            chat = {"model": "scripted", "messages": messages, "stream": True}
            its.append(first_token(to_it, "/v1/chat/completions", chat, b'"content"'))
            thread = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
            run = {"assistant_id": assistant.id, "stream": True}
            path = f"/v1/threads/{thread.id}/runs"
            ours.append(first_token(to_us, path, run, b"thread.message.delta"))
    added = [a - b for a, b in zip(ours, its, strict=True)]
    for name, found in (
        ("the model itself", its),
        ("through our API", ours),
        ("added by us", added),
    ):
        counted = sorted(found[WARM_UP:])
        median, p95 = statistics.median(counted), counted[int(TURNS * 0.95) - 1]
        print(f"{name:18} median {median:6.2f} ms   p95 {p95:6.2f} ms")


if __name__ == "__main__":
    main()
