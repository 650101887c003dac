"""The chat app as an ASGI app, to be mounted by a server."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from xiaozhi.ui.shell import Shell
from xiaozhi.ui.streamlit_support import addresses, fragment_ends, loggers, self_check

SCRIPT = Path(__file__).with_name("app.py")


def create_page(url: str, api_key: str, assistant_id: str | None) -> st.App:
    """`url`: the API that the page is a client of; ends in /v1. `assistant_id`: who answers."""
    secrets = {"XIAOZHI_URL": url, "XIAOZHI_API_KEY": api_key}
    if assistant_id:
        secrets["OPENAI_ASSISTANT_ID"] = assistant_id
    loggers.pass_on()
    fragment_ends.keep()
    addresses.ask_nobody()
    self_check.report()
    return st.App(SCRIPT, secrets=secrets, middleware=[Middleware(Shell)])
