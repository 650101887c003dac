"""What can go wrong, in the caller's terms. HTTP statuses are decided in `api/answers.py` alone.

XiaozhiError
├── CannotStart          the server cannot come up: said in a sentence on the terminal
├── Unauthorized         no key, or a wrong one
├── InvalidRequest       the request cannot be taken as it is
│   ├── RunNotReady      … because of the state a run is in
│   ├── TooLarge         … because of its size
│   └── UnsupportedContent   … because of its content type
├── NotFound             there is no such thing (here)
├── Misdirected          the request is for another server, or from another site's page
├── TooManyRequests      more runs wait than may
├── ModelFailed          a chat model did not answer, or broke off
└── Unavailable          not now: shutting down, disk full, overloaded
    └── InDoubt          … and what was to be written may have been, or not
"""

from typing import Literal

LastErrorCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]


class XiaozhiError(Exception):
    """`message` is for the caller's eyes: no secrets, no traces.

    `param` is the dotted path of the field at fault, `code` the API's machine-readable word
    (contract 2.2 and 2.3).
    """

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class Sentence:
    """What a person is told, with {names} of `values`: so it can be said in another language."""

    def __init__(self, text: str, **values: object) -> None:
        self.text = text
        self.values = values

    def __str__(self) -> str:
        return self.text.format(**self.values)


class CannotStart(XiaozhiError):
    """`sentence` and `way_out` (what the person at the terminal can do) hold {names} of `values`.

    So the terminal can say them in another language (xiaozhi/locale), and so can it with a value
    that is a Sentence.
    """

    def __init__(self, sentence: str, way_out: str = "", **values: object) -> None:
        super().__init__(f"{sentence} {way_out}".strip().format(**values))
        self.sentence = sentence
        self.way_out = way_out
        self.values = values


class Unauthorized(XiaozhiError):
    pass


class InvalidRequest(XiaozhiError):
    pass


class RunNotReady(InvalidRequest):
    pass


class TooLarge(InvalidRequest):
    pass


class UnsupportedContent(InvalidRequest):
    pass


class NotFound(XiaozhiError):
    pass


class Misdirected(XiaozhiError):
    pass


class TooManyRequests(XiaozhiError):
    """`retry_after`: s."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, code="rate_limit_exceeded")
        self.retry_after = retry_after


class Unavailable(XiaozhiError):
    pass


class InDoubt(Unavailable):
    pass


class ModelFailed(XiaozhiError):
    """`last_error` is the code that the failed run shows (contract 7.8).

    `reason` is one of the fixed sentences of `chat_models/chat_model.py`, which the app can
    translate; `details` are the provider's own words. `status`: of its HTTP answer, if it gave one.
    """

    def __init__(
        self,
        reason: str,
        details: str = "",
        *,
        last_error: LastErrorCode = "server_error",
        status: int | None = None,
    ) -> None:
        super().__init__(f"{reason}: {details}" if details else reason)
        self.reason = reason
        self.details = details
        self.last_error: LastErrorCode = last_error
        self.status = status

    def without_their_words(self) -> str:
        """For the log: what a provider says may repeat what people said."""
        more: list[str] = [f"HTTP {self.status}"] if self.status else []
        if isinstance(self.__cause__, OSError):
            more.append(str(self.__cause__))
        return f"{self.reason} ({'; '.join(more)})" if more else self.reason
