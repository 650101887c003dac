"""uvicorn's HTTP protocol, with bounds on what a request's head may hold, and on how long it takes.

uvicorn with httptools takes headers without end, and waits for them without end, before any key is
looked at. What is refused here is answered in the API's shape: 431 (RFC 6585) for too many or too
long headers, 408 for slow ones.
"""

import asyncio
import json
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LARGEST_HEAD = 64 * 1024  # bytes, the address and all headers; Node.js takes 16 KB, nginx 32
MOST_HEADERS = 100  # Apache's LimitRequestFields
HEAD_WITHIN = 20.0  # s, from the connection or the head's first byte to its end; Apache's
# Connections that wait for a head. Above that the oldest ends, unless it is this young: a burst of
# honest clients is not told from others before their bytes were read.
MOST_WAITING = 1_000
YOUNG = 5.0  # s

TOO_LARGE = f"The head of a request may have {MOST_HEADERS} headers and {LARGEST_HEAD} bytes."
TOO_SLOW = f"The head of a request must be sent within {HEAD_WITHIN:.0f} seconds."


class _HeadTooLarge(Exception):
    pass


class BoundedProtocol(HttpToolsProtocol):
    head_within = HEAD_WITHIN
    most_waiting = MOST_WAITING
    young = YOUNG

    # When they began to wait, on the loop's clock; the oldest first. Of the process.
    _waiting: ClassVar[dict["BoundedProtocol", float]] = {}

    _in_head = False
    _size = 0  # bytes of the head that were parsed
    _unparsed = 0  # bytes since then, of a header that does not end
    _refused = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # because uvicorn narrows it too
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head, before = self._in_head, self._size
        super().data_received(data)
        if not self._in_head or self._refused:
            return
        if self._deadline is None:
            self._wait()
        self._unparsed = self._unparsed + len(data) if was_in_head and before == self._size else 0
        if self._unparsed > LARGEST_HEAD:
            self._refuse(431, TOO_LARGE)

    # --- what the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._size = self._unparsed = 0

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._wait_no_more()
        if b"://" in self.url[:8]:
            self._take_host_of_target()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot take, or must not."""
        if self._size > LARGEST_HEAD or len(self.headers) >= MOST_HEADERS:
            self._refuse(431, TOO_LARGE)
        elif not self._refused:
            self._wait_no_more()
            super().send_400_response(msg)

    # ---

    def _measure(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST_HEAD or len(self.headers) >= MOST_HEADERS:
            raise _HeadTooLarge

    def _take_host_of_target(self) -> None:
        """GET http://name/path: the target's name counts, whatever Host says (RFC 9112, 3.2.2)."""
        target = httptools.parse_url(self.url)
        host = b"[%b]" % target.host if b":" in target.host else target.host
        if target.port:
            host += b":%d" % target.port
        self.headers[:] = [pair for pair in self.headers if pair[0] != b"host"]
        self.headers.append((b"host", host))

    def _wait(self) -> None:
        """For the end of a head."""
        now = self.loop.time()
        self._deadline = self.loop.call_later(self.head_within, self._is_late)
        self._waiting[self] = now
        if len(self._waiting) > self.most_waiting:
            oldest, since = next(iter(self._waiting.items()))
            if now - since > self.young:
                oldest._wait_no_more()
                oldest.transport.abort()

    def _wait_no_more(self) -> None:
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        self._wait_no_more()
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[reportUnnecessaryComparison]  # because it is None before the first request
            # The request before it is still being answered.
            self._wait()
        elif self._in_head:
            self._refuse(408, TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, status: int, words: str) -> None:
        self._refused = True
        self._wait_no_more()
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[reportUnnecessaryComparison]  # because it is None before the first request
            # Another answer is on its way: there is no place for words.
            self.transport.abort()
            return
        error = {"message": words, "type": "invalid_request_error", "param": None, "code": None}
        body = json.dumps({"error": error}).encode()
        self.transport.write(
            b"%bcontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[status], len(body), body)
        )
        self.transport.close()
