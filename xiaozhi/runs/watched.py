"""What is noted of every run: lines in the log, its metrics, its span."""

import logging
import time
from collections.abc import Awaitable, Callable

from openai.types.beta.threads import Run

from xiaozhi import logs, metrics, tracing
from xiaozhi.store import Segment

log = logging.getLogger(__name__)


async def watched(segment: Segment, execute: Callable[[], Awaitable[None]]) -> None:
    """Execute it, with everything that happens meanwhile known to belong to the run."""
    run = segment.run
    logs.about(run_id=run.id, thread_id=run.thread_id)
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": run.assistant_id,
        "gen_ai.conversation.id": run.thread_id,
        "gen_ai.request.model": run.model,
        "xiaozhi.run_id": run.id,
        "xiaozhi.segment": segment.number,
    }
    with tracing.span("invoke_agent", attributes), metrics.executing(segment.accepted):
        await execute()


def first_piece(accepted: float | None) -> None:
    """`accepted`: by time.monotonic(); None where the run's creation lies further back."""
    if accepted is not None:
        metrics.first_piece(time.monotonic() - accepted)


def ended(run: Run, accepted: float | None = None) -> None:
    """The run is over, and its end is written. `accepted`: as for `first_piece`."""
    # created_at has whole seconds.
    took = time.time() - run.created_at if accepted is None else time.monotonic() - accepted
    metrics.run_ended(run.status, took)
    usage = run.usage
    if usage is not None:
        metrics.tokens(run.model, usage.prompt_tokens, usage.completion_tokens)
    told = logs.fields(
        run_id=run.id,
        thread_id=run.thread_id,
        status=run.status,
        code=run.last_error.code if run.last_error else None,
        model=run.model,
        ms=round(took * 1000),
        tokens_read=usage.prompt_tokens if usage else None,
        tokens_written=usage.completion_tokens if usage else None,
    )
    log.info("run ended", extra=told)
