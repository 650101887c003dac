"""Words of others on the page mean nothing: no picture in them is fetched (`look` would fail)."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from openai import APIStatusError, OpenAI
from playwright.sync_api import expect

from tests.ui.looking import Looking
from xiaozhi.chat_models.scripted import Calls, Fails, Scripted
from xiaozhi.ui.client import explained, plainly_explained
from xiaozhi.ui.signs import as_code

PICTURE = "![p](http://canary.example/c.png)"
# As Markdown, as code that ends early, as a paragraph of its own
SPELLINGS = [PICTURE, f"`{PICTURE}`{PICTURE}", f"weather\n\n{PICTURE}\n\n", f"$x${PICTURE}:smile:"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_name_of_a_function_is_a_name(
    look: Looking, client: OpenAI, model: Scripted, name: str
):
    model.script = [Calls([(name, f'{{"{PICTURE}": 1}}')])]
    weather: Any = {"type": "function", "function": {"name": "weather"}}
    assistant = client.beta.assistants.create(model="scripted", tools=[weather])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "天气？"}]},
        poll_interval_ms=20,
    )
    assert run.status == "requires_action"
    seen = look(f"{look.address}?c={run.thread_id}")
    form = seen.page.get_by_test_id("stForm")
    expect(form).to_contain_text(PICTURE)
    expect(form.locator("img")).to_have_count(0)
    expect(form.locator("textarea")).to_be_visible()


@pytest.mark.parametrize("words", SPELLINGS)
def test_a_link_to_a_conversation_that_cannot_be_is_no_picture(look: Looking, words: str):
    seen = look.at(f"{look.address}?c={quote(words, safe='')}")
    expect(seen.page.get_by_test_id("stAlert")).to_be_visible()
    expect(seen.page.locator(".stMain img")).to_have_count(0)


@pytest.mark.parametrize("words", SPELLINGS)
def test_what_a_provider_says_is_no_picture(
    look: Looking, client: OpenAI, model: Scripted, words: str
):
    model.script = [Fails(400, words)]
    assistant = client.beta.assistants.create(model="scripted")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "你好"}]},
        poll_interval_ms=20,
    )
    seen = look(f"{look.address}?c={run.thread_id}")
    expect(seen.page.get_by_test_id("stAlert")).to_be_visible()
    expect(seen.page.get_by_test_id("stAlert").locator("img")).to_have_count(0)


def test_what_the_server_refuses_is_told_as_it_is():
    request = httpx2.Request("GET", "http://127.0.0.1/v1")
    words = f"There is no thread '{PICTURE}'."
    error = APIStatusError("", response=httpx2.Response(400, request=request), body=None)
    error.body = {"message": words}
    assert words in plainly_explained(error)
    assert PICTURE not in explained(error)
    assert explained(error).replace("\\", "").endswith(words)


def test_code_ends_where_it_ends():
    assert as_code("a`b`\n\nc") == "`a'b' c`"
