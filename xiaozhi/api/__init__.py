"""The HTTP API."""

from xiaozhi.api.access import Access
from xiaozhi.api.answers import http_error
from xiaozhi.api.app import create_api
from xiaozhi.api.bases import AZURE, BASES
from xiaozhi.api.dependencies import Rooms
from xiaozhi.api.health import health
from xiaozhi.api.host_guard import HostGuard
from xiaozhi.api.response_headers import ResponseHeaders
from xiaozhi.api.scraping import scraping
from xiaozhi.api.transport import Transport

__all__ = [
    "AZURE",
    "BASES",
    "Access",
    "HostGuard",
    "ResponseHeaders",
    "Rooms",
    "Transport",
    "create_api",
    "health",
    "http_error",
    "scraping",
]
