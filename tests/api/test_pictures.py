"""Questions with pictures: what the model gets, and what becomes of one that it cannot see."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import OpenAI
from openai.types.beta import Assistant

from tests.running import running
from xiaozhi import tokens
from xiaozhi.chat_models import BuiltIn, ChatRequest, chat_model, endpoint_errors
from xiaozhi.chat_models.chat_model import CANNOT_SEE
from xiaozhi.chat_models.scripted import Fails, Says, Scripted
from xiaozhi.chat_models.sight import LEFT_OUT
from xiaozhi.errors import ModelFailed

DOT = "data:image/png;base64,YSBkb3Q="
SEEN: Any = {"type": "image_url", "image_url": {"url": DOT}}
ASKED: Any = [{"type": "text", "text": "What is this?"}, SEEN]
BLIND = Fails(500, "image input is not supported - hint: you may need to provide the mmproj")


def ask(client: OpenAI, assistant: Assistant, thread_id: str, content: Any):
    return client.beta.threads.runs.create_and_poll(
        thread_id=thread_id,
        assistant_id=assistant.id,
        additional_messages=[{"role": "user", "content": content}],
        poll_interval_ms=20,
    )


def test_the_model_gets_the_picture_as_it_is(client: OpenAI, model: Scripted, assistant: Assistant):
    model.script = [Says("A dot.")]
    thread = client.beta.threads.create()
    run = ask(client, assistant, thread.id, ASKED)
    assert run.status == "completed"
    [part, seen] = model.requests[0]["messages"][-1]["content"]
    assert part == {"type": "text", "text": "What is this?"}
    assert seen == {"type": "image_url", "image_url": {"url": DOT, "detail": "auto"}}


def test_a_model_that_cannot_see_it_says_so_and_is_asked_once(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [BLIND]
    thread = client.beta.threads.create()
    run = ask(client, assistant, thread.id, ASKED)
    assert run.status == "failed"
    assert run.last_error
    assert run.last_error.code == "invalid_prompt"
    assert run.last_error.message.startswith(CANNOT_SEE + ": image input is not")
    assert len(model.requests) == 1
    [kept] = client.beta.threads.messages.list(thread.id).data
    assert [part.type for part in kept.content] == ["text", "image_url"]


def test_a_conversation_with_a_picture_goes_on_with_a_model_that_cannot_see(
    client: OpenAI, model: Scripted, assistant: Assistant
):
    model.script = [Says("A dot."), BLIND, Says("You are welcome.")]
    thread = client.beta.threads.create()
    ask(client, assistant, thread.id, ASKED)
    run = ask(client, assistant, thread.id, "Thank you")
    assert run.status == "completed"
    asked = model.requests[-1]["messages"]
    assert [message["content"] for message in asked[1:]] == [
        f"What is this?\n{LEFT_OUT}",
        "A dot.",
        "Thank you",
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Invalid content type. image_url is only supported by certain models."),
        (400, "messages[0]: unknown variant `image_url`, expected `text` at line 1 column 90"),
        (400, "this model is missing data required for image input"),
        (400, "qwen3:0.6b does not support images"),
        (400, "At most 0 image(s) may be provided in one prompt."),
        (400, "x/y is not a multimodal model"),
        (404, "No endpoints found that support image input"),
        (500, "image input is not supported - hint: if this is unexpected, …"),
    ],
)
def test_it_is_understood_however_an_endpoint_says_it(status: int, words: str):
    error = endpoint_errors.refusal(status, words)
    assert (error.reason, error.last_error) == (chat_model.CANNOT_SEE, "invalid_prompt")


@pytest.mark.parametrize(
    "words",
    [
        "Invalid image.",
        "You uploaded an unsupported image. Please make sure your image is below 20 MB in size "
        "and is of one the following formats: ['png', 'jpeg', 'gif', 'webp'].",
        "Error while downloading the image_url.",
    ],
)
def test_a_picture_that_is_refused_for_itself_is_another_matter(words: str):
    assert endpoint_errors.refusal(400, words).reason == chat_model.REFUSED


def test_the_built_in_model_refuses_it_before_anything_else():
    async def ask_it() -> None:
        async with aiohttp.ClientSession() as session:
            model = BuiltIn(Path("none.gguf"), session)
            question = {"role": "user", "content": ASKED}
            await anext(model.stream(ChatRequest("none", [question])))

    with pytest.raises(ModelFailed, match=CANNOT_SEE):
        asyncio.run(ask_it())


def test_the_list_of_models_says_who_sees(tmp_path: Path):
    async def built_in() -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as session:
            model = BuiltIn(Path("none.gguf"), session)
            return [found.to_dict() for found in await model.models()]

    assert asyncio.run(built_in())[0]["input_modalities"] == ["text"]
    scripted = Scripted(models=["eyes", "unknown"], sees={"eyes": ["text", "image"]})
    with (
        scripted.served() as url,
        running(tmp_path, model_url=url) as server,
        server.client() as client,
    ):
        told = {model.id: model.to_dict().get("input_modalities") for model in client.models.list()}
    assert told == {"eyes": ["text", "image"], "unknown": None}


def test_a_picture_is_not_counted_as_its_letters():
    assert tokens.of_content([{"type": "text", "text": "x"}, {"type": "image_url"}]) == (
        tokens.of_text("x") + tokens.IMAGE
    )
