"""Two pages, programs or processes that change one conversation at the same moment."""

import threading
from collections.abc import Callable, Iterator

import httpx2
import pytest
from openai import OpenAI
from openai.types.beta.threads import Run

from tests.running import KEY, Running
from xiaozhi.ui import answer_row, metadata_changes, shelves, waiting
from xiaozhi.ui.client import create_client
from xiaozhi.ui.message_versions import Answer
from xiaozhi.ui.question import Question

Beginning = Callable[[Callable[[], object]], list[str]]
BETA = {"OpenAI-Beta": "assistants=v2"}


@pytest.fixture
def at_the_same_moment(server: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beginning]:
    """What is given is done right before each change that the page sends; its requests are told."""
    opened: list[OpenAI] = []

    def begin(doing: Callable[[], object]) -> list[str]:
        sent: list[str] = []

        def before(request: httpx2.Request) -> None:
            sent.append(request.method)
            if request.method in ("PATCH", "POST"):
                doing()

        http = httpx2.Client(event_hooks={"request": [before]})
        page = create_client(server.url, KEY, http)
        opened.append(page)
        for module in (metadata_changes, shelves, waiting):
            monkeypatch.setattr(module, "client", lambda: page)
        return sent

    yield begin
    for page in opened:
        page.close()


def colour(client: OpenAI, thread_id: str) -> None:
    """As another program does it, that knows of single keys."""
    path = f"/threads/{thread_id}/metadata"
    client.patch(path, cast_to=object, body={"colour": "red"}, options={"headers": BETA})


def test_a_mark_costs_one_request_and_leaves_the_others(
    client: OpenAI, at_the_same_moment: Beginning
):
    thread = client.beta.threads.create(metadata={"app": "xiaozhi", "seen": "1"}).id
    sent = at_the_same_moment(lambda: colour(client, thread))
    shelves.mark(thread, shelf="pinned", seen=None)
    assert sent == ["PATCH"]
    after = client.beta.threads.retrieve(thread).metadata
    assert after == {"app": "xiaozhi", "shelf": "pinned", "colour": "red"}


def test_a_title_that_comes_behind_a_name_is_dropped(client: OpenAI, at_the_same_moment: Beginning):
    thread = client.beta.threads.create(metadata={"title": "First words"}).id
    named = {"title": "A name"}
    at_the_same_moment(lambda: client.beta.threads.update(thread, metadata=named))
    shelves.retitle(thread, "First words", "A title")
    assert client.beta.threads.retrieve(thread).metadata == named
    at_the_same_moment(lambda: None)
    shelves.retitle(thread, "A name", "A title")
    assert client.beta.threads.retrieve(thread).metadata == {"title": "A title"}


def test_a_vote_leaves_what_others_have_noted(client: OpenAI, at_the_same_moment: Beginning):
    thread = client.beta.threads.create()
    message = client.beta.threads.messages.create(thread.id, role="assistant", content="hi")

    def note() -> None:
        path = f"/threads/{thread.id}/messages/{message.id}/metadata"
        client.patch(path, cast_to=object, body={"version": "2"}, options={"headers": BETA})

    sent = at_the_same_moment(note)
    answer_row.vote(Answer(None, [message]), "up")
    assert sent == ["PATCH"]
    read = client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)
    assert read.metadata == message.metadata == {"version": "2", "feedback": "up"}
    answer_row.vote(Answer(None, [message]), "none")
    assert message.metadata == {"version": "2"}


def test_questions_that_wait_are_all_noted(client: OpenAI, at_the_same_moment: Beginning):
    """Asked in several tabs at once, while an answer is under way."""
    thread = client.beta.threads.create()
    run = Run.model_construct(id="run_1", thread_id=thread.id)
    together = threading.Barrier(4)
    at_the_same_moment(lambda: None)

    def ask(number: int) -> None:
        together.wait(30)
        waiting.add(run, Question(f"question {number}"))

    tabs = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(60)
    ids = (client.beta.threads.retrieve(thread.id).metadata or {})["waiting"].split()
    assert sorted(ids) == sorted(
        message.id for message in client.beta.threads.messages.list(thread.id)
    )
