"""Parse server-sent events, whatever the chunks that their bytes arrive in. Pure.

    event: error                      (b"error", b'{"message": "…"}')
    data: {"message": "…"}     ──►

As the HTML standard has it (9.2.6, Interpreting an event stream), with two allowances for servers
that are not as exact: an event whose last line was not ended is handed out by `rest`, and a `{`
behind a `}` begins an event of its own, where the blank line between the two is missing.

Own code and not httpx-sse, which decodes one line of text at a time without a bound: the answer's
hot path passes through here.
"""

BOM = b"\xef\xbb\xbf"

# (type, data); the type is empty where the stream gives none
Event = tuple[bytes, bytes]


class TooLong(Exception):
    """A line or an event exceeds the limit."""


class EventParser:
    def __init__(self, limit: int) -> None:
        """`limit`: bytes that one event may have."""
        self._limit = limit
        # The line that has not ended yet, in the chunks it came in: joined once, at its end
        self._line: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._type = b""
        self._is_first = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises TooLong."""
        if self._after_cr:
            # The second half of a line's end that was cut in two
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        lines = chunk.splitlines()
        if chunk[-1] in b"\r\n":
            self._after_cr = chunk[-1] == 13
            open_line = b""
        else:
            open_line = lines.pop()
        if self._line and lines:
            lines[0] = b"".join((*self._line, lines[0]))
            self._line, self._line_size = [], 0
        if open_line:
            self._line.append(open_line)
            self._line_size += len(open_line)
            self._check(self._line_size)
        return self._events(lines)

    def rest(self) -> list[Event]:
        """What the stream ended with: the standard discards an event without its blank line."""
        lines = [b"".join(self._line), b""]
        self._line, self._line_size = [], 0
        return self._events(lines)

    def _events(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._is_first and lines:
            lines[0] = lines[0].removeprefix(BOM)
            self._is_first = False
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._event())
                self._type = b""
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                if self._data and value[:1] in (b"{", b"[") and self._data[-1][-1:] == b"}":
                    # No JSON text goes on so.
                    events.append(self._event())
                self._add(value)
            elif line == b"data":
                self._add(b"")
            elif line.startswith(b"event:"):
                self._type = line[6:].removeprefix(b" ")
        return events

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        self._data_size += len(value) + 1
        self._check(self._data_size)

    def _event(self) -> Event:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data, self._data_size = [], 0
        return self._type, data

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLong
