"""The chat app as an ASGI app, to be mounted by a server."""

import logging
from pathlib import Path

import streamlit as st
import streamlit.logger as streamlit_logger
from starlette.middleware import Middleware
from streamlit import net_util

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
    _ask_nobody_for_addresses()
    return st.App(SCRIPT, secrets=secrets, middleware=[Middleware(Shell)])


def _ask_nobody_for_addresses() -> None:
    """For an Origin that it does not know, Streamlit asks a service on the internet for the address
    of this machine, on the event loop. Such a request does not come this far; nor shall it ask.
    """
    net_util.get_external_ip = lambda: None


def _log_as_the_server_does() -> None:
    """Streamlit gives each of its loggers a handler of its own, whenever it makes one."""

    def pass_on(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = True

    streamlit_logger.setup_formatter = pass_on
    streamlit_logger.update_formatter()
