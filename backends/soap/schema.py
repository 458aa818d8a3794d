"""The contract as spyne has it: the schema that every request is checked against, and the operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from backends.soap.conversion import TNS, XSD, snake
from backends.soap.service import Chat
from backends.soap.spyne_compat import Application, ComplexModel, Integer32, Long, Soap11, Unicode
from backends.soap.spyne_compat import Fault as SpyneFault
from backends.soap.xml_reader import refused, why_invalid

TRANSPORT = "http://schemas.xmlsoap.org/soap/http"
OURS = "tns"
"""The prefix of the chat's namespace in responses."""
SEAT_KEY = f"{{{TNS}}}seatKey"
"""The tag of a seat key in a request."""
BUILT_IN = ((Unicode, "string"), (Long, "long"), (Integer32, "int"))
"""The types that the elements of requests restrict, and their names in XML Schema."""


@dataclass(frozen=True, slots=True)
class Field:
    """An element of a struct."""

    tag: str
    element: str
    """The tag as a response has it."""
    name: str
    """The attribute of the model's value."""
    required: bool
    """It is written even if the value is empty."""
    many: bool
    """The value is a sequence, with an element for each item."""
    read: Callable[[str], Any]
    """Makes a value of the element's text, which the schema has checked."""
    fields: tuple[Field, ...]
    """The elements in it, if it is a struct."""
    types: tuple[str, ...]
    """Its type and, if that is a restriction, the built-in type below, as ``{namespace}name``."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    name: str
    function: Callable[..., Coroutine[Any, Any, Sequence[Any]]]
    """Takes a `Call` and the values of the request's fields; returns those of the response's."""
    places: dict[str, tuple[int, Field]]
    """The request's fields by their tags, each with its position among the arguments."""
    element: str
    """The response's element, as it is written."""
    fields: tuple[Field, ...]
    """The response's fields."""

    def seat_key(self, arguments: Sequence[Any]) -> str:
        """Return the key of the seat that a call is about; "" if it is about none, or takes one."""
        if self.name == "Join" or SEAT_KEY not in self.places:
            return ""
        place, _ = self.places[SEAT_KEY]
        return str(arguments[place] or "")


class Contract:
    """The schema and the operations that spyne makes of `backends.soap.service`.

    Making one takes a while, and writes and reads files: do it in a thread.
    """

    def __init__(self) -> None:
        self.app = application()
        self._validator = self.app.in_protocol
        found = self.app.interface.method_id_map.values()
        self.operations = {f"{{{TNS}}}{one.name}": _operation(one) for one in found}

    def check(self, element: Any) -> None:
        """Raise `Refused` unless the schema allows this element."""
        try:
            self._validator.validate_document(element)
        except SpyneFault:
            found = self._validator.validation_schema.error_log
            why = why_invalid(found[0].message) if len(found) else "unknown"
            raise refused(f"not as the WSDL has it: {why}") from None


def application() -> Any:
    """Return spyne's application. It is made for SOAP 1.1; the bodies of SOAP 1.2 are the same."""
    made = Application(
        [Chat], tns=TNS, name="Chat", in_protocol=Soap11(validator="lxml"), out_protocol=Soap11()
    )
    made.transport = TRANSPORT
    return made


def _operation(found: Any) -> Operation:
    asked = enumerate(_fields(found.in_message))
    return Operation(
        found.name,
        found.function,
        {field.tag: (place, field) for place, field in asked},
        f"{OURS}:{found.out_message.get_type_name()}",
        _fields(found.out_message),
    )


def _fields(struct: Any) -> tuple[Field, ...]:
    return tuple(
        Field(
            f"{{{TNS}}}{name}",
            f"{OURS}:{name}",
            snake(name),
            kind.Attributes.min_occurs > 0,
            kind.Attributes.max_occurs > 1,
            _number if issubclass(kind, Long | Integer32) else str,
            _fields(kind) if issubclass(kind, ComplexModel) else (),
            (f"{{{TNS}}}{kind.get_type_name()}", *_built_in(kind)),
        )
        for name, kind in struct._type_info.items()
    )


def _built_in(kind: Any) -> tuple[str, ...]:
    """Return the name of the type in XML Schema that a simple type restricts."""
    return tuple(f"{{{XSD}}}{name}" for base, name in BUILT_IN if issubclass(kind, base))


def _number(text: str) -> int:
    """Return an integer that the schema allows, with any number of leading zeros."""
    return int(text.strip().lstrip("+-0") or 0)  # int() refuses more than 4300 digits; no number is negative


@cache
def contract() -> Contract:
    """Return the contract, made once. Call it in a thread."""
    return Contract()
