"""The fields that clients may send are those of the SDK's own request types."""

from typing import Any, get_type_hints

import pytest
from openai.types.beta import (
    assistant_create_params,
    assistant_update_params,
    thread_create_and_run_params,
    thread_create_params,
    thread_update_params,
)
from openai.types.beta.threads import (
    message_create_params,
    message_update_params,
    run_create_params,
    run_update_params,
)

from xiaozhi import requests
from xiaozhi.requests import Body

PAIRS: list[tuple[type[Body], Any, set[str]]] = [
    # (ours, the SDK's, what the SDK does not have)
    (requests.CreateAssistant, assistant_create_params.AssistantCreateParams, {"id"}),
    (requests.ModifyAssistant, assistant_update_params.AssistantUpdateParams, set()),
    (requests.CreateThread, thread_create_params.ThreadCreateParams, set()),
    (requests.ModifyThread, thread_update_params.ThreadUpdateParams, set()),
    (requests.CreateMessage, message_create_params.MessageCreateParams, set()),
    (requests.ModifyMessage, message_update_params.MessageUpdateParams, set()),
    (requests.CreateRun, run_create_params.RunCreateParamsBase, {"stream"}),
    (requests.ModifyRun, run_update_params.RunUpdateParams, set()),
    (
        requests.CreateThreadAndRun,
        thread_create_and_run_params.ThreadCreateAndRunParamsBase,
        # The SDK leaves it out of the type; the API takes it.
        {"stream", "reasoning_effort"},
    ),
]
# In the path or the query, not in the body
ELSEWHERE = {"thread_id", "include"}


@pytest.mark.parametrize(
    ("ours", "theirs", "more"), PAIRS, ids=[ours.__name__ for ours, *_ in PAIRS]
)
def test_a_request_has_the_fields_of_the_sdk(ours: type[Body], theirs: Any, more: set[str]):
    assert set(ours.model_fields) == (set(get_type_hints(theirs)) - ELSEWHERE) | more
