"""Decodes the HTTP of the REST API for whoever looks at the wire: what each request and answer means."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from backends.rest.headers import whole_number
from backends.rest.operations import OPERATIONS
from chat.interfaces.frames import MASK, Field, Role
from chat.transport.decoding.http1 import HttpDecoder, HttpMessage
from chat.transport.decoding.json_fields import WRITTEN, Object, add_json, summary_of, take_note
from chat.transport.decoding.text import one_line

DRAFTS = ("send_message", "edit_message", "delete_message")
"""The operations that carry a draft."""
_SETUP = ("take_seat", "leave_room", "contract")
_ROUTES = [
    (one.method, one.name, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/?]+)", one.path))) for one in OPERATIONS
]
_CONTRACT = re.compile(r"/openapi\.json|/docs(?:/.*)?")
_SEQ = re.compile(r'"[^"]*-([0-9]{1,16})"')
_JSON_TYPE = re.compile(r"application/(?:.+\+)?json")


def make_decoder(transport: str) -> RestDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return RestDecoder()


class RestDecoder(HttpDecoder):
    """The resources of `openapi.json`; requests that are not in it are shown as what they are."""

    def describe(self, message: HttpMessage) -> None:
        frame = message.frame
        operation, path = route(message.method, message.target)
        call = Field(_called(message), part="envelope")
        frame.call = call
        if message.status:
            call.value = one_line(f"{message.status} {message.reason}".strip())
        else:
            _add_arguments(call, message, path)
        value = _read_content(message)
        call.fields += message.body.fields
        if value is not None:
            frame.summary += f" {_summary(value)}"
        if isinstance(value, dict):
            _note_texts(message, value)
        if message.status:
            _note_answer(message, operation, value)
        elif operation in DRAFTS and (n := _number(message.headers.get("idempotency-key", ""))):
            frame.drafts.add(n)
        frame.role = _role(message, operation, value)


@lru_cache(256)
def route(method: str, target: str) -> tuple[str, dict[str, str]]:
    """Return the operation of a request, see `Operation.name`, and the parameters in its path.

    The operation is ``contract`` for the documentation, and "" for what is not in the contract. The method
    HEAD has that of GET.
    """
    path = target.partition("?")[0]
    for one, name, pattern in _ROUTES:
        if one == ("GET" if method == "HEAD" else method) and (found := pattern.fullmatch(path)):
            return name, found.groupdict()
    return ("contract" if method in ("GET", "HEAD") and _CONTRACT.fullmatch(path) else ""), {}


def _called(message: HttpMessage) -> str:
    """Return the name of the call: the method and the path of the request."""
    if not message.method:
        return "an answer without its request"
    return one_line(f"{message.method} {message.shown_target.partition('?')[0]}")


def _add_arguments(call: Field, message: HttpMessage, path: dict[str, str]) -> None:
    for name, value in path.items():
        call.add(name, one_line(value))
    call.fields += message.parameters
    for header in ("Idempotency-Key", "If-Match", "If-None-Match"):
        if (said := message.headers.get(header.lower())) is not None:
            call.add(header, one_line(said))
    if "seat-key" in message.headers:
        call.add("Seat-Key", MASK, secret=True)


def _read_content(message: HttpMessage) -> Any:
    """Return the JSON of a body, with its fields added; None: there is none."""
    if not message.content or not _JSON_TYPE.fullmatch(message.media_type):
        return None
    return add_json(message.body, message.content, message.at, _is_written)


def _is_written(fields: Object) -> bool:
    """Return whether a person wrote the ``text``: of a request, of a message, or of an event with one."""
    kind = fields.get("kind", "sent")
    return isinstance(kind, str) and kind in WRITTEN


def _note_texts(message: HttpMessage, value: Object) -> None:
    """Add the texts and numbers; a request and a message have no ``kind``, events have one."""
    text = value.get("text")
    if "kind" not in value and isinstance(text, str):
        message.frame.texts.append(text)
        if message.status and (seq := _counted(value.get("seq"))):
            message.frame.seqs.add(seq)
    take_note(message.frame, value)


def _note_answer(message: HttpMessage, operation: str, value: Any) -> None:
    """Add to an answer what its request carried, and to the request what only its answer says."""
    frame, request = message.frame, message.request.frame if message.request else None
    if operation in DRAFTS:
        if request is not None:
            frame.drafts |= request.drafts
        fields = value if isinstance(value, dict) else {}
        if n := _counted(fields.get("n")):
            frame.drafts.add(n)
        seq = _counted(fields.get("seq"))
        if operation == "delete_message" and (tag := _SEQ.fullmatch(message.headers.get("etag", ""))):
            seq = int(tag[1])
        if seq and 200 <= message.status < 300:
            frame.seqs.add(seq)
    if request is not None:
        request.drafts |= frame.drafts
        if operation in (*DRAFTS, "list_events"):
            request.seqs |= frame.seqs


def _role(message: HttpMessage, operation: str, value: Any) -> Role:
    if operation in _SETUP:
        return "setup"
    if message.method in ("HEAD", "OPTIONS"):
        return "control"
    if operation == "list_events" and asks_for_news(message):
        empty = message.status == 304 or (isinstance(value, dict) and value.get("events") == [])
        return "poll" if empty or not message.status else "message"
    return "message"


def asks_for_news(message: HttpMessage) -> bool:
    """Return whether a request for events is a poll, and no look at old ones."""
    names = {field.name for field in message.parameters}
    return "before" not in names and bool(names & {"after", "wait"})


def _summary(value: Any) -> str:
    if isinstance(value, dict) and isinstance(events := value.get("events"), list) and len(events) == 1:
        return summary_of(events[0])
    return summary_of(value)


def _number(text: str) -> int:
    digits = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    return whole_number(digits.encode()) or 0


def _counted(number: object) -> int:
    return number if type(number) is int and number > 0 else 0
