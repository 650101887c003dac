"""Programs that were written for Azure's Assistants, with `AzureOpenAI` and no line changed."""

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AuthenticationError, AzureOpenAI, NotFoundError, OpenAI
from openai.types.beta import AssistantToolParam

from tests.api.test_transport import ask
from tests.running import KEY, Running
from xiaozhi.chat_models.scripted import Calls, Says, Scripted

WEATHER: AssistantToolParam = {"type": "function", "function": {"name": "weather"}}
# Each of its versions is taken: this server has one API.
VERSION = "2024-05-01-preview"


def azure(server: Running, **options: Any) -> AzureOpenAI:
    endpoint = server.url.removesuffix("/v1")
    options = {"api_key": KEY, "api_version": VERSION, "max_retries": 0, **options}
    return AzureOpenAI(azure_endpoint=endpoint, **options)


def test_a_streamed_run_calls_a_function(server: Running, model: Scripted):
    model.script = [Calls([("weather", "{}")]), Says("It is sunny.")]
    with azure(server) as client:
        assistant = client.beta.assistants.create(model="scripted", tools=[WEATHER])
        thread = client.beta.threads.create()
        client.beta.threads.messages.create(thread.id, role="user", content="How is it?")
        runs = client.beta.threads.runs
        with runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
            stream.until_done()
            run = stream.current_run
        assert run is not None
        assert run.required_action is not None
        [call] = run.required_action.submit_tool_outputs.tool_calls
        with runs.submit_tool_outputs_stream(
            thread_id=thread.id,
            run_id=run.id,
            tool_outputs=[{"tool_call_id": call.id, "output": "sunny"}],
        ) as stream:
            assert "".join(stream.text_deltas) == "It is sunny."
        steps = runs.steps.list(run.id, thread_id=thread.id, order="asc").data
        assert [step.type for step in steps] == ["tool_calls", "message_creation"]
        assert client.beta.assistants.delete(assistant.id).deleted


def test_a_run_is_polled_asynchronously(server: Running, model: Scripted):
    model.script = [Says("Hello!")]

    async def story() -> tuple[str, list[str]]:
        endpoint = server.url.removesuffix("/v1")
        async with AsyncAzureOpenAI(
            # A token from Entra ID comes as a bearer token.
            azure_endpoint=endpoint,
            azure_ad_token=KEY,
            api_version="preview",
        ) as client:
            assistant = await client.beta.assistants.create(model="scripted")
            run = await client.beta.threads.create_and_run_poll(
                assistant_id=assistant.id,
                thread={"messages": [{"role": "user", "content": "Hi"}]},
            )
            messages = await client.beta.threads.messages.list(run.thread_id)
            return run.status, [message.role for message in messages.data]

    assert asyncio.run(story()) == ("completed", ["assistant", "user"])


def test_the_deployment_is_the_model(server: Running, model: Scripted):
    said: Any = [{"role": "user", "content": "Hi"}]
    with azure(server) as client:
        client.chat.completions.create(model="scripted", messages=said)
    # A client that is made for one deployment calls everything else beside it.
    with azure(server, azure_deployment="owner/scripted:7b") as client:
        client.chat.completions.create(model="not this one", messages=said)
        chunks = list(client.chat.completions.create(model="nor this", messages=said, stream=True))
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert client.beta.threads.create().object == "thread"
    models = [request["model"] for request in model.requests]
    assert models == ["scripted", "owner/scripted:7b", "owner/scripted:7b"]


def test_a_deployments_body_needs_no_model_but_its_messages(server: Running, model: Scripted):
    path = f"/openai/deployments/scripted/chat/completions?api-version={VERSION}"
    headers = {"api-key": KEY, "Content-Type": "application/json"}
    answer = ask(server, path, {"messages": [{"role": "user", "content": "Hi"}]}, headers=headers)
    assert answer.status == 200
    refused = ask(server, path, {"model": "scripted"}, headers=headers)
    assert refused.json()["error"]["message"] == "Missing required parameter: 'messages'."


def test_the_newer_form_of_its_api_is_there_too(server: Running, model: Scripted):
    with OpenAI(base_url=f"{server.url.removesuffix('/v1')}/openai/v1", api_key=KEY) as client:
        assert [one.id for one in client.models.list()] == ["scripted"]
        thread = client.beta.threads.create(extra_query={"api-version": "preview"})
        assert client.beta.threads.retrieve(thread.id).id == thread.id


def test_no_beta_header_is_wanted_but_the_key_is(server: Running):
    for base in ("/openai", "/openai/v1"):
        path = f"{base}/assistants?api-version={VERSION}"
        assert ask(server, path, headers={"api-key": KEY}).status == 200
        assert ask(server, path, headers={}).status == 401
        # Programs that send it all the same, in whichever version
        old = {"api-key": KEY, "OpenAI-Beta": "assistants=v1"}
        assert ask(server, path, headers=old).status == 200


def test_errors_have_their_one_shape(server: Running):
    with azure(server, api_key="wrong") as client, pytest.raises(AuthenticationError) as refused:
        client.beta.threads.create()
    assert refused.value.code == "invalid_api_key"
    with azure(server) as client, pytest.raises(NotFoundError) as missing:
        client.beta.threads.retrieve("thread_no")
    assert missing.value.body == {
        "message": "No thread found with id 'thread_no'.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    for path in ("/openai/nowhere", "/openai/deployments/x/embeddings", "/openai/v1/files"):
        answer = ask(server, path, headers={"api-key": KEY})
        assert answer.status == 404
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_metrics_know_its_routes_by_their_templates(server: Running, model: Scripted):
    with azure(server, azure_deployment="a-name-of-my-own") as client:
        thread = client.beta.threads.create()
        client.beta.threads.retrieve(thread.id)
        client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Hi"}]
        )
    ask(server, "/openai/nobody-knows-this", headers={"api-key": KEY})
    found = ask(server, "/metrics", headers={"api-key": KEY}).body.decode()
    assert 'route="/openai/threads/{thread_id}"' in found
    assert 'route="/openai/deployments/{deployment}/chat/completions"' in found
    assert "nobody-knows-this" not in found
    assert thread.id not in found


def test_the_description_names_both_ways_to_bring_the_key(server: Running):
    document = json.loads(ask(server, "/openai/openapi.json", headers={}).body)
    assert document["security"] == [{"key": []}, {"api-key": []}]
    assert set(document["components"]["securitySchemes"]) == {"key", "api-key"}
