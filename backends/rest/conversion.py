"""The model's errors as problems (RFC 9457), and back, for both sides. No I/O."""

from __future__ import annotations

from math import ceil

from backends.rest.codec import Problem, encode
from chat.domain.errors import (
    ERRORS,
    AccessDenied,
    BadName,
    BadRequest,
    BadText,
    ChatError,
    Closing,
    DraftConflict,
    Full,
    NickTaken,
    NoSuchMessage,
    NoSuchRoom,
    NotStored,
    NotYours,
    SeatGone,
    SeatTaken,
    SlowReader,
    StaleCursor,
    TooFast,
)
from chat.domain.json_codec import Decoder
from chat.domain.validation import printable

PROBLEM = b"application/problem+json"
"""The media type of a problem."""

STATUS: dict[type[ChatError], int] = {
    ChatError: 500,
    BadRequest: 400,
    AccessDenied: 401,
    NotYours: 403,
    SeatGone: 403,
    SeatTaken: 403,
    NoSuchMessage: 404,
    NoSuchRoom: 404,
    NickTaken: 409,
    StaleCursor: 409,
    BadName: 422,
    BadText: 422,
    DraftConflict: 422,
    TooFast: 429,
    Closing: 503,
    Full: 503,
    NotStored: 503,
    SlowReader: 503,
}
AGAIN: dict[type[ChatError], float] = {Closing: 1.0, NotStored: 1.0}
"""Seconds after which to try again, where the error itself does not say."""
TITLES = {
    "bad_request": "The request is malformed",
    "access_denied": "The access token is missing or wrong",
    "not_yours": "The message belongs to another seat",
    "seat_gone": "No seat has this key",
    "seat_taken": "The seat has been taken over",
    "no_such_message": "There is no such message",
    "no_such_room": "There is no such room",
    "nick_taken": "The nick is taken",
    "stale_cursor": "The cursor belongs to another log",
    "bad_name": "The name is not allowed",
    "bad_text": "The text is not allowed",
    "draft_conflict": "The draft number was used with another content",
    "too_fast": "The rate limit is exceeded",
    "closing": "The server is going down",
    "full": "The server is full",
    "not_stored": "The draft could not be stored",
    "slow_reader": "This client fell too far behind",
    "not_found": "There is no such resource",
    "not_allowed": "The resource does not have this method",
    "not_acceptable": "Only JSON is available",
    "precondition_failed": "It has changed in the meantime",
    "misdirected": "This server has another name",
    "strange_page": "Web pages of this origin may not call this server",
    "too_large": "The request is too large",
    "too_many": "Too many requests are waiting",
    "too_slow": "The request was not complete in time",
    "unsupported_media_type": "Only JSON is accepted",
    "error": "The server failed",
}
KINDS = {
    403: "strange_page",
    404: "not_found",
    405: "not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    429: "too_many",
    431: "too_large",
}
"""The kinds of problems that only HTTP has, by status: their ``code`` is ``bad_request``."""
Headers = list[tuple[bytes, bytes]]


class Refused(ChatError):
    """A `ChatError` with another status than its usual one."""

    def __init__(self, status: int, error: ChatError, headers: Headers | None = None) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers = status, error, headers or []


def problem(error: ChatError, status: int = 0, n: int = 0) -> tuple[int, Headers, bytes]:
    """Return the status, headers and body of an error; ``n`` is its draft, unless the error names it."""
    headers: Headers = []
    if isinstance(error, Refused):
        status, headers, error = error.status, list(error.headers), error.error
    status = status or STATUS.get(type(error), 500)
    retry_after = AGAIN.get(type(error)) if error.retry_after is None else error.retry_after
    kind = KINDS.get(status, "bad_request") if isinstance(error, BadRequest) else error.code
    body = encode(
        Problem(
            f"urn:chat:{kind}",
            TITLES.get(kind, kind),
            status,
            printable(str(error)),
            error.code,
            error.n or n,
            0.0 if retry_after is None else max(0.001, round(retry_after, 3)),
        )
    )
    headers += [(b"content-type", PROBLEM), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="chat"'))
    if retry_after is not None:  # in whole seconds (RFC 9110, 10.2.3); the exact ones are in the body
        headers.append((b"retry-after", str(max(1, ceil(retry_after))).encode()))
    return status, headers, body


_decode_problem: Decoder[Problem] = Decoder(Problem)


def read_problem(body: bytes) -> ChatError:
    """Return the error that a problem describes. Raises `BadRequest` if the body is no problem."""
    told = _decode_problem.decode(body)
    kind = ERRORS.get(told.code, ChatError)
    return kind(printable(told.detail), n=told.n, retry_after=told.retry_after or None)
