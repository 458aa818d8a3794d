"""Attributes of XML Schema instances that toolkits add to a request by themselves. No I/O.

Many write ``xsi:nil="true"``, or an empty element, for a value that is absent, and some name the type of
every element (SOAP::Lite always does). A validator refuses both where the schema has no nillable elements.
They say nothing that the WSDL does not say, so they are read here and taken out before the schema checks the
rest (XML Schema part 1, 2.6.1 and 2.6.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lxml import etree

from backends.soap.conversion import TNS, XSD
from backends.soap.xml_reader import LONGEST, name_of, refused
from chat.domain.json_codec import shorten
from chat.domain.validation import printable

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"
TYPE = f"{{{XSI}}}type"
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Declared(Protocol):
    """What the schema says about an element."""

    @property
    def required(self) -> bool: ...

    @property
    def types(self) -> tuple[str, ...]:
        """The names that ``xsi:type`` may give, as ``{namespace}name``."""


def take_out(element: Any, places: Mapping[str, tuple[int, Declared]]) -> None:
    """Take ``xsi:nil`` and ``xsi:type`` out of a request, and its optional elements that have no value.

    Args:
        element: the operation's; it is changed.
        places: the declared elements in it, by their tags.

    Raises:
        Refused: an attribute says something else than the WSDL; with the element and the rule.
    """
    _check_type(element, (element.tag,))  # the type of an operation's element has its name
    _is_nil(element)  # an element without content is what nil says, and the schema decides about that
    for child in list(element):
        _, field = places.get(child.tag, (0, None))
        if field is None:
            continue  # the schema refuses it
        _check_type(child, field.types)
        nil = _is_nil(child)
        if nil and field.required:
            raise refused(
                f"Element '{name_of(child)}': xsi:nil is for optional elements, and this one is required"
            )
        if not field.required and not len(child) and not child.text:
            element.remove(child)


def _is_nil(element: Any) -> bool:
    """Take the attribute out; return whether it says that there is no value."""
    said = element.attrib.pop(NIL, None)
    if said is None:
        return False
    nil = BOOLEANS.get(said.strip())
    if nil is None:
        what = f"xsi:nil is true or false, and not '{shorten(printable(said), LONGEST)}'"
        raise refused(f"Element '{name_of(element)}': {what}")
    if nil and (len(element) or element.text):
        raise refused(f"Element '{name_of(element)}': xsi:nil says that it is empty, and it has content")
    return nil


def _check_type(element: Any, allowed: tuple[str, ...]) -> None:
    """Take the attribute out. Raises `Refused` if it names another type."""
    said = element.attrib.pop(TYPE, None)
    if said is None:
        return
    prefix, _, local = said.strip().rpartition(":")
    namespace = element.nsmap.get(prefix or None, "")
    if f"{{{namespace}}}{local}" not in allowed:
        types = " or ".join(map(_short, allowed))
        named, space = (shorten(printable(name), LONGEST) for name in (said, namespace))
        other = f"and not '{named}' of the namespace '{space}'"
        raise refused(f"Element '{name_of(element)}': xsi:type may be {types}, {other}")


def _short(type: str) -> str:
    name = etree.QName(type)
    return {TNS: "", XSD: "xs:"}[name.namespace or ""] + str(name.localname)
