"""A conversation as a file to keep: Markdown to read, JSON for programs. Draws nothing."""

import json
from collections.abc import Mapping
from datetime import datetime, tzinfo

from openai.types.beta.threads import Message

from xiaozhi.ui.client import client
from xiaozhi.ui.shown_pictures import alt
from xiaozhi.ui.texts import _
from xiaozhi.ui.transcript import asked_in

PAGE = 100  # messages that the API gives at once, at most


def markdown(thread_id: str, title: str, speakers: Mapping[str, str], zone: tzinfo) -> str:
    """`speakers`: what each role is called. Raises openai.APIError."""
    parts = [f"# {title}"]
    for message in _messages(thread_id):
        at = datetime.fromtimestamp(message.created_at, zone)
        parts.append(f"**{speakers[message.role]}** · {at:%Y-%m-%d %H:%M}")
        parts += said(message)
    return "\n\n".join(parts) + "\n"


def said(message: Message) -> list[str]:
    """Its paragraphs: the words, then a name for each picture."""
    asked = asked_in(message)
    count = len(asked.pictures)
    names = [f"[{alt(number, count)}]" for number in range(1, count + 1)]
    names += [f"[{_('A picture')}] {url}" for url in asked.links]
    return [asked.words, *names] if asked.words else names


def as_json(thread_id: str) -> str:
    """The thread and its messages, oldest first, as the API has them. Raises openai.APIError."""
    thread = client().beta.threads.retrieve(thread_id).to_dict(mode="json")
    messages = [message.to_dict(mode="json") for message in _messages(thread_id)]
    return json.dumps({**thread, "messages": messages}, ensure_ascii=False, indent=2)


def file_name(title: str, ending: str) -> str:
    """No sign in it that some system's files may not have."""
    kept = "".join(sign if sign.isalnum() or sign in " -_·" else " " for sign in title)
    return f"{' '.join(kept.split())[:60].strip() or 'conversation'}.{ending}"


def _messages(thread_id: str) -> list[Message]:
    return list(client().beta.threads.messages.list(thread_id, limit=PAGE, order="asc"))
