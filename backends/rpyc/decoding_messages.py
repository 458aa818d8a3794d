"""Reads the messages of RPyC for whoever looks at the wire: requests of both sides, replies, exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rpyc.core import consts

from backends.rpyc import codec
from backends.rpyc.decoding_brine import Value, is_pairs, read
from backends.rpyc.decoding_fields import Names, Reference, Writer, derive, derive_all, plain, shown, unbox
from backends.rpyc.service import METHODS, NAMES
from chat.interfaces.frames import Direction, Field, Frame, Role
from chat.transport.decoding.json_fields import take_note, written
from chat.transport.decoding.known_secrets import KnownSecrets
from chat.transport.decoding.open_calls import OpenCalls
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

PROTOCOL = "RPyC"
MAX_NAMES = 256
"""Objects of a connection whose names in Python are kept: methods, and the callback."""
CALLBACK = "callback"

Given = Mapping[str, Any]

_MESSAGES = {value: name for name, value in vars(consts).items() if name.startswith("MSG_")}
_BOUND = {repr(bound.name): name for bound, name in NAMES.items()}
"""Our server's methods, in case it was not captured how the client asked for them."""
_DRAFTS = ("send", "edit", "delete")
_WRITTEN = ("send", "edit")
_ROLES: dict[str, Role] = {
    "ping": "control",
    "del": "control",
    "getroot": "setup",
    "getattr": "setup",
    "inspect": "setup",
    "close": "setup",
    "login": "setup",
    "leave": "setup",
}
"""By the method, or by the handler."""
_ARGUMENTS: dict[int, Names] = {
    consts.HANDLE_PING: ("data",),
    consts.HANDLE_GETATTR: ("obj", "name"),
    consts.HANDLE_DELATTR: ("obj", "name"),
    consts.HANDLE_SETATTR: ("obj", "name", "value"),
    consts.HANDLE_CALL: ("obj", "args", "kwargs"),
    consts.HANDLE_CALLATTR: ("obj", "name", "args", "kwargs"),
    consts.HANDLE_REPR: ("obj",),
    consts.HANDLE_STR: ("obj",),
    consts.HANDLE_CMP: ("obj", "other", "op"),
    consts.HANDLE_HASH: ("obj",),
    consts.HANDLE_DIR: ("obj",),
    consts.HANDLE_PICKLE: ("obj", "proto"),
    consts.HANDLE_DEL: ("obj", "count"),
    consts.HANDLE_INSPECT: ("id_pack",),
    consts.HANDLE_BUFFITER: ("obj", "count"),
    consts.HANDLE_INSTANCECHECK: ("obj", "other_id_pack"),
}


@dataclass(slots=True)
class _Call:
    """A request, and what its answer needs to know of it."""

    name: str
    """What is called: the handler, and the method or attribute."""
    method: str = ""
    """The method of the service that is called, or `CALLBACK`."""
    attribute: str = ""
    """The attribute that is asked for."""
    drafts: set[int] = field(default_factory=set)
    seqs: set[int] = field(default_factory=set)

    @property
    def role(self) -> Role:
        return _ROLES.get(self.method or self.name.partition(" ")[0], "message")


