"""Streamlit asks no service on the internet for the address of this machine."""

from streamlit import net_util


def ask_nobody() -> None:
    """For the whole process.

    For an Origin that it does not know, Streamlit asks on the event loop. Such a request does not
    come this far; nor shall it ask.
    """
    net_util.get_external_ip = lambda: None
