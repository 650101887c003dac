"""What a person asks: words, pictures, or both. Pure."""

from base64 import b64encode
from dataclasses import dataclass

from openai.types.beta.threads import MessageContentPartParam


@dataclass(frozen=True)
class Picture:
    """One that is fit to be sent and shown. `mime`: what `content` is, as in "image/jpeg"."""

    content: bytes
    mime: str

    @property
    def url(self) -> str:
        """It holds the picture itself: nobody has to fetch it."""
        return f"data:{self.mime};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Question:
    """`words` may be "" where there are pictures."""

    words: str
    pictures: tuple[Picture, ...] = ()

    def parts(self) -> list[MessageContentPartParam]:
        """As the API takes the content of a message."""
        said: list[MessageContentPartParam] = []
        if self.words:
            said.append({"type": "text", "text": self.words})
        for picture in self.pictures:
            said.append({"type": "image_url", "image_url": {"url": picture.url}})
        return said