class Messages:
    """The messages of one connection: a reply is understood by its request."""

    def __init__(self) -> None:
        self.secrets = KnownSecrets()
        """Those that came in messages so far."""
        self._calls: OpenCalls[_Call] = OpenCalls()
        self._names: dict[tuple[Direction, Any], str] = {}

    def decode(self, direction: Direction, message: bytes, at: int | None, below: Field) -> Frame:
        """Return the frame of a message, without its own bytes and root.

        Args:
            direction: of the message.
            message: in the form of RPyC 6, or of 4.1 to 5.
            at: where it begins in the frame; None: it was compressed, and its fields have no places.
            below: the field that gets those of the values.

        Raises:
            Undecodable: it is no message; as any exception of `decoding_brine.read` means.
        """
        older = codec.is_older(message)
        whole = read(message, 0 if older else 1)
        parts = whole.items or ()
        if len(parts) != (3 if older else 2):
            raise Undecodable("no message of RPyC: it has not the right number of values")
        kind = parts[0].value if older else message[0]
        number, content = parts[-2], parts[-1]
        if type(kind) is not int or kind not in _MESSAGES or type(number.value) is not int:
            raise Undecodable("no message of RPyC: it has no kind, or no number")
        frame = Frame(PROTOCOL, _MESSAGES[kind], b"", below)
        asked = direction if kind == consts.MSG_REQUEST else direction.back
        frame.stream = f"{asked.name.lower()} {number.value}"
        frame.answer = asked is not direction
        if kind == consts.MSG_REQUEST:
            writer = self._request(frame, direction, number.value, content, at)
        else:
            writer = self._answer(frame, direction, number.value, content, at)
        head = Field("", part="envelope")
        if older:
            head.add("tag", whole.tag, writer.span(whole.start, whole.body), "framing")
            head.add("msg", f"{kind} ({frame.kind})", writer.span(parts[0].start, parts[0].end))
        else:
            head.add("msg", f"{kind} ({frame.kind})", writer.span(0, 1))
            head.add("tag", whole.tag, writer.span(whole.start, whole.body), "framing")
        writer.value(head, "seq", number)
        below.fields[:0] = head.fields
        self.secrets.add(writer.secrets)
        if whole.end < len(message):
            frame.problem = f"{len(message) - whole.end} bytes are left over"
            below.add("rest", "", writer.span(whole.end, len(message)), "envelope", secret=True)
        return frame

    # --- requests ------------------------------------------------------------------------------

    def _request(
        self, frame: Frame, direction: Direction, number: int, content: Value, at: int | None
    ) -> Writer:
        if content.items is None or len(content.items) != 2 or type(content.items[0].value) is not int:
            raise Undecodable("a request without a handler")
        handler, box = content.items
        call, given = self._describe(direction, handler.value, unbox(box))
        fields = METHODS[call.method].__struct_fields__ if call.method in METHODS else ()
        known = {"args": fields, "arguments": _ARGUMENTS.get(handler.value, ())}
        writer = Writer(at, known, ("args", "kwargs") if call.method in _WRITTEN else ())
        below = frame.root
        below.add("tag", content.tag, writer.span(content.start, content.body), "framing")
        called = codec.HANDLERS.get(handler.value, "unknown")
        writer.value(below, "handler", handler)
        _annotate(below.fields[-1], f"HANDLE_{called.upper()}" if called != "unknown" else called)
        writer.box(below, "arguments", box)
        self._calls.add(direction, number, call)

        frame.role = call.role
        frame.drafts, frame.seqs = call.drafts, call.seqs
        frame.call = Field(call.name, part="envelope")
        if call.method in _DRAFTS:
            derive_all(frame.call, given, is_text=True)
            take_note(frame, {**given, "kind": "say" if call.method == "send" else call.method})
        else:
            derive_all(frame.call, given, is_text=call.method == CALLBACK and written(dict(given)))
            if call.method == CALLBACK:
                take_note(frame, plain(tuple(given.items())))
        frame.summary = _summary(frame.call)
        return writer

    def _describe(self, direction: Direction, handler: int, arguments: Any) -> tuple[_Call, Given]:
        """Return what is called, and the arguments by their names, or by their places."""
        name = codec.HANDLERS.get(handler, f"handler {handler}")
        given = arguments if type(arguments) is tuple else (arguments,)
        match handler, given:
            case consts.HANDLE_CALLATTR, (_, str() as method, tuple() as values, *rest):
                method = one_line(method)
                return self._method(direction, _Call(f"{name} {method}", method), values, rest)
            case consts.HANDLE_CALL, (Reference() as target, tuple() as values, *rest):
                key = _key(direction, target)
                method = self._names.get(key) or _BOUND.get(key[1], "")
                said = method or one_line(str(target))
                return self._method(direction, _Call(f"{name} {said}", method), values, rest)
            case consts.HANDLE_GETATTR, (_, str() as attribute):
                attribute = one_line(attribute)
                return _Call(f"{name} {attribute}", attribute=attribute), {}
            case consts.HANDLE_DEL | consts.HANDLE_REPR | consts.HANDLE_STR, (Reference() as target, *_):
                return _Call(f"{name} {one_line(str(target))}"), {}
        return _Call(name), _named(_ARGUMENTS.get(handler, ()), given)

    def _method(
        self, direction: Direction, call: _Call, values: tuple[Any, ...], rest: list[Any]
    ) -> tuple[_Call, Given]:
        """Return the call of a method, or of the client's function, with its arguments."""
        keywords = dict(rest[0]) if rest and is_pairs(rest[0]) else {}
        if call.method == CALLBACK and not keywords and len(values) == 1 and is_pairs(values[0]):
            return call, dict(values[0])  # a function that takes one argument
        known = METHODS[call.method].__struct_fields__ if call.method in METHODS else ()
        given = _named(known, values) | keywords
        function = given.get(CALLBACK)
        if call.method == "login" and isinstance(function, Reference):
            self._name(direction, function, CALLBACK)
        return call, given

    def _name(self, direction: Direction, reference: Reference, name: str) -> None:
        if len(self._names) < MAX_NAMES:
            self._names[_key(direction, reference)] = name

    # --- replies and exceptions ----------------------------------------------------------------

    def _answer(
        self, frame: Frame, direction: Direction, number: int, content: Value, at: int | None
    ) -> Writer:
        call = self._calls.answered(direction, number) or _Call("unknown request")
        frame.role = "control" if call.method == CALLBACK else call.role
        frame.drafts = call.drafts
        if call.method == CALLBACK:
            frame.seqs = call.seqs  # acknowledged
        frame.call = Field(call.name, part="envelope")
        writer = Writer(at, _EXCEPTION)
        if frame.kind == "MSG_REPLY":
            self._returned(frame, direction, call, content, writer)
        else:
            _raised(frame, content, writer)
        frame.summary = _summary(frame.call)
        return writer

    def _returned(
        self, frame: Frame, direction: Direction, call: _Call, content: Value, writer: Writer
    ) -> None:
        value = unbox(content)
        writer.box(frame.root, "result", content)
        assert frame.call is not None
        if call.attribute and isinstance(value, Reference):
            self._name(direction, value, call.attribute)
        if call.method in _DRAFTS and type(value) is int and value > 0:
            frame.seqs.add(value)
        elif call.method != CALLBACK:
            take_note(frame, plain(value))
        if is_pairs(value):
            derive_all(frame.call, dict(value), is_text=False)
        elif type(value) is tuple:
            derive(frame.call, "result", value)
        else:
            frame.call.value = shown(value)


