"""Streamlit's loggers say what they say through the server's log.

Streamlit gives each of its loggers a handler of its own, whenever it makes one.
"""

import logging

import streamlit.logger as streamlit_logger


def pass_on() -> None:
    """For the whole process."""

    def without_own_handler(logger: logging.Logger) -> None:
        logger.handlers.clear()
        logger.propagate = True

    streamlit_logger.setup_formatter = without_own_handler
    streamlit_logger.update_formatter()
