"""What is noted of every request to a model: its span; and where it fails, a line and a count."""

import logging

from openai.types.beta.threads.run import Usage

from xiaozhi import logs, metrics, tracing
from xiaozhi.errors import ModelFailed

log = logging.getLogger(__name__)


def asking(model: str) -> tracing.Span:
    """To be entered while the model is asked."""
    attributes = {
        "gen_ai.operation.name": "chat",
        # So the conventions call whatever speaks OpenAI's protocol.
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
    }
    return tracing.span(f"chat {model}", attributes, kind="client")


def answered(asked: tracing.Span, finish_reason: str | None, usage: Usage) -> None:
    """To the end. `asked`: the span of `asking`."""
    asked.note(
        {
            "gen_ai.response.finish_reasons": (finish_reason or "none",),
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
        }
    )


def failed(error: ModelFailed) -> None:
    """There is no answer, or only a part of one."""
    metrics.model_failed(error.reason)
    told = logs.fields(reason=error.reason, code=error.last_error)
    log.warning("no answer: %s", error.without_their_words(), extra=told)
