"""Who answers: a seam with one implementation a file, and the catalog of what is there."""

from xiaozhi.chat_models.built_in import BuiltIn
from xiaozhi.chat_models.catalog import Catalog
from xiaozhi.chat_models.chat_model import (
    CallPiece,
    ChatModel,
    ChatRequest,
    Piece,
    Relayed,
    TokenCount,
)
from xiaozhi.chat_models.openai_compatible import OpenAICompatible
from xiaozhi.chat_models.unopened_thoughts import closed
from xiaozhi.chat_models.watched import answered, asking, failed

__all__ = [
    "BuiltIn",
    "CallPiece",
    "Catalog",
    "ChatModel",
    "ChatRequest",
    "OpenAICompatible",
    "Piece",
    "Relayed",
    "TokenCount",
    "answered",
    "asking",
    "closed",
    "failed",
]
