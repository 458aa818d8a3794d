"""SOAP messages and back, for both versions: envelopes, what the schema allows, faults. No I/O.

spyne knows the types and operations, and its schema is asked about every request. Envelopes are read and
written here: spyne lets by what SOAP forbids (document types, a second body, headers that must be understood,
a fault as a request), and takes four times as long. SOAP 1.1 is the W3C note of 2000-05-08, SOAP 1.2 the
recommendation of 2007-04-27.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

from lxml import etree

from backends.soap.service import Chat
from backends.soap.spyne_compat import Application, ComplexModel, Integer32, Long, Soap11
from backends.soap.spyne_compat import Fault as SpyneFault
from backends.soap.words import FAULT_NAMES, TNS, WSSE, carried, is_ours, snake
from chat.domain.errors import BadRequest, ChatError
from chat.domain.json_codec import shorten
from chat.domain.model import Event
from chat.domain.validation import printable

PAGES = 4
"""Answers to Fetch that are kept, each to be given to everybody who asks for the same."""
MAX_ATTRIBUTES = 16
"""Attributes of an element: for ten thousand of them the schema takes a hundred milliseconds."""
MAX_NAMED = 8
"""Headers that were not understood, and are named in the fault."""
SECURITY = f"{{{WSSE}}}Security"
_MARK = b"(?:\xef\xbb\xbf)?"
_DECLARED = re.compile(_MARK + rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([!-~]*?)["']""")
_TYPED = re.compile(_MARK + rb"(?>\s+|<\?(?>.*?\?>)|<!--(?>.*?-->))*+<!DOCTYPE", re.DOTALL)
"""A document type among what may stand before the root (XML 1.0, productions 22 to 28)."""
TRANSPORT = "http://schemas.xmlsoap.org/soap/http"
SERVER_FAILED = "the server failed: its log says why"


@dataclass(frozen=True, slots=True)
class FaultCode:
    """What a fault is coded as, if not by its error: a name of SOAP's own, or of another namespace."""

    name: str
    namespace: str = ""
    headers: tuple[str, ...] = ()
    """Tags of the headers that were not understood."""


class Refused(Exception):
    """A message that no operation sees."""

    def __init__(self, error: ChatError, code: FaultCode | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope that was opened."""

    body: Any
    """The one element in the body."""
    security: Any
    """The header ``wsse:Security``; None: there is none."""


@dataclass(frozen=True, slots=True)
class Field:
    """An element of a struct."""

    tag: str
    name: str
    """The attribute of the model's value that it holds."""
    required: bool
    """It is there even if the value is empty."""
    many: bool
    """The value is a sequence, and each of its items an element."""
    read: Callable[[str], Any]
    """Makes a value of the text, which the schema has seen."""
    fields: tuple[Field, ...]
    """Its own elements, if it is a struct."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    name: str
    function: Callable[..., Coroutine[Any, Any, Sequence[Any]]]
    """Takes a `Call` and the values of the request's fields; returns those of the response's."""
    places: dict[str, tuple[int, Field]]
    """The request's fields by their tags, each with its place among the arguments."""
    tag: str
    """The response's element."""
    fields: tuple[Field, ...]
    """The response's fields."""


class Contract:
    """What spyne makes of `backends.soap.service`: the schema and the operations. Takes a while, and writes
    and reads files."""

    def __init__(self) -> None:
        self.app = application()
        self._validator = self.app.in_protocol
        found = self.app.interface.method_id_map.values()
        self.operations = {f"{{{TNS}}}{one.name}": _operation(one) for one in found}

    def check(self, element: Any) -> None:
        """Raise `Refused` unless the schema allows this."""
        try:
            self._validator.validate_document(element)
        except SpyneFault:
            last = self._validator.validation_schema.error_log.last_error
            why = last.message.replace(f"{{{TNS}}}", "") if last else "unknown"
            raise _refused(f"not as the WSDL has it: {shorten(printable(why))}") from None


def application() -> Any:
    """Return spyne's application. Both versions of SOAP have the same contents: it is made for one."""
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
        f"{{{TNS}}}{found.out_message.get_type_name()}",
        _fields(found.out_message),
    )


def _fields(struct: Any) -> tuple[Field, ...]:
    return tuple(
        Field(
            f"{{{TNS}}}{name}",
            snake(name),
            kind.Attributes.min_occurs > 0,
            kind.Attributes.max_occurs > 1,
            _number if issubclass(kind, Long | Integer32) else str,
            _fields(kind) if issubclass(kind, ComplexModel) else (),
        )
        for name, kind in struct._type_info.items()
    )


