"""What a person asks: words, pictures, or both. Pure."""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from openai.types.beta.threads import MessageContentPartParam

_HELD = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,")


@dataclass(frozen=True)
class Picture:
    """One that is fit to be sent and shown. `mime`: what `content` is, as in "image/jpeg"."""

    content: bytes
    mime: str

    @cached_property
    def digest(self) -> str:
        """What its bytes are known by."""
        return sha256(self.content).hexdigest()

    @property
    def url(self) -> str:
        """It holds the picture itself: nobody has to fetch it."""
        return f"data:{self.mime};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Question:
    """`words` may be "" where there are pictures.

    `links`: addresses of pictures that another program has put there; nobody has looked at them.
    """

    words: str
    pictures: tuple[Picture, ...] = ()
    links: tuple[str, ...] = ()

    def parts(self) -> list[MessageContentPartParam]:
        """As the API takes the content of a message."""
        said: list[MessageContentPartParam] = []
        if self.words:
            said.append({"type": "text", "text": self.words})
        for url in (*(picture.url for picture in self.pictures), *self.links):
            said.append({"type": "image_url", "image_url": {"url": url}})
        return said


def held_in(url: str) -> Picture | None:
    """The picture that `url` itself holds; None where it is elsewhere, or no picture."""
    head = _HELD.match(url)
    if head is None:
        return None
    try:
        return Picture(b64decode(url[head.end() :], validate=True), head[1])
    except NotBase64:
        return None
