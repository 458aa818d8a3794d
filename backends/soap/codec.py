"""SOAP messages and back, for both versions: envelopes, what the schema allows, faults. No I/O.

spyne's protocols hold the XML: the schema, values in and out. Here stands what SOAP forbids and they let by:
document types, a second body, headers that must be understood, a fault as a request. SOAP 1.1 is the W3C note
of 2000-05-08, SOAP 1.2 the recommendation of 2007-04-27.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar

from lxml import etree

from backends.soap.service import FLAT, Chat
from backends.soap.spyne_compat import Application, Soap11, Soap12
from backends.soap.spyne_compat import Fault as SpyneFault
from backends.soap.words import FAULT_NAMES, TNS, WSSE, carried, is_ours
from chat.codec import shorten
from chat.model import BadRequest, ChatError, Event
from chat.text import printable

MAX_DEPTH = 256
"""Elements inside one another; libxml2 counts them while it parses."""
PAGES = 8
"""Answers to Fetch that are kept, each to be given to everybody who asks for the same."""
SECURITY = f"{{{WSSE}}}Security"
ENVELOPES = {
    "http://schemas.xmlsoap.org/soap/envelope/": "1.1",
    "http://www.w3.org/2003/05/soap-envelope": "1.2",
}
"""The envelope's namespace is SOAP's version."""
ENCODINGS = ("UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII", "ASCII", None)
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


class _Context:
    """All that spyne's protocols ask of their context of fifty fields."""

    __slots__ = (
        *("app", "descriptor", "in_body_doc", "in_header_doc", "in_object"),
        *("out_body_doc", "out_document", "out_error", "out_header", "out_object"),
    )

    def __init__(self, app: Any, descriptor: Any, in_body_doc: Any = None, out_object: Any = None) -> None:
        self.app = app
        self.descriptor = descriptor
        self.in_body_doc = in_body_doc
        self.out_object = out_object
        self.in_object: Any = None
        self.out_document: Any = None
        self.in_header_doc = self.out_header = self.out_error = None


def application(protocol: Any) -> Any:
    """Return spyne's application for one version of SOAP."""
    made = Application(
        [Chat],
        tns=TNS,
        name="Chat",
        in_protocol=protocol(validator="lxml", parse_xsi_type=False),
        out_protocol=protocol(cleanup_namespaces=False),
    )
    made.transport = TRANSPORT
    return made


class Codec:
    """One version of SOAP. Made once for each: making it takes a while, and writes and reads files."""

    version: ClassVar[str]
    media_type: ClassVar[str]
    prefix: ClassVar[str] = "soap"
    protocol: ClassVar[Any]

    def __init__(self) -> None:
        self.app = application(self.protocol)
        self.content_type = f"{self.media_type}; charset=utf-8"
        self._in, self._out = self.app.in_protocol, self.app.out_protocol
        self._env: str = self._in.ns_soap_env
        # spyne declares a dozen namespaces in each message, or looks for those that it does not need.
        self.app.interface.nsmap = {self.prefix: self._env, "tns": TNS}
        for kind in FLAT:
            self._out.serialization_handlers[kind] = _write_flat
        self._operations = {
            f"{{{TNS}}}{found.name}": found for found in self.app.interface.method_id_map.values()
        }
        self.page = lru_cache(PAGES)(self._page)

    # --- requests ------------------------------------------------------------------------------

    def open(self, data: bytes, charset: str | None = None) -> Message:
        """Return what an envelope holds. Raises `Refused`."""
        root = _parse(data, charset)
        env = self._env
        if root.tag != f"{{{env}}}Envelope":
            raise _wrong_envelope(root.tag, self.version)
        parts = [part.tag for part in root]
        if parts not in ([f"{{{env}}}Body"], [f"{{{env}}}Header", f"{{{env}}}Body"]):
            raise _refused("an envelope holds at most one Header, and then one Body")
        security = None
        strange = []
        for header in root[0] if len(root) > 1 else ():
            if header.tag == SECURITY and security is None:
                security = header
            elif self._must_understand(header):
                strange.append(header.tag)
        if strange:
            names = shorten(printable(", ".join(strange)))
            raise Refused(
                BadRequest(f"a header is not known here: {names}"),
                FaultCode("MustUnderstand", headers=tuple(strange)),
            )
        body = root[-1]
        if len(body) != 1:
            raise _refused(f"a Body holds one element, and here are {len(body)}")
        return Message(body[0], security)

    def read(self, message: Message) -> tuple[Any, Sequence[Any]]:
        """Return the operation that is called, and its arguments. Raises `Refused`."""
        element = message.body
        operation = self._operations.get(element.tag)
        if operation is None:
            raise _refused(f"there is no operation {shorten(printable(element.tag))}: see the WSDL")
        context = _Context(self.app, operation, in_body_doc=element)
        try:
            self._in.validate_document(element)
            self._in.deserialize(context, self._in.REQUEST)
        except SpyneFault:
            raise _refused(f"not as the WSDL has it: {self._complaint()}") from None
        return operation, list(context.in_object)

    def _complaint(self) -> str:
        last = self._in.validation_schema.error_log.last_error
        return shorten(printable(last.message.replace(f"{{{TNS}}}", "") if last else "unknown"))

    def _must_understand(self, header: Any) -> bool:
        raise NotImplementedError

    # --- responses -----------------------------------------------------------------------------

    def write(self, operation: Any, values: Sequence[Any]) -> bytes:
        """Return the response with these elements."""
        context = _Context(self.app, operation, out_object=values)
        self._out.serialize(context, self._out.RESPONSE)
        return _bytes(context.out_document)

    def _page(self, operation: Any, head: int, events: tuple[Event, ...]) -> bytes:
        """`write` for Fetch: many ask for the same page."""
        return self.write(operation, (head, events))

    def fault(self, error: ChatError, code: FaultCode | None = None) -> tuple[int, bytes]:
        """Return the HTTP status and the message that tell of an error."""
        raise NotImplementedError

    def _envelope(self) -> Any:
        return etree.Element(f"{{{self._env}}}Envelope", nsmap={self.prefix: self._env})

    def _add(self, parent: Any, name: str, text: str | None = None) -> Any:
        element = etree.SubElement(parent, f"{{{self._env}}}{name}")
        element.text = text
        return element


