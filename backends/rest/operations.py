"""The operations of the REST API: one `Operation` for each method of each resource, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from backends.rest import TECHNIQUE
from backends.rest.codec import (
    EventPage,
    MemberList,
    Message,
    Receipt,
    RoomList,
    RoomState,
    SeatAnswer,
    SeatRequest,
    TextBody,
)
from backends.rest.conversion import KINDS, TITLES
from chat.domain.model import MAX_NUMBER, Limits
from chat.transport.polling import WAIT

Json: TypeAlias = dict[str, Any]

OWN_URL = f"http://127.0.0.1:{TECHNIQUE.port}"
"""The server in openapi.json; a server replaces it by the URL at which it was asked."""
SCHEMA = "#/components/schemas/{name}"

# --- what the operations share -----------------------------------------------------------------

EPOCH = "6f0d8ab4-6a5c-4f0a-9d57-2b0c3a3f7f10"
TAG = f'"{EPOCH}-17"'
SEAT = "850358367bd6586fd9bf2ccd"
KEY = "pZ4xq0Jr3cUu8s0m1KXwYQ"
AT = 1795393822791
MEMBER = {"seat": SEAT, "nick": "ann", "technique": "rest"}
LIMITS = msgspec.to_builtins(Limits())
EVENT = {
    "kind": "sent",
    "seq": 17,
    "prev": 16,
    "at": AT,
    "author": "ann",
    "seat": SEAT,
    "technique": "rest",
    "n": 1,
    "id": 17,
    "text": "hello",
}
EXAMPLES: Json = {
    "SeatRequest": {"nick": "ann"},
    "SeatAnswer": {
        "room": "lab",
        "nick": "ann",
        "seat": SEAT,
        "seat_key": KEY,
        "start": 14,
        "epoch": EPOCH,
        "first": 1,
        "head": 16,
        "n": 0,
        "members": [MEMBER],
        "limits": LIMITS,
    },
    "TextBody": {"text": "hello"},
    "Receipt": {"n": 1, "seq": 17, "id": 17},
    "Message": {
        "id": 17,
        "author": "ann",
        "seat": SEAT,
        "technique": "rest",
        "at": AT,
        "text": "hello",
        "seq": 17,
    },
    "EventPage": {"events": [EVENT], "head": 17},
    "RoomState": {"room": "lab", "epoch": EPOCH, "head": 17},
    "RoomList": {"rooms": ["lab"]},
    "MemberList": {"members": [{**MEMBER, "seen": 17}]},
}

PROBLEMS = {
    400: ("bad_request", "the request is malformed"),
    401: ("access_denied", "the access token is missing or wrong"),
    403: (
        "seat_gone",
        "no seat has this key, another connection has taken it (`seat_taken`), or it may not do it",
    ),
    404: ("no_such_room", "the room or the message does not exist"),
    406: ("not_acceptable", "`Accept` must allow JSON"),
    409: ("nick_taken", "it conflicts with the present state"),
    410: ("no_such_message", "it existed and is gone"),
    412: ("precondition_failed", "it has changed in the meantime"),
    413: ("too_large", "the body is larger than `limits.frame_bytes`"),
    415: ("unsupported_media_type", "the body is not `application/json`"),
    422: ("bad_text", "a name or a text is not allowed, or the draft number was used with another content"),
    429: ("too_fast", "the rate limit is exceeded"),
    503: ("closing", "the server is going down, is full, or could not store the draft"),
}
BASE = (400, 401, 404, 406, 412, 422, 503)
BODY = (413, 415)
HEADERS: Json = {
    "ETag": "Names the state: the log, and the `seq` of its newest event.",
    "Location": "The new resource.",
    "Retry-After": "Seconds after which to try again, rounded up.",
}


def header(name: str) -> Json:
    example = {"ETag": TAG, "Location": "/rooms/lab/messages/17", "Retry-After": "1"}[name]
    return {"description": HEADERS[name], "schema": {"type": "string"}, "example": example}


def parameter(name: str, place: str, description: str, schema: Json, example: object) -> Json:
    made = {"name": name, "in": place, "description": description, "schema": schema, "example": example}
    return {**made, "required": True} if place == "path" else made


NUMBER = {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_NUMBER}
ROOM = parameter(
    "room", "path", "The room's name.", {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$"}, "lab"
)
SEAT_NAME = parameter(
    "seat",
    "path",
    "The seat's public name: a hash of its key.",
    {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    SEAT,
)
ID = parameter("id", "path", "The message: the `seq` of its `sent` event.", NUMBER, 17)
AFTER = parameter("after", "query", "The first events after this `seq`.", NUMBER, 16)
BEFORE = parameter("before", "query", "The last events before this `seq`.", NUMBER, 100)
LIMIT = parameter("limit", "query", "The number of events, at most; fewer if they are long.", NUMBER, 200)
WAIT_SECONDS = parameter(
    "wait",
    "query",
    "Seconds to wait for the first event after `after`; without `after` and `before`: for the next one "
    "(long polling).",
    {"type": "integer", "minimum": 0, "maximum": int(WAIT)},
    20,
)
DRAFT = parameter(
    "Idempotency-Key",
    "header",
    "The draft's number, counted from 1 for each seat. A draft that is sent again with the same number "
    "happens once, and gets the same answer. Without this header the server chooses the next number.",
    {"type": "string", "pattern": '^("[1-9][0-9]{0,14}"|[1-9][0-9]{0,14})$'},
    "1",
)
IF_MATCH = parameter(
    "If-Match",
    "header",
    "Change it only if its state is still the one that this tag names; otherwise 412.",
    {"type": "string"},
    TAG,
)
IF_NONE_MATCH = parameter(
    "If-None-Match",
    "header",
    "If the state is still the one that this tag names, answer 304.",
    {"type": "string"},
    TAG,
)


@dataclass(frozen=True)
class Operation:
    """One method of one resource."""

    method: str
    path: str
    name: str
    """The method of `backends.rest.resources.Resources`."""
    tag: str
    summary: str
    description: str
    answers: dict[int, tuple[str, type | None, tuple[str, ...]]]
    """By status: the description, the body's schema, the headers."""
    problems: tuple[int, ...] = ()
    parameters: tuple[Json, ...] = ()
    body: type | None = None
    seat: bool | None = False
    """Whether it needs a Seat-Key; None: optional."""
    links: Json = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its name in generated clients: a verb and its object, so it is no reserved word of a language."""
        first, *rest = self.name.split("_")
        return first + "".join(part.title() for part in rest)

    def responses(self) -> dict[int | str, Json]:
        """Return the answers in OpenAPI's form."""
        responses: dict[int | str, Json] = {}
        for status, (description, schema, headers) in self.answers.items():
            answer: Json = {"description": description}
            if schema is not None:
                answer["content"] = {"application/json": content(schema)}
            if headers:
                answer["headers"] = {name: header(name) for name in headers}
            if self.links and 200 <= status < 300:
                answer["links"] = self.links
            responses[status] = answer
        for status in sorted({*BASE, *self.problems, *(BODY if self.body else ())}):
            responses[status] = problem_answer(status)
        return responses

    def extra(self) -> Json:
        """Return the operation's other members in OpenAPI."""
        operation: Json = {"parameters": list(self.parameters)}
        if self.body is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": content(self.body)},
            }
        access: Json = {"access": []}
        seat: Json = {"seat": []}
        with_seat: list[Json] = [] if self.seat is False else [access | seat, seat]
        without: list[Json] = [] if self.seat else [access, {}]
        operation["security"] = with_seat + without  # importers take the first
        return operation


