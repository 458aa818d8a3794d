"""Decodes SOAP over HTTP for whoever looks at the wire: envelopes of both versions, faults, and the WSDL."""

from __future__ import annotations

from backends.soap.conversion import TNS
from backends.soap.xml_fields import Element, add_xml
from chat.interfaces.frames import MASK, Field, Role
from chat.transport.decoding.http1 import HttpDecoder, HttpMessage
from chat.transport.decoding.secrets import is_secret
from chat.transport.decoding.text import one_line

ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
"""The namespaces of SOAP 1.1 and 1.2."""
SERVICE = "Chat"
"""The name of the service in the WSDL."""
DRAFTS = ("Send", "Edit", "Delete")
"""The operations that carry a draft."""
_WRITTEN = ("sent", "edited")
_POLL = "poll"
_MAX_DIGITS = 16


def make_decoder(transport: str) -> SoapDecoder:
    """Return the decoder of one connection; what carries it is always TCP."""
    return SoapDecoder()


class SoapDecoder(HttpDecoder):
    """The operations of the WSDL; those of another service are shown as what they are."""

    def describe(self, message: HttpMessage) -> None:
        body = _read_body(message)
        if body is None:
            _describe_other(message)
        elif body.name == "Fault" and body.namespace in ENVELOPES:
            _describe_fault(message, body)
        elif message.status:
            _describe_answer(message, body)
        else:
            _describe_request(message, body)


def _read_body(message: HttpMessage) -> Element | None:
    """Return the element in the envelope's Body, with the fields added; None: it is no envelope."""
    if not message.content or not (_is_xml(message.media_type) or message.content.lstrip()[:1] == b"<"):
        return None
    root = add_xml(message.body, message.content, message.at)
    if root.name != "Envelope" or root.namespace not in ENVELOPES:
        return None
    body = root.find("Body")
    return body.elements[0] if body and body.elements else None


def _is_xml(media_type: str) -> bool:
    return media_type in ("text/xml", "application/xml") or media_type.endswith("+xml")


def _describe_other(message: HttpMessage) -> None:
    """The WSDL, and what is no call."""
    path, _, query = message.target.partition("?")
    call = message.frame.call = Field(one_line(f"{message.method} {message.shown_target}"), part="envelope")
    if message.status:
        call.value = one_line(f"{message.status} {message.reason}")
    if message.method in ("GET", "HEAD") and (path.endswith(".wsdl") or query.lower().startswith("wsdl")):
        message.frame.role = "setup"
    elif message.status and message.request and message.request.note:
        message.frame.role = _role(message.request.note, empty=False)


def _describe_request(message: HttpMessage, body: Element) -> None:
    frame = message.frame
    ours = body.namespace == TNS
    call = frame.call = Field(_called(body.name, ours), part="envelope")
    if ours and body.name in DRAFTS:
        _note_text(message, body)
        if n := _number(body.text_of("n")):
            frame.drafts.add(n)
    _add_elements(call, body)
    frame.summary += f" {_summary(body)}"
    if ours:
        news = body.name == "Fetch" and body.find("before") is None
        polls = news and bool(body.find("after") or _number(body.text_of("wait")))
        message.note = f"{body.name} {_POLL}" if polls else body.name
        frame.role = _role(message.note, empty=True)


def _describe_answer(message: HttpMessage, body: Element) -> None:
    frame = message.frame
    operation = body.name.removesuffix("Response")
    ours = body.namespace == TNS
    call = frame.call = Field(_called(operation, ours), part="envelope")
    call.value = one_line(f"{body.name}, {message.status} {message.reason}".strip())
    events = [one for one in body.elements if one.name == "event"] if ours else []
    for event in events:
        if event.text_of("kind") in _WRITTEN:
            _note_text(message, event)
        if seq := _number(event.text_of("seq")):
            frame.seqs.add(seq)
    if ours and operation in DRAFTS:
        frame.drafts |= {n} if (n := _number(body.text_of("n"))) else set()
        frame.seqs |= {seq} if (seq := _number(body.text_of("seq"))) else set()
    _add_elements(call, body)
    frame.summary += f" {_summary(events[0] if len(events) == 1 else body)}"
    if ours:
        note = message.request.note if message.request else operation
        frame.role = _role(note, empty=not events)
        _complete_request(message, seqs=operation in DRAFTS or operation == "Fetch")


def _describe_fault(message: HttpMessage, fault: Element) -> None:
    """A fault answers its draft; its number is in the detail."""
    frame = message.frame
    note = message.request.note if message.request else ""
    called = note.removesuffix(f" {_POLL}")
    call = frame.call = Field(_called(called or "Fault", bool(called)), part="envelope")
    call.value = one_line(f"Fault, {message.status} {message.reason}".strip())
    _add_elements(call, fault)
    reason = fault.find("faultstring") or fault.find("Reason", "Text")
    frame.summary += f" Fault: {one_line(reason.text) if reason else ''}"
    detail = fault.find("detail") or fault.find("Detail")
    for one in detail.elements if detail else ():
        if n := _number(one.text_of("n")):
            frame.drafts.add(n)
    frame.role = _role(note, empty=False)
    _complete_request(message, seqs=False)


def _complete_request(message: HttpMessage, *, seqs: bool) -> None:
    """Add to an answer what its request carried, and to the request what only its answer says."""
    if message.request is None:
        return
    frame, request = message.frame, message.request.frame
    if message.request.note in DRAFTS:
        frame.drafts |= request.drafts
        request.drafts |= frame.drafts
    if seqs:
        request.seqs |= frame.seqs


def _role(note: str, *, empty: bool) -> Role:
    """Return the role of a request, or of an answer without events if ``empty``."""
    if note in ("Join", "Leave"):
        return "setup"
    if note == "Ping":
        return "control"
    return "poll" if note.endswith(_POLL) and empty else "message"


def _note_text(message: HttpMessage, holder: Element) -> None:
    text = holder.find("text")
    if text is not None and not text.elements:
        text.mark_text()
        message.frame.texts.append(text.text)


def _add_elements(call: Field, holder: Element) -> None:
    """Add what is called with, or what comes back: the elements by their names, without prefixes."""
    for one in holder.elements:
        secret = is_secret(one.name) and not one.elements and bool(one.text)
        written = any(below.part == "payload" for below in one.field.fields)
        below = call.add(
            one_line(one.name),
            MASK if secret else one_line(one.text),
            one.place,
            "payload" if written else "envelope",
            secret=secret,
        )
        _add_elements(below, one)


def _summary(holder: Element) -> str:
    """Return an element on one line: its name, and the simple elements in it."""
    parts = [holder.name]
    for one in holder.elements:
        if not one.elements:
            value = MASK if is_secret(one.name) and one.text else one.text
            parts.append(f"{one.name}={value}")
    repeated = [one.name for one in holder.elements if one.elements]
    parts += [f"{name}: {repeated.count(name)}" for name in dict.fromkeys(repeated)]
    return one_line(" ".join(parts))


def _called(operation: str, ours: bool) -> str:
    return f"{SERVICE}: {operation}" if ours else one_line(operation)


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0