class Codec11(Codec):
    version = "1.1"
    media_type = "text/xml"
    protocol = Soap11

    def _must_understand(self, header: Any) -> bool:
        """SOAP 1.1, 4.2.2 and 4.2.3."""
        actor = header.get(f"{{{self._env}}}actor", "")
        ours = actor in ("", "http://schemas.xmlsoap.org/soap/actor/next")
        return ours and header.get(f"{{{self._env}}}mustUnderstand") in ("1", "true")

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
    protocol = Soap12

    def _must_understand(self, header: Any) -> bool:
        """SOAP 1.2 part 1, 5.2.2 and 5.2.3."""
        role = header.get(f"{{{self._env}}}role", "")
        ours = role in ("", f"{self._env}/role/next", f"{self._env}/role/ultimateReceiver")
        return ours and header.get(f"{{{self._env}}}mustUnderstand") in ("1", "true")

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
                name = etree.QName(tag)
                missed = etree.SubElement(
                    header, f"{{{self._env}}}NotUnderstood", nsmap={"not": name.namespace}
                )
                missed.set("qname", f"not:{name.localname}")
            if code.name == "VersionMismatch":
                upgrade = self._add(header, "Upgrade")
                for namespace in (self._env, next(iter(ENVELOPES))):
                    element = etree.SubElement(
                        upgrade, f"{{{self._env}}}SupportedEnvelope", nsmap={"env": namespace}
                    )
                    element.set("qname", "env:Envelope")
        else:
            value.text = f"{self.prefix}:{'Receiver' if is_ours(error) else 'Sender'}"
            subcode = self._add(coded, "Subcode")
            namespace, local = (code.namespace, code.name) if code else (TNS, fault_name(error))
            detailed = etree.SubElement(subcode, f"{{{self._env}}}Value", nsmap={"code": namespace})
            detailed.text = f"code:{local}"
        text = self._add(self._add(fault, "Reason"), "Text", carried(str(error)))
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        if header is None:
            _write_detail(self._add(fault, "Detail"), error)
        return 400 if value.text.endswith(":Sender") else 500, _bytes(envelope)


@cache
def codecs() -> dict[str, Codec]:
    """Return both versions, by the media type of their messages. To be called in a thread, the first time."""
    return {codec.media_type: codec for codec in (Codec11(), Codec12())}


# --- XML ---------------------------------------------------------------------------------------


def _parse(data: bytes, charset: str | None) -> Any:
    """Return the root of a document without a type. Raises `Refused`."""
    parser = etree.XMLParser(
        encoding=charset,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _refused(f"not XML: {shorten(printable(str(error)))}") from None
    document = root.getroottree().docinfo
    if document.doctype:
        raise _refused("a SOAP message has no document type")
    if charset is None and document.encoding is not None and document.encoding.upper() not in ENCODINGS:
        raise _refused(f"{shorten(printable(document.encoding), 40)} is not taken here: send UTF-8")
    return root


def _refused(text: str) -> Refused:
    return Refused(BadRequest(text))


def _wrong_envelope(tag: str, version: str) -> Refused:
    name = etree.QName(tag)
    if name.localname != "Envelope":
        return _refused(f"not a SOAP message, but {shorten(printable(tag))}")
    other = ENVELOPES.get(name.namespace or "")
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


def _flat_fields(kind: Any) -> list[tuple[str, str]]:
    return [(field, f"{{{TNS}}}{field}") for field in kind._type_info]


_FIELDS = {kind.__type_name__: _flat_fields(kind) for kind in FLAT}


def _write_flat(_: Any, cls: Any, value: Any, parent: Any, ns: str, name: str = "", **more: Any) -> None:
    """Write a value of the model: its empty fields are absent. Ten times as fast as spyne's own way."""
    element = etree.SubElement(parent, f"{{{ns}}}{name}")
    for field, tag in _FIELDS[cls.__type_name__]:
        if held := getattr(value, field):
            etree.SubElement(element, tag).text = held if type(held) is str else str(held)
        elif field == "prev":  # the one that may be 0 and is always there
            etree.SubElement(element, tag).text = "0"


def _bytes(document: Any) -> bytes:
    written: bytes = etree.tostring(document, encoding="UTF-8", xml_declaration=True)
    return written
