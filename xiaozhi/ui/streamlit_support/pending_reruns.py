"""Whether a page has something else to run than the fragment that runs at this moment.

Streamlit says so in no public way; without it a click waits for the end of that fragment's run.
"""

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState


def somebody_waits() -> bool:
    """To be asked in a fragment: whether it should let go."""
    context = get_script_run_ctx()
    own = [ThreadState.get().fragment_id]
    # What else was asked for together with this turn is drawn behind it.
    if (getattr(context, "fragment_ids_this_run", None) or own) != own:
        return True
    return is_other_pending(getattr(context, "script_requests", None), own)


def is_other_pending(requests: ScriptRequests | None, own: list[str | None]) -> bool:
    """Whether something else than a run of the fragments `own` is asked for, or the end."""
    state = getattr(requests, "_state", None)
    if state is not ScriptRequestType.RERUN:
        return state is ScriptRequestType.STOP
    return getattr(getattr(requests, "_rerun_data", None), "fragment_id_queue", None) != own
