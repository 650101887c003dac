"""The HTTP API: OpenAI's reference, one file a resource."""

from fastapi import FastAPI

from xiaozhi import __version__
from xiaozhi.api import assistants, chat_completions, messages, models, runs, threads
from xiaozhi.api.answers import add_error_answers
from xiaozhi.api.docs import add_docs

# /threads/runs must be found before /threads/{thread_id}.
RESOURCES = (assistants, runs, threads, messages, models, chat_completions)


def create_api() -> FastAPI:
    """To be mounted at /v1, inside `Transport`; `state.rooms` is set before the first request."""
    app = FastAPI(
        redirect_slashes=False,  # a redirect has no body in the API's shape
        title="小智·Zero",
        version=__version__,
        openapi_url=None,
        # Its spans and logs hold the words of exceptions; ours are in access.py.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    for resource in RESOURCES:
        app.include_router(resource.router)
    add_docs(app)
    add_error_answers(app)
    return app
