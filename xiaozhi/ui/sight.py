"""Whether whoever answers can see pictures, as far as the server knows. Draws nothing."""

from openai import APIError
from openai.types import Model

from xiaozhi.ui import choice, who_answers
from xiaozhi.ui.client import DEFAULT_MODEL, models


def blind() -> str | None:
    """The name of the model that answers here, where it cannot see; else None."""
    offered = models()
    try:
        wanted = who_answers.chosen() or choice.assistant().model
    except APIError:
        return None
    if wanted == DEFAULT_MODEL and offered:
        wanted = offered[0].id
    model = next((each for each in offered if each.id == wanted), None)
    return who_answers.readable(model.id) if model and not _may_see(model) else None


def _may_see(model: Model) -> bool:
    kinds = (model.model_extra or {}).get("input_modalities")
    return not isinstance(kinds, list) or "image" in kinds
