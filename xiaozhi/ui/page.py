"""The chat app as an ASGI app, to be mounted by a server."""

import logging
from pathlib import Path

import streamlit as st
import streamlit.logger as streamlit_logger
from starlette.middleware import Middleware

from xiaozhi.ui import fragment_ends
from xiaozhi.ui.shell import Shell

SCRIPT = Path(__file__).with_name("app.py")


def create_page(url: str, api_key: str, assistant_id: str | None) -> st.App:
    """`url`: the API that the page is a client of; ends in /v1. `assistant_id`: who answers."""
    secrets = {"XIAOZHI_URL": url, "XIAOZHI_API_KEY": api_key}
    if assistant_id:
        secrets["OPENAI_ASSISTANT_ID"] = assistant_id
    _log_as_the_server_does()
    fragment_ends.keep()
    return st.App(SCRIPT, secrets=secrets, middleware=[Middleware(Shell)])


def _log_as_the_server_does() -> None:
    """Streamlit gives each of its loggers a handler of its own, whenever it makes one."""

    def pass_on(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = True

    streamlit_logger.setup_formatter = pass_on
    streamlit_logger.update_formatter()
