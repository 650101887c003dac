"""A server that is being stopped tells so while it still answers."""

from pathlib import Path

import httpx2
import pytest
from openai import InternalServerError

from tests.running import running
from xiaozhi.chat_models.scripted import Scripted


def test_no_run_is_taken_any_more_and_balancers_are_told(
    tmp_path: Path, model: Scripted, model_server: tuple[Scripted, str]
):
    with running(tmp_path, model_url=model_server[1]) as server, server.client() as client:
        assistant = client.beta.assistants.create(model="scripted")
        thread = client.beta.threads.create()
        ready = f"{server.url[:-3]}/health/ready"
        assert httpx2.get(ready).status_code == 200

        async def begin() -> None:
            server.rooms.stop.begin()

        server.on_the_loop(begin)
        refused = httpx2.get(ready)
        assert (refused.status_code, refused.json()) == (503, {"status": "stopping"})
        assert httpx2.get(f"{server.url[:-3]}/health").status_code == 200
        with pytest.raises(InternalServerError) as error:
            client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
        assert error.value.status_code == 503
        with pytest.raises(InternalServerError):
            client.beta.threads.create_and_run(assistant_id=assistant.id)
        assert client.beta.threads.runs.list(thread.id).data == []
        # The thread is not locked, and everything that is no run goes on.
        client.beta.threads.messages.create(thread.id, role="user", content="hello")
    assert model.requests == []
