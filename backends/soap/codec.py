"""SOAP messages of both versions: reads requests, writes responses and faults. No I/O.

spyne knows the types and operations, and its schema checks every request. Envelopes are read and written
here: spyne accepts what SOAP forbids (document types, a second Body, headers that must be understood, a fault
as a request), and takes four times as long. SOAP 1.1 is the W3C note of 2000-05-08, SOAP 1.2 the
recommendation of 2007-04-27.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from xml.sax.saxutils import escape

from lxml import etree

from backends.soap.conversion import FAULT_NAMES, TNS, WSSE, fault_text, is_server_fault
from backends.soap.schema import OURS, Contract, Field, Operation, contract
from backends.soap.xml_reader import FaultCode, Refused, name_of, parse, refused
from backends.soap.xsi import take_out
from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import shorten
from chat.domain.model import Event
from chat.domain.validation import printable
from chat.language import N_

CARRIAGE_RETURN = {"\r": "&#13;"}
"""A parser would take it for a line feed (XML 1.0, 2.11)."""
PAGES = 4
"""Responses to Fetch that are kept: many clients ask for the same one."""
MAX_ATTRIBUTES = 16
"""Attributes of an element: the schema needs a hundred milliseconds for ten thousand of them."""
MAX_NAMED = 8
"""Headers that were not understood and are named in the fault."""
SECURITY = f"{{{WSSE}}}Security"
SERVER_FAILED = N_("the server failed: its log says why")


@dataclass(frozen=True, slots=True)
class Message:
    """The contents of an envelope."""

    body: Any
    """The one element in the Body."""
    security: Any
    """The header ``wsse:Security``; None: there is none."""


class Codec:
    """One version of SOAP."""

    version: ClassVar[str]
    media_type: ClassVar[str]
    namespace: ClassVar[str]
    """The envelope's."""
    prefix: ClassVar[str] = "soap"
    actor: ClassVar[str]
    """The attribute of a header that names its receiver."""
    actors: ClassVar[tuple[str, ...]]
    """The receivers that this server is."""

    def __init__(self, contract: Contract) -> None:
        self.content_type = f"{self.media_type}; charset=utf-8"
        envelope, body = f"{self.prefix}:Envelope", f"{self.prefix}:Body"
        spaces = f'xmlns:{self.prefix}="{self.namespace}" xmlns:{OURS}="{TNS}"'
        self._begin = f"<?xml version='1.0' encoding='UTF-8'?>\n<{envelope} {spaces}><{body}>"
        self._end = f"</{body}></{envelope}>"
        self._contract = contract
        self.page = lru_cache(PAGES)(self._page)

    # --- requests ------------------------------------------------------------------------------

    def open(self, data: bytes) -> Message:
        """Return the contents of an envelope. Raises `Refused`."""
        root = parse(data)
        env = self.namespace
        if root.tag != f"{{{env}}}Envelope":
            raise _wrong_envelope(root.tag, self.version)
        parts = [part.tag for part in root]
        if parts not in ([f"{{{env}}}Body"], [f"{{{env}}}Header", f"{{{env}}}Body"]):
            raise refused("an envelope holds at most one Header, and then one Body")
        security = None
        unknown = []
        for header in root[0] if len(root) > 1 else ():
            if header.get(f"{{{env}}}{self.actor}", "") not in self.actors:
                continue
            if header.tag == SECURITY and security is None:
                security = header
            elif header.get(f"{{{env}}}mustUnderstand") in ("1", "true"):
                unknown.append(header.tag)
        if unknown:
            named = tuple(unknown[:MAX_NAMED])
            error = BadRequest(
                f"a header that must be understood is unknown: {shorten(printable(', '.join(named)))}"
            )
            raise Refused(error, FaultCode("MustUnderstand", headers=named))
        body = root[-1]
        if len(body) != 1:
            raise refused(f"a Body holds one element, this one holds {len(body)}")
        return Message(body[0], security)

    def read(self, message: Message) -> tuple[Operation, list[Any]]:
        """Return the operation and its arguments, None for one that is absent. Raises `Refused`."""
        element = message.body
        operation = self._contract.operations.get(element.tag)
        if operation is None:
            raise refused(f"there is no operation {shorten(printable(element.tag))}: see the WSDL")
        for part in element.iter():
            if len(part.attrib) > MAX_ATTRIBUTES:
                rule = f"an element may have {MAX_ATTRIBUTES} attributes, and none needs one"
                raise refused(f"Element '{name_of(part)}': {rule}")
        take_out(element, operation.places)
        self._contract.check(element)
        arguments: list[Any] = [None] * len(operation.places)
        for child in element:
            place, field = operation.places[child.tag]
            arguments[place] = field.read(child.text)
        return operation, arguments

    # --- responses -----------------------------------------------------------------------------

    def write(self, operation: Operation, values: Sequence[Any]) -> bytes:
        """Return the response with these values."""
        inside = "".join(_written(*one) for one in zip(operation.fields, values, strict=True))
        name = operation.element
        element = f"<{name}>{inside}</{name}>" if inside else f"<{name}/>"
        return f"{self._begin}{element}{self._end}".encode()

    def _page(self, operation: Operation, head: int, events: tuple[Event, ...]) -> bytes:
        """Write the response of Fetch; `page` keeps it, because many clients ask for the same one."""
        return self.write(operation, (head, events))

    def fault(self, error: ChatError, code: FaultCode | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the message of an error."""
        raise NotImplementedError

    def _envelope(self) -> Any:
        return etree.Element(f"{{{self.namespace}}}Envelope", nsmap={self.prefix: self.namespace})

    def _add(self, parent: Any, name: str, text: str | None = None) -> Any:
        element = etree.SubElement(parent, f"{{{self.namespace}}}{name}")
        element.text = text
        return element


class Codec11(Codec):
    version = "1.1"
    media_type = "text/xml"
    namespace = "http://schemas.xmlsoap.org/soap/envelope/"
    actor = "actor"  # SOAP 1.1, 4.2.2
    actors = ("", "http://schemas.xmlsoap.org/soap/actor/next")

    def fault(self, error: ChatError, code: FaultCode | None = None) -> tuple[int, bytes]:
        """See SOAP 1.1, 4.4. The status is always 500 (6.2)."""
        envelope = self._envelope()
        fault = self._add(self._add(envelope, "Body"), "Fault")
        code = code or FaultCode("Server" if is_server_fault(error) else "Client")
        nsmap = {"code": code.namespace} if code.namespace else None
        prefix = "code" if code.namespace else self.prefix
        etree.SubElement(fault, "faultcode", nsmap=nsmap).text = f"{prefix}:{code.name}"
        etree.SubElement(fault, "faultstring").text = fault_text(str(error))
        if not _about_headers(code):
            _write_detail(etree.SubElement(fault, "detail"), error)
        return 500, _bytes(envelope)


class Codec12(Codec):
    version = "1.2"
    media_type = "application/soap+xml"
    namespace = "http://www.w3.org/2003/05/soap-envelope"
    actor = "role"  # SOAP 1.2 part 1, 2.2 and 5.2.2
    actors = ("", f"{namespace}/role/next", f"{namespace}/role/ultimateReceiver")

    def fault(self, error: ChatError, code: FaultCode | None = None) -> tuple[int, bytes]:
        """See SOAP 1.2 part 1, 5.4. The status is 400 when the sender is at fault (part 2, table 20)."""
        envelope = self._envelope()
        header = self._add(envelope, "Header") if code is not None and _about_headers(code) else None
        fault = self._add(self._add(envelope, "Body"), "Fault")
        coded = self._add(fault, "Code")
        value = self._add(coded, "Value")
        if header is not None and code is not None:
            value.text = f"{self.prefix}:{code.name}"
            for tag in code.headers:
                self._add_qname(header, "NotUnderstood", etree.QName(tag))
            if code.name == "VersionMismatch":
                upgrade = self._add(header, "Upgrade")
                for namespace in (self.namespace, Codec11.namespace):
                    self._add_qname(upgrade, "SupportedEnvelope", etree.QName(namespace, "Envelope"))
        else:
            value.text = f"{self.prefix}:{'Receiver' if is_server_fault(error) else 'Sender'}"
            subcode = self._add(coded, "Subcode")
            namespace, local = (code.namespace, code.name) if code else (TNS, fault_name(error))
            detailed = etree.SubElement(subcode, f"{{{self.namespace}}}Value", nsmap={"code": namespace})
            detailed.text = f"code:{local}"
        text = self._add(self._add(fault, "Reason"), "Text", fault_text(str(error)))
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        if header is None:
            _write_detail(self._add(fault, "Detail"), error)
        return 400 if value.text.endswith(":Sender") else 500, _bytes(envelope)

    def _add_qname(self, parent: Any, element: str, name: Any) -> None:
        declared = {"its": name.namespace} if name.namespace else None
        added = etree.SubElement(parent, f"{{{self.namespace}}}{element}", nsmap=declared)
        added.set("qname", f"its:{name.localname}" if declared else name.localname)


VERSIONS = {kind.namespace: kind.version for kind in (Codec11, Codec12)}
"""The version of SOAP by the envelope's namespace."""


def codecs() -> dict[str, Codec]:
    """Return both versions, by the media type of their messages."""
    return {kind.media_type: kind(contract()) for kind in (Codec11, Codec12)}


# --- helpers -----------------------------------------------------------------------------------


def _wrong_envelope(tag: str, version: str) -> Refused:
    name = etree.QName(tag)
    if name.localname != "Envelope":
        return refused(f"not a SOAP envelope: the root element is {shorten(printable(tag))}")
    other = VERSIONS.get(name.namespace or "")
    why = f"the envelope is SOAP {other}" if other else "the envelope is of an unknown version of SOAP"
    return Refused(BadRequest(f"{why}, but the Content-Type is SOAP {version}"), FaultCode("VersionMismatch"))


def _about_headers(code: FaultCode) -> bool:
    """Whether a fault has no detail: a detail concerns the body (SOAP 1.1, 4.4)."""
    return code.name in ("MustUnderstand", "VersionMismatch")


def fault_name(error: ChatError) -> str:
    """Return the name of the element of an error."""
    return FAULT_NAMES.get(error.code, FAULT_NAMES["error"])


def _write_detail(parent: Any, error: ChatError) -> None:
    element = etree.SubElement(parent, f"{{{TNS}}}{fault_name(error)}", nsmap={"tns": TNS})
    etree.SubElement(element, f"{{{TNS}}}text").text = fault_text(str(error))
    if error.n:
        etree.SubElement(element, f"{{{TNS}}}n").text = str(error.n)
    if error.retry_after is not None:
        etree.SubElement(element, f"{{{TNS}}}retryAfter").text = f"{max(0.001, error.retry_after):.3f}"


def _written(field: Field, held: Any) -> str:
    """Return a field's value as XML. lxml takes five times as long, and spyne fifty times."""
    if field.many:
        return "".join([_element(field, one) for one in held])
    return _element(field, held) if held or field.required else ""


def _element(field: Field, held: Any) -> str:
    name = field.element
    if field.fields:
        inside = "".join([_written(inner, getattr(held, inner.name)) for inner in field.fields])
        return f"<{name}>{inside}</{name}>" if inside else f"<{name}/>"
    return f"<{name}>{escape(held, CARRIAGE_RETURN) if type(held) is str else held}</{name}>"


def _bytes(document: Any) -> bytes:
    written: bytes = etree.tostring(document, encoding="UTF-8", xml_declaration=True)
    return written