def content(schema: type) -> Json:
    made: Json = {"schema": {"$ref": SCHEMA.format(name=schema.__name__)}}
    if schema.__name__ in EXAMPLES:
        made["example"] = EXAMPLES[schema.__name__]
    return made


def problem_answer(status: int) -> Json:
    code, description = PROBLEMS[status]
    example = {
        "type": f"urn:chat:{code}",
        "title": TITLES[code],
        "status": status,
        "detail": description,
        "code": "bad_request" if code in KINDS.values() else code,
    }
    answer: Json = {
        "description": description[0].upper() + description[1:] + ".",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": SCHEMA.format(name="Problem")},
                "example": example,
            }
        },
    }
    if status in (409, 429, 503):
        answer["headers"] = {"Retry-After": header("Retry-After")}
    return answer


# --- the table ---------------------------------------------------------------------------------

MESSAGE_LINKS = {
    name: {"operationId": operation, "parameters": {"room": "$request.path.room", "id": "$response.body#/id"}}
    for name, operation in (("get", "getMessage"), ("edit", "editMessage"), ("delete", "deleteMessage"))
}
OPERATIONS = (
    Operation(
        "GET",
        "/rooms",
        "list_rooms",
        "rooms",
        "The names of all rooms",
        "Sorted. The first seat in a room creates it; it stays.",
        {200: ("The names.", RoomList, ())},
    ),
    Operation(
        "GET",
        "/rooms/{room}",
        "get_room",
        "rooms",
        "The state of a room",
        "Its log, and its newest event.",
        {
            200: ("The room.", RoomState, ("ETag",)),
            304: ("Nothing has changed.", None, ("ETag",)),
        },
        parameters=(ROOM, IF_NONE_MATCH),
    ),
    Operation(
        "GET",
        "/rooms/{room}/members",
        "list_members",
        "rooms",
        "The members of a room",
        "In the order in which they joined.",
        {200: ("The members.", MemberList, ())},
        problems=(429,),
        parameters=(ROOM,),
    ),
    Operation(
        "POST",
        "/rooms/{room}/seats",
        "take_seat",
        "seats",
        "Take a seat",
        "Or get a seat back, with its key. The key is in this answer only. The seat ends when no request "
        "with its key has come for four times `limits.grace` seconds.",
        {
            200: ("The seat was taken before, and is given back.", SeatAnswer, ("Location",)),
            201: ("The seat is new.", SeatAnswer, ("Location",)),
        },
        problems=(409,),
        parameters=(ROOM,),
        body=SeatRequest,
    ),
    Operation(
        "DELETE",
        "/rooms/{room}/seats/{seat}",
        "leave_room",
        "seats",
        "Leave",
        "Ends the seat; the nick is free again.",
        {204: ("The seat ends.", None, ())},
        problems=(403, 410),
        parameters=(ROOM, SEAT_NAME),
        seat=True,
    ),
    Operation(
        "GET",
        "/rooms/{room}/events",
        "list_events",
        "events",
        "The events of a room",
        "With `after` the first events after a `seq`, with `before` the last events before one, otherwise "
        "the newest. A page has at most `limits.page` events and about 256 KiB: read on after its last "
        "event, until you have read `head`. With a Seat-Key the request keeps the seat alive. If there is "
        "no event after `after`, and `If-None-Match` names the newest event, the answer is 304 without a "
        "body: the cheapest poll.",
        {
            200: ("A page of events.", EventPage, ("ETag",)),
            304: ("Nothing has changed.", None, ("ETag",)),
        },
        problems=(403, 429),
        parameters=(ROOM, AFTER, BEFORE, LIMIT, WAIT_SECONDS, IF_NONE_MATCH),
        seat=None,
    ),
    Operation(
        "POST",
        "/rooms/{room}/messages",
        "send_message",
        "messages",
        "Say something",
        "The answer comes when the message is stored.",
        {201: ("The message is stored.", Receipt, ("Location", "ETag"))},
        problems=(403, 429),
        parameters=(ROOM, DRAFT),
        body=TextBody,
        seat=True,
        links=MESSAGE_LINKS,
    ),
    Operation(
        "GET",
        "/rooms/{room}/messages/{id}",
        "get_message",
        "messages",
        "A message as it is now",
        "With its newest text; a message that was deleted is gone (410).",
        {
            200: ("The message.", Message, ("ETag",)),
            304: ("Nothing has changed.", None, ("ETag",)),
        },
        problems=(410, 429),
        parameters=(ROOM, ID, IF_NONE_MATCH),
    ),
    Operation(
        "PUT",
        "/rooms/{room}/messages/{id}",
        "edit_message",
        "messages",
        "Edit an own message",
        "Only the seat that sent a message may change it, while it is among the last 5,000 entries.",
        {200: ("The new text is stored.", Receipt, ("ETag",))},
        problems=(403, 409, 410, 429),
        parameters=(ROOM, ID, DRAFT, IF_MATCH),
        body=TextBody,
        seat=True,
    ),
    Operation(
        "DELETE",
        "/rooms/{room}/messages/{id}",
        "delete_message",
        "messages",
        "Delete an own message",
        "Under the same conditions as an edit. The text stays in the log.",
        {204: ("The deletion is stored, and `ETag` names its event.", None, ("ETag",))},
        problems=(403, 409, 410, 429),
        parameters=(ROOM, ID, DRAFT, IF_MATCH),
        seat=True,
    ),
)
