"""XML with the place of each element: fields for a decoder. No document types, no entities of their own.

expat reads the XML and tells where each tag begins; where a tag ends is looked up in the bytes. Prefixes are
resolved here: expat would write the namespace before each name, which may be long, and there may be many.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from xml.parsers import expat

from chat.interfaces.frames import MASK, Field
from chat.transport.decoding.secrets import is_secret
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

MAX_DEPTH = 64
"""Elements inside each other. An envelope of the chat has six."""
MAX_NODES = 20_000
"""Elements and attributes of one document. A page of the chat has fewer than 3,000."""

_TAG = re.compile(rb"""<[^<>"']*(?:(?:"[^"]*"|'[^']*')[^<>"']*)*>""")
_ATTRIBUTE = re.compile(rb"""[\s"']([^\s=<>"'/]+)\s*=\s*("[^"]*"|'[^']*')""")
_CDATA = re.compile(rb"<!\[CDATA\[((?:(?!\]\]>).)*)\]\]>", re.DOTALL)
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
"""The first bytes of UTF-16, whose bytes are not looked through."""


@dataclass(slots=True)
class Element:
    """An element, as far as a decoder needs to know it."""

    name: str
    """Without its prefix."""
    namespace: str
    """Empty: none, or a prefix that nobody declared."""
    field: Field
    text: str = ""
    """The characters in it, if there are no elements in it."""
    place: tuple[int, int] | None = None
    """Where they are in the frame."""
    elements: list[Element] = dataclasses.field(default_factory=list)
    declared: dict[str, str] = dataclasses.field(default_factory=dict)
    """The namespaces of the prefixes that it declares."""

    def find(self, *names: str) -> Element | None:
        """Return the first element with such a name, and so on below it; None: there is none."""
        found: Element | None = self
        for name in names:
            found = next((one for one in found.elements if one.name == name), None) if found else None
        return found

    def text_of(self, name: str) -> str:
        """Return the text of the first element with this name; "" without one."""
        return found.text if (found := self.find(name)) else ""

    def mark_text(self) -> None:
        """Say that a person wrote the text."""
        self.field.add("text", self.field.value, self.place, "payload")


def add_xml(parent: Field, data: bytes, at: int | None = 0) -> Element:
    """Add a field for each element and attribute of a document below ``parent``; return its root element.

    Args:
        parent: the field that holds the document.
        data: the document.
        at: where it begins in the frame; None: it is derived, and has no bytes of its own.

    Raises:
        Undecodable: it is not well-formed, has a document type, or is larger than our bounds.
    """
    reader = _Reader(parent, data, None if data.startswith(_WIDE) else at)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Undecodable(f"not XML: {expat.ErrorString(error.code)}, line {error.lineno}") from None
    assert reader.root is not None
    return reader.root


class _Reader:
    """Builds the fields while expat reads."""

    def __init__(self, parent: Field, data: bytes, at: int | None) -> None:
        self.root: Element | None = None
        self._parent, self._data, self._at = parent, data, at
        self._open: list[Element] = []
        self._begins: list[int] = []
        """Where the contents of the open elements begin."""
        self._text: list[str] = []
        self._nodes = 0
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append

    def _doctype(self, *_: object) -> None:
        raise Undecodable("XML with a document type")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._nodes += 1 + len(attributes) // 2
        if self._nodes > MAX_NODES:
            raise Undecodable(f"XML with more than {MAX_NODES} elements and attributes")
        if len(self._open) == MAX_DEPTH:
            raise Undecodable(f"XML nested more than {MAX_DEPTH} levels deep")
        begin = self.parser.CurrentByteIndex
        found = _TAG.match(self._data, begin) if self._at is not None else None
        end = found.end() if found else begin
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True))
        parent = self._open[-1].field if self._open else self._parent
        field = parent.add(one_line(name), "", self._place(begin, end), "envelope")
        element = Element(name.rpartition(":")[2], "", field)
        element.declared = {
            key[6:]: value for key, value in pairs if key == "xmlns" or key.startswith("xmlns:")
        }
        self._add_attributes(field, pairs, begin, found[0] if found else b"")
        if self._open:
            self._open[-1].elements.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._begins.append(end)
        element.namespace = self._namespace(name.rpartition(":")[0])
        self._text.clear()

    def _add_attributes(self, field: Field, pairs: list[tuple[str, str]], begin: int, tag: bytes) -> None:
        places = [found.span(2) for found in _ATTRIBUTE.finditer(tag)]
        for number, (name, value) in enumerate(pairs):
            secret = is_secret(name.rpartition(":")[2])
            place = None
            if len(places) == len(pairs):
                start, end = places[number]
                place = self._place(begin + start + 1, begin + end - 1)  # without the quotation marks
            field.add(one_line(name), MASK if secret else one_line(value), place, secret=secret)

    def _namespace(self, prefix: str) -> str:
        for element in reversed(self._open):
            if prefix in element.declared:
                return element.declared[prefix]
        return ""

    def _end(self, name: str) -> None:
        element, begin = self._open.pop(), self._begins.pop()
        end = self.parser.CurrentByteIndex
        field = element.field
        if field.span is not None:
            close = _TAG.match(self._data, end) if end > begin or self._data[begin - 2] != 0x2F else None
            place = self._place(0, close.end() if close else max(begin, end))
            assert place is not None
            field.span = field.span[0], place[1]
        if not element.elements:
            element.text = "".join(self._text)
            self._set_text(element, begin, max(begin, end))
        self._text.clear()

    def _set_text(self, element: Element, begin: int, end: int) -> None:
        field = element.field
        if self._at is not None and (whole := _CDATA.fullmatch(self._data, begin, end)):
            begin, end = whole.span(1)
        element.place = self._place(begin, end)
        if is_secret(element.name) and element.text:
            field.value = MASK
            field.add("text", MASK, element.place, secret=True)
        else:
            field.value = one_line(element.text)

    def _place(self, begin: int, end: int) -> tuple[int, int] | None:
        return None if self._at is None else (self._at + begin, self._at + end)