_EXCEPTION: dict[str, Names] = {
    "exception": ("class", "args", "attributes", "traceback"),
    "class": ("module", "name"),
}


def _raised(frame: Frame, content: Value, writer: Writer) -> None:
    """Add an exception: its class, arguments, attributes and traceback, as `rpyc.core.vinegar` has them."""
    writer.value(frame.root, "exception", content)
    assert frame.call is not None
    match content.value:
        case ((str() as module, str() as name), tuple() as args, tuple() as attributes, _):
            frame.call.value = one_line(f"{module}.{name}: {', '.join(map(str, args))}")
            fields = dict(attributes) if is_pairs(attributes) else {}
            derive_all(frame.call, fields, is_text=False)
            take_note(frame, {"kind": "error", "n": fields.get("n")})
        case consts.EXC_STOP_ITERATION:
            frame.call.value = "StopIteration"
        case _:
            frame.call.value = shown(content.value)


def _key(direction: Direction, reference: Reference) -> tuple[Direction, Any]:
    """Return whose object it is, and its name; the direction is that of the message that names it."""
    return direction.back if reference.of_receiver else direction, one_line(repr(reference.id_pack))


def _named(names: Names, values: tuple[Any, ...]) -> dict[str, Any]:
    return {names[i] if i < len(names) else f"[{i}]": value for i, value in enumerate(values)}


def _annotate(field: Field, meaning: str) -> None:
    field.value = f"{field.value} ({meaning})"


def _summary(called: Field) -> str:
    words = [called.name, called.value, *(f"{one.name}={one.value or '...'}" for one in called.fields)]
    return one_line(" ".join(filter(None, words)))
