"""The collections: one for each kind of object that the API knows."""

from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep

from xiaozhi.store import tables
from xiaozhi.store.collection import Collection

assistants = Collection(tables.assistants, Assistant, "assistant")
threads = Collection(tables.threads, Thread, "thread")
messages = Collection(tables.messages, Message, "message")
waiting_messages = Collection(tables.waiting_messages, Message, "message")
runs = Collection(tables.runs, Run, "run")
steps = Collection(tables.steps, RunStep, "run step")
