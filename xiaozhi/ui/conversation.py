"""A conversation as the server has it, and what a person does to it. Draws nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import streamlit as st
from openai import BadRequestError, NotFoundError
from openai.types.beta import Thread
from openai.types.beta.threads import Message, Run

from xiaozhi.ui import choice, shelves, temporary, titles, waiting
from xiaozhi.ui.choice import assistant_id
from xiaozhi.ui.client import client, or_default, reader
from xiaozhi.ui.counted import Counted, Counts, counted
from xiaozhi.ui.follow import ENDED, Followed, followed, let_go
from xiaozhi.ui.question import Question
from xiaozhi.ui.texts import _

MOST_MESSAGES = 1_000  # in one conversation, as the tutorial had it
RUNS = 20  # as many answers as a page shows at first
PAGE = 100  # messages that the API gives at once, at most
READS = 3  # of a conversation in which runs begin while it is read


@dataclass
class Turn:
    """A question that was asked since the page was drawn, and the run that answers it.

    `question`: None where it stands among the messages already.
    """

    question: Question | None
    followed: Followed


@dataclass
class Conversation:
    """`messages`: the newest ones, oldest first. `count`: all of them; exact up to the limit.

    `runs`: those of the newest answers, by id. `waiting`: asked while another one was answered.
    `question`: what `last_run` answers, where it does not stand among the messages yet.
    `window`: how many messages are read, at most.
    """

    thread_id: str
    messages: list[Message] = field(default_factory=list[Message])
    has_earlier: bool = False
    count: int = 0
    last_run: Run | None = None
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    waiting: list[Message] = field(default_factory=list[Message])
    question: Question | None = None
    window: int = 0

    @property
    def is_full(self) -> bool:
        return self.count >= MOST_MESSAGES


def thread(id: str) -> Thread:
    """Raises openai.APIError; NotFoundError where it is not there (any more)."""
    return reader().beta.threads.retrieve(id)


def loaded(thread: Thread, window: int) -> Conversation:
    """With its `window` newest messages. Raises openai.APIError."""
    conversation = Conversation(thread.id, window=window)
    _read(conversation, thread)
    return conversation


def _read(conversation: Conversation, thread: Thread) -> None:
    """Raises openai.APIError."""
    for _again in range(READS):
        _read_once(conversation, thread)
        if not _is_behind(conversation):
            return


def _read_once(conversation: Conversation, thread: Thread) -> None:
    threads = reader().beta.threads
    window = conversation.window
    # First the run: where it has ended, its message is whole in what is read afterwards.
    runs = threads.runs.list(
        thread.id,
        limit=min(max(RUNS, window // 2), PAGE),
        extra_query={"include[]": "reasoning.seconds"},
    ).data
    page = threads.messages.list(thread.id, limit=min(window, PAGE))
    messages = page.data
    while page.has_more and len(messages) < window:
        page = page.get_next_page()
        messages = messages + page.data
    conversation.has_earlier = bool(page.has_more) or len(messages) > window
    messages = messages[:window]
    conversation.messages = messages[::-1]
    conversation.count = _count(
        thread.id, conversation.messages, has_earlier=conversation.has_earlier
    )
    conversation.last_run = runs[0] if runs else None
    conversation.runs = {run.id: run for run in runs}
    conversation.waiting = waiting.still(thread, messages)


def _is_behind(conversation: Conversation) -> bool:
    """Whether a run began between the reading of the runs and that of the messages."""
    newest = conversation.messages[-1] if conversation.messages else None
    last = conversation.last_run
    if newest is None or newest.run_id is None or newest.run_id in conversation.runs:
        return False
    # One that came back from an archive is older.
    return last is None or newest.created_at > last.created_at


def unfinished(conversation: Conversation, model: str | None) -> list[Turn]:
    """The run that is still answering, if there is one; what it says comes from its events.

    What has waited for its turn has it now, and is answered by `model`. Raises openai.APIError.
    """
    newest = conversation.messages[-1] if conversation.messages else None
    if waiting.is_due(newest, conversation.last_run):
        waiting.answer_next(conversation.thread_id, assistant_id(), model)
        # Another page may have been faster, and the answer be there already.
        _read(conversation, thread(conversation.thread_id))
    run = conversation.last_run
    if run is None or run.status in ENDED:
        return []
    others = [message for message in conversation.messages if message.run_id != run.id]
    conversation.messages = others
    return [Turn(conversation.question, followed(client(), run))]


def begun(question: Question, model: str | None) -> tuple[Thread, Conversation]:
    """A new thread in which `question` is being answered, and what there is to see of it.

    As they are at this moment: nothing is read again. Raises openai.APIError.
    """
    called = question.words or _("A picture")
    is_temporary = temporary.is_wanted()
    marks = temporary.marks() if is_temporary else shelves.marks(called)
    marks |= choice.current().marks
    run = client().beta.threads.create_and_run(
        assistant_id=assistant_id(),
        model=or_default(model),
        thread={
            "messages": [{"role": "user", "content": question.parts()}],
            "metadata": marks,
        },
    )
    if not is_temporary:
        shelves.changed()
        titles.make(called, followed(client(), run), model)
    thread = Thread(id=run.thread_id, created_at=run.created_at, metadata=marks, object="thread")
    return thread, Conversation(thread.id, count=2, last_run=run, question=question)


def asked(conversation: Conversation, question: Question, model: str | None) -> Turn | None:
    """The question is kept and being answered, both or neither.

    None where another answer is under way: then it is kept, and asked when that has ended.
    Raises waiting.Full, openai.APIError.
    """
    assistant = assistant_id()
    try:
        run = client().beta.threads.runs.create(
            thread_id=conversation.thread_id,
            assistant_id=assistant,
            model=or_default(model),
            additional_messages=[{"role": "user", "content": question.parts()}],
        )
    except BadRequestError:
        holding = waiting.holder(conversation.thread_id)
        if holding is None:
            raise
        message = waiting.add(holding, question)
        waiting.answer_when_ended(followed(client(), holding), assistant, model)
        conversation.waiting.append(message)
        conversation.count += 2
        return None
    conversation.count += 2
    shelves.changed()
    return Turn(question, followed(client(), run))


def asked_again(conversation: Conversation, failed: Run, model: str | None) -> None:
    """The same question once more, in the place of the answer that broke off.

    Nothing happens where a later run is there: another tab was faster. Raises openai.APIError.
    """
    threads = client().beta.threads
    newest = threads.runs.list(conversation.thread_id, limit=1).data
    if newest and newest[0].id != failed.id:
        return
    for message in conversation.messages:
        if message.run_id == failed.id:
            with suppress(NotFoundError):
                threads.messages.delete(message.id, thread_id=conversation.thread_id)
    answer(conversation.thread_id, model)


def answer(thread_id: str, model: str | None) -> None:
    """What stands last in the thread is being answered. Raises openai.APIError."""
    client().beta.threads.runs.create(
        thread_id, assistant_id=assistant_id(), model=or_default(model)
    )


def stopped(turn: Turn) -> None:
    """The run is cancelled; what it said stays. Raises openai.APIError, also if it has ended."""
    run = turn.followed.run
    client().beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def settled(run: Run, outputs: Mapping[str, str]) -> None:
    """The functions that `run` waits for gave back `outputs`, by the call's id; it goes on.

    Raises openai.APIError.
    """
    client().beta.threads.runs.submit_tool_outputs(
        run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call, "output": said} for call, said in outputs.items()],
    )
    let_go(run)


def _count(thread_id: str, newest: list[Message], *, has_earlier: bool) -> int:
    """How many messages the thread has; past the limit it does not matter."""
    ids = [message.id for message in newest]
    known: Counts = st.session_state.setdefault("counts", Counts())
    if has_earlier:
        found = counted(known.of(thread_id), thread_id, ids, lambda: _read_count(thread_id))
    else:
        found = Counted(thread_id, 0, ids)
    if found.count < MOST_MESSAGES:
        known.keep(found)
    else:
        # It is not known how many there are: what is taken away would count wrongly.
        known.forget(thread_id)
    return found.count


def _read_count(thread_id: str) -> int:
    page = reader().beta.threads.messages.list(thread_id, limit=PAGE)
    count = len(page.data)
    while page.has_more and count < MOST_MESSAGES:
        page = page.get_next_page()
        count += len(page.data)
    return count
