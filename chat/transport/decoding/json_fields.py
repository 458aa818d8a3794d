"""JSON with the place of each value: fields for a decoder, and what the chat's objects mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeGuard

from chat.domain.json_codec import EVENT_KINDS
from chat.domain.json_depth import MAX_DEPTH, too_deep
from chat.interfaces.frames import MASK, Field, Frame
from chat.transport.decoding.secrets import is_secret
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

SECRETS = frozenset(("access", "seat_key"))
"""The names of the chat's fields that hold a secret, on every technique. In JSON, which anybody may have
written, there are more: see `is_secret`."""
MAX_VALUES = 20_000
"""Values in one text; of one with more nothing is decoded. A page of the chat has fewer than 3,000."""
WRITTEN = frozenset(("say", "edit", "sent", "edited"))
"""The kinds of objects whose ``text`` a person wrote."""

_DRAFTS = ("say", "edit", "delete")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.0-9A-Za-z]+|[{}\[\]]', re.DOTALL)

Object = dict[str, Any]


def written(fields: Object) -> bool:
    """Return whether a person wrote the ``text`` of the object."""
    return _kind(fields) in WRITTEN


def _kind(fields: Object) -> str:
    kind = fields.get("kind")
    return kind if isinstance(kind, str) else ""  # a list or an object can't be looked up


def add_json(
    parent: Field, data: bytes, at: int | None = 0, is_text: Callable[[Object], bool] = written
) -> Any:
    """Add a field for each value of a JSON text below ``parent``, and return the value (RFC 8259).

    Args:
        parent: the field that holds the text.
        data: the text, UTF-8.
        at: where it begins in the frame; None: the text is derived, and has no bytes of its own.
        is_text: says whether a person wrote the ``text`` of an object.

    Raises:
        Undecodable: it is not JSON, is nested more deeply than `MAX_DEPTH`, or has more than `MAX_VALUES`.
    """
    if too_deep(data):
        raise Undecodable(f"JSON nested more than {MAX_DEPTH} levels deep")
    try:
        value = json.loads(data.decode())  # of bytes, json would guess the encoding
    except UnicodeDecodeError:
        raise Undecodable("not UTF-8") from None
    except ValueError as error:
        raise Undecodable(f"not JSON: {error}") from None
    _Walk(data, at, is_text).add(parent, "")
    return value


class _Walk:
    """Walks through the tokens of a text that is known to be JSON."""

    def __init__(self, data: bytes, at: int | None, is_text: Callable[[Object], bool]) -> None:
        self._data, self._at, self._is_text = data, at, is_text
        self._tokens = _TOKEN.finditer(data)
        self._count = 0

    def add(self, parent: Field, name: str) -> Any:
        """Add the fields of the next value, and return it. The outermost one has no field of its own."""
        return self._value(parent, name, next(self._tokens).span())

    def _value(self, parent: Field, name: str, span: tuple[int, int]) -> Any:
        token = self._data[slice(*span)]
        self._count += 1
        if self._count > MAX_VALUES:
            raise Undecodable(f"JSON with more than {MAX_VALUES} values")
        if token not in (b"{", b"["):
            secret = is_secret(name) and token not in (b'""', b"null")
            if secret and token.startswith(b'"'):  # masked, it is a string still
                span = span[0] + 1, span[1] - 1
            text = MASK if secret else shown(token)
            parent.add(name or "value", text, self._place(*span), "envelope", secret=secret)
            return json.loads(token)
        below = parent.add(name, "", None, "envelope") if name else parent
        value, end = (self._object if token == b"{" else self._list)(below)
        if name:
            below.span = self._place(span[0], end)
        if is_secret(name):  # as a whole: what is in it may have any name
            below.fields.clear()
            below.secret, below.value = True, MASK
        return value

    def _object(self, below: Field) -> tuple[Object, int]:
        value: Object = {}
        for token in self._tokens:
            if token[0] == b"}":
                if self._is_text(value):
                    for field in below.fields:
                        if field.name == "text" and field.value.startswith('"'):
                            field.part = "payload"
                            if field.span is not None:  # the quotation marks are no part of the text
                                field.span = field.span[0] + 1, field.span[1] - 1
                return value, token.end()
            key = json.loads(token[0])
            value[key] = self.add(below, one_line(key))
        raise Undecodable("an object without an end")

    def _list(self, below: Field) -> tuple[list[Any], int]:
        value: list[Any] = []
        for token in self._tokens:
            if token[0] == b"]":
                return value, token.end()
            value.append(self._value(below, f"[{len(value)}]", token.span()))
        raise Undecodable("an array without an end")

    def _place(self, start: int, end: int) -> tuple[int, int] | None:
        return None if self._at is None else (self._at + start, self._at + end)


def shown(token: bytes) -> str:
    """Return a value as it is shown: in its own notation, without control characters."""
    return one_line(token)


def take_note(frame: Frame, value: Any) -> None:
    """Add to a frame the texts, drafts and seqs of the chat's objects in a JSON value."""
    if isinstance(value, list):
        for one in value:
            take_note(frame, one)
    if not isinstance(value, dict):
        return
    kind, n, seq = _kind(value), value.get("n"), value.get("seq")
    if kind in (*_DRAFTS, "ack", "error") and _counts(n):
        frame.drafts.add(n)
    if (kind in EVENT_KINDS or kind == "ack") and _counts(seq):
        frame.seqs.add(seq)
    if written(value) and isinstance(value.get("text"), str):
        frame.texts.append(value["text"])
    take_note(frame, value.get("events"))


def stream_of(value: Object) -> str:
    """Return what pairs a request with its answer: its ``ref``, or the draft's number."""
    if _counts(ref := value.get("ref")):
        return f"ref {ref}"
    if _kind(value) in (*_DRAFTS, "ack", "error") and _counts(n := value.get("n")):
        return f"n {n}"
    return ""


def _counts(number: object) -> TypeGuard[int]:
    return type(number) is int and number > 0


def summary_of(value: Any) -> str:
    """Return the chat's object on one line: its kind, and what is special about it."""
    if isinstance(value, list):
        return f"{len(value)} values"
    if not isinstance(value, dict):
        return one_line(json.dumps(value, ensure_ascii=False))
    parts = [str(value["kind"])] if "kind" in value else []
    for name, one in value.items():
        if name == "kind":
            continue
        if is_secret(name) and one:
            one = MASK
        if isinstance(one, list):
            parts.append(f"{name}: {len(one)}")
        elif not isinstance(one, dict):
            parts.append(f"{name}={json.dumps(one, ensure_ascii=False)}")
    return one_line(" ".join(parts))


def call_of(value: Any) -> Field | None:
    """Return the call that an object of the line protocols makes or answers; see `Frame.call`."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return None
    call = Field(one_line(value["kind"]), part="envelope")
    for name, one in value.items():
        if name != "kind":
            text = name == "text" and written(value)
            secret = is_secret(name) and bool(one)
            value_shown = MASK if secret else one_line(json.dumps(one, ensure_ascii=False))
            call.add(one_line(name), value_shown, part="payload" if text else "envelope", secret=secret)
    return call
