"""A peer that writes SOAP by hand: whatever envelope a test wants, and the faults that come."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from lxml import etree

from backends.soap.conversion import KINDS, TNS
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.support.http_peer import Answer, HttpPeer

ENVELOPES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
TYPES = {"1.1": "text/xml", "1.2": "application/soap+xml"}


class Fault(NamedTuple):
    status: int
    code: str
    """Its name, with ``{namespace}`` before it; of SOAP 1.2 the subcode's, where there is one."""
    side: str
    """Of SOAP 1.2 the code that stands before the subcode; of 1.1 the code."""
    text: str
    name: str
    """Of the element in its detail; "" if it has none."""
    detail: dict[str, str]


def envelope(body: str, *, header: str = "", version: str = "1.1") -> bytes:
    """Return a message with this in its body and header."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{ENVELOPES[version]}">{head}<s:Body>{body}</s:Body></s:Envelope>'.encode()


def request(operation: str, **fields: object) -> str:
    """Return an operation's element; its fields in the order in which they are given."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items() if value is not None)
    return f'<{operation} xmlns="{TNS}">{inner}</{operation}>'


def read_fault(answer: Answer) -> Fault:
    """Return what a fault says; fails if the answer is none, or not as its version has it."""
    media = answer.headers["content-type"].partition(";")[0]
    version = next(version for version, kind in TYPES.items() if kind == media)
    root: Any = etree.fromstring(answer.body)
    ns = f"{{{ENVELOPES[version]}}}"
    (fault,) = root.find(f"{ns}Body")
    assert (root.tag, fault.tag) == (f"{ns}Envelope", f"{ns}Fault"), answer
    if version == "1.1":
        assert [part.tag for part in fault] in (
            ["faultcode", "faultstring"],
            ["faultcode", "faultstring", "detail"],
        )
        code = side = _qualified(fault.find("faultcode"))
        text, detail = fault.findtext("faultstring"), fault.find("detail")
    else:
        side = _qualified(fault.find(f"{ns}Code/{ns}Value"))
        sub = fault.find(f"{ns}Code/{ns}Subcode/{ns}Value")
        code = side if sub is None else _qualified(sub)
        text, detail = fault.findtext(f"{ns}Reason/{ns}Text"), fault.find(f"{ns}Detail")
    if detail is None:
        return Fault(answer.status, code, side, text, "", {})
    (told,) = detail
    name = told.tag.removeprefix(f"{{{TNS}}}")
    assert name in KINDS
    return Fault(
        answer.status, code, side, text, name, {part.tag.partition("}")[2]: part.text for part in told}
    )


def _qualified(element: Any) -> str:
    prefix, _, name = element.text.rpartition(":")
    return f"{{{element.nsmap[prefix or None]}}}{name}"


class SoapPeer(HttpPeer):
    """One connection that sends envelopes."""

    version = "1.1"

    @classmethod
    async def open(cls, address: Address, version: str = "1.1") -> Self:
        peer = await super().open(address)
        peer.version = version
        return peer

    async def post(self, data: bytes, content_type: str = "", **headers: str) -> Answer:
        """Send a message as it is."""
        said = {"Content-Type": content_type or f"{TYPES[self.version]}; charset=utf-8", **headers}
        return await self.ask("POST", "/soap", data, headers=said)

    async def call(self, operation: str, *, header: str = "", **fields: object) -> Any:
        """Call; return the response's element."""
        body = envelope(request(operation, **fields), header=header, version=self.version)
        answer = await self.post(body)
        assert answer.status == 200, answer
        (response,) = etree.fromstring(answer.body)[-1]
        assert response.tag == f"{{{TNS}}}{operation}Response"
        return response

    async def fails(self, operation: str, *, header: str = "", **fields: object) -> Fault:
        """Call; return the fault that answers."""
        body = envelope(request(operation, **fields), header=header, version=self.version)
        return read_fault(await self.post(body))

    async def join(self, nick: str = "ann", **fields: Any) -> str:
        """Take a seat; return its key."""
        joined = await self.call("Join", room="lab", nick=nick, **fields)
        return str(joined.findtext(f"{{{TNS}}}seatKey"))


def text_of(peer: SoapPeer, key: str, raw: str) -> bytes:
    """Return a Send with this text, which is written into the XML as it is."""
    return envelope(request("Send", seatKey=key, n=0, text=raw), version=peer.version)


async def refused(peer: SoapPeer, data: bytes, content_type: str = "", *, name: str = "BadRequest") -> str:
    """Send bytes; return the text of the fault, which must blame the sender."""
    fault = read_fault(await peer.post(data, content_type))
    namespace = ENVELOPES[peer.version]
    side = "Client" if peer.version == "1.1" else "Sender"
    assert (fault.side, fault.name) == (f"{{{namespace}}}{side}", name), fault
    assert fault.status == (500 if peer.version == "1.1" else 400)
    assert fault.text == fault.detail["text"]
    assert "<string>" not in fault.text
    return fault.text


async def last_text(hub: Hub) -> str:
    """Return the text of the newest event of room lab."""
    (event,) = await (await hub.look("lab", "")).history(after=None, before=None, limit=1)
    return event.text