def _number(text: str) -> int:
    """Return an integer that the schema allows: any number of zeros may stand before it."""
    return int(text.strip().lstrip("+-0") or 0)  # int() refuses more than 4300 digits; none is below zero


class Codec:
    """One version of SOAP."""

    version: ClassVar[str]
    media_type: ClassVar[str]
    namespace: ClassVar[str]
    """The envelope's."""
    prefix: ClassVar[str] = "soap"
    actor: ClassVar[str]
    """The attribute of a header that says whom it is for."""
    actors: ClassVar[tuple[str, ...]]
    """Who of them we are."""

    def __init__(self, contract: Contract) -> None:
        self.content_type = f"{self.media_type}; charset=utf-8"
        self._contract = contract
        self.page = lru_cache(PAGES)(self._page)

    # --- requests ------------------------------------------------------------------------------

    def open(self, data: bytes) -> Message:
        """Return what an envelope holds. Raises `Refused`."""
        root = _parse(data)
        env = self.namespace
        if root.tag != f"{{{env}}}Envelope":
            raise _wrong_envelope(root.tag, self.version)
        parts = [part.tag for part in root]
        if parts not in ([f"{{{env}}}Body"], [f"{{{env}}}Header", f"{{{env}}}Body"]):
            raise _refused("an envelope holds at most one Header, and then one Body")
        security = None
        strange = []
        for header in root[0] if len(root) > 1 else ():
            if header.get(f"{{{env}}}{self.actor}", "") not in self.actors:
                continue
            if header.tag == SECURITY and security is None:
                security = header
            elif header.get(f"{{{env}}}mustUnderstand") in ("1", "true"):
                strange.append(header.tag)
        if strange:
            named = tuple(strange[:MAX_NAMED])
            error = BadRequest(f"a header is not known here: {shorten(printable(', '.join(named)))}")
            raise Refused(error, FaultCode("MustUnderstand", headers=named))
        body = root[-1]
        if len(body) != 1:
            raise _refused(f"a Body holds one element, and here are {len(body)}")
        return Message(body[0], security)

    def read(self, message: Message) -> tuple[Operation, list[Any]]:
        """Return the operation that is called, and its arguments, None for what is absent.

        Raises `Refused`.
        """
        element = message.body
        operation = self._contract.operations.get(element.tag)
        if operation is None:
            raise _refused(f"there is no operation {shorten(printable(element.tag))}: see the WSDL")
        if any(len(part.attrib) > MAX_ATTRIBUTES for part in element.iter()):
            raise _refused(f"an element may have {MAX_ATTRIBUTES} attributes, and none here needs one")
        self._contract.check(element)
        arguments: list[Any] = [None] * len(operation.places)
        for child in element:
            place, field = operation.places[child.tag]
            arguments[place] = field.read(child.text)
        return operation, arguments

    # --- responses -----------------------------------------------------------------------------

    def write(self, operation: Operation, values: Sequence[Any]) -> bytes:
        """Return the response with these values."""
        env = self.namespace
        envelope = etree.Element(f"{{{env}}}Envelope", nsmap={self.prefix: env, "tns": TNS})
        response = etree.SubElement(etree.SubElement(envelope, f"{{{env}}}Body"), operation.tag)
        for field, value in zip(operation.fields, values, strict=True):
            _write(response, field, value)
        return _bytes(envelope)

    def _page(self, operation: Operation, head: int, events: tuple[Event, ...]) -> bytes:
        """`write` for Fetch: many ask for the same page."""
        return self.write(operation, (head, events))

    def fault(self, error: ChatError, code: FaultCode | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the message that tell of an error."""
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
        """SOAP 1.1, 4.4; the status is 500 whoever is at fault (6.2)."""
        envelope = self._envelope()
        fault = self._add(self._add(envelope, "Body"), "Fault")
        code = code or FaultCode("Server" if is_ours(error) else "Client")
        nsmap = {"code": code.namespace} if code.namespace else None
        prefix = "code" if code.namespace else self.prefix
        etree.SubElement(fault, "faultcode", nsmap=nsmap).text = f"{prefix}:{code.name}"
        etree.SubElement(fault, "faultstring").text = carried(str(error))
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
        """SOAP 1.2 part 1, 5.4; the status is 400 when the sender is at fault (part 2, table 20)."""
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
            value.text = f"{self.prefix}:{'Receiver' if is_ours(error) else 'Sender'}"
            subcode = self._add(coded, "Subcode")
            namespace, local = (code.namespace, code.name) if code else (TNS, fault_name(error))
            detailed = etree.SubElement(subcode, f"{{{self.namespace}}}Value", nsmap={"code": namespace})
            detailed.text = f"code:{local}"
        text = self._add(self._add(fault, "Reason"), "Text", carried(str(error)))
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        if header is None:
            _write_detail(self._add(fault, "Detail"), error)
        return 400 if value.text.endswith(":Sender") else 500, _bytes(envelope)

    def _add_qname(self, parent: Any, element: str, name: Any) -> None:
        declared = {"its": name.namespace} if name.namespace else None
        added = etree.SubElement(parent, f"{{{self.namespace}}}{element}", nsmap=declared)
        added.set("qname", f"its:{name.localname}" if declared else name.localname)


VERSIONS = {kind.namespace: kind.version for kind in (Codec11, Codec12)}
"""The envelope's namespace is SOAP's version."""


@cache
def contract() -> Contract:
    """Return the contract, made once. To be called in a thread."""
    return Contract()


def codecs() -> dict[str, Codec]:
    """Return both versions, by the media type of their messages."""
    return {kind.media_type: kind(contract()) for kind in (Codec11, Codec12)}


# --- XML ---------------------------------------------------------------------------------------


def _parse(data: bytes) -> Any:
    """Return the root of a document without a type. Raises `Refused`.

    The type is looked for before libxml2 sees it: asked not to load what a type names, it opens some of it
    all the same. So the encoding is settled here, too, and nothing is hidden in another one. libxml2 takes
    256 elements inside one another and no more.
    """
    data = _in_utf8(data)
    if _TYPED.match(data):
        raise _refused("a SOAP message has no document type")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _refused(f"not XML: {shorten(printable(error.msg or 'nothing'))}") from None


def _in_utf8(data: bytes) -> bytes:
    """Return a document that came in UTF-8 or UTF-16, in UTF-8. Raises `Refused` for other encodings.

    The bytes tell which of the two it is (XML 1.0, appendix F), and the declaration may not contradict them.
    """
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
    if wide:
        order = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(data[:2], "utf-16")
        try:
            data = data.decode(order).encode()
        except UnicodeError:
            raise _refused("not XML: neither UTF-8 nor UTF-16") from None
    declared = _DECLARED.match(data)
    if declared is not None:
        name = declared[1].decode().lower()
        if not name.startswith("utf-16") if wide else name not in ("utf-8", "us-ascii", "ascii"):
            raise _refused(f"a message that says it is {shorten(name, 40)} is not taken: send UTF-8")
    return data


def _refused(text: str) -> Refused:
    return Refused(BadRequest(text))


def _wrong_envelope(tag: str, version: str) -> Refused:
    name = etree.QName(tag)
    if name.localname != "Envelope":
        return _refused(f"not a SOAP message, but {shorten(printable(tag))}")
    other = VERSIONS.get(name.namespace or "")
    why = f"the envelope is SOAP {other}'s" if other else "the envelope is of no SOAP that is known here"
    return Refused(BadRequest(f"{why}, and the Content-Type SOAP {version}'s"), FaultCode("VersionMismatch"))


def _about_headers(code: FaultCode) -> bool:
    """Such faults have no detail: a detail is about the body (SOAP 1.1, 4.4)."""
    return code.name in ("MustUnderstand", "VersionMismatch")


def fault_name(error: ChatError) -> str:
    """Return the name of the element in which an error is told."""
    return FAULT_NAMES.get(error.code, FAULT_NAMES["error"])


def _write_detail(parent: Any, error: ChatError) -> None:
    element = etree.SubElement(parent, f"{{{TNS}}}{fault_name(error)}", nsmap={"tns": TNS})
    etree.SubElement(element, f"{{{TNS}}}text").text = carried(str(error))
    if error.n:
        etree.SubElement(element, f"{{{TNS}}}n").text = str(error.n)
    if error.retry_after is not None:
        etree.SubElement(element, f"{{{TNS}}}retryAfter").text = f"{max(0.001, error.retry_after):.3f}"


def _write(parent: Any, field: Field, held: Any) -> None:
    """Append a field's value. By hand, for spyne takes ten times as long."""
    if field.many:
        for one in held:
            _write_one(parent, field, one)
    elif held or field.required:
        _write_one(parent, field, held)


def _write_one(parent: Any, field: Field, held: Any) -> None:
    element = etree.SubElement(parent, field.tag)
    if field.fields:
        for inner in field.fields:
            _write(element, inner, getattr(held, inner.name))
    else:
        element.text = held if type(held) is str else str(held)


def _bytes(document: Any) -> bytes:
    written: bytes = etree.tostring(document, encoding="UTF-8", xml_declaration=True)
    return written
