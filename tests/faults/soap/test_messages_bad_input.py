"""Well-formed XML that is no SOAP message, or not as the WSDL has it: each gets a fault."""

from __future__ import annotations

import pytest

from backends.soap.codec import MAX_ATTRIBUTES, MAX_NAMED
from backends.soap.conversion import TNS, WSSE
from tests.support.soap_peer import ENVELOPES, SoapPeer, envelope, read_fault, refused, request, text_of

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("technique", ["soap"], indirect=True)]

XSI = "http://www.w3.org/2001/XMLSchema-instance"

# --- envelopes -----------------------------------------------------------------------------------

PING = f'<Ping xmlns="{TNS}"/>'
ENVELOPED = {
    "no envelope": "<x/>",
    "an envelope without a namespace": "<Envelope><Body/></Envelope>",
    "an element of the operation alone": PING,
    "nothing in it": '<s:Envelope xmlns:s="ENV"/>',
    "a header only": '<s:Envelope xmlns:s="ENV"><s:Header/></s:Envelope>',
    "an empty body": '<s:Envelope xmlns:s="ENV"><s:Body/></s:Envelope>',
    "text in the body": '<s:Envelope xmlns:s="ENV"><s:Body>hello</s:Body></s:Envelope>',
    "two operations": f'<s:Envelope xmlns:s="ENV"><s:Body>{PING}{PING}</s:Body></s:Envelope>',
    "two bodies": f'<s:Envelope xmlns:s="ENV"><s:Body>{PING}</s:Body><s:Body>{PING}</s:Body></s:Envelope>',
    "a header last": f'<s:Envelope xmlns:s="ENV"><s:Body>{PING}</s:Body><s:Header/></s:Envelope>',
    "a body of no namespace": f'<s:Envelope xmlns:s="ENV"><Body>{PING}</Body></s:Envelope>',
    "a fault": '<s:Envelope xmlns:s="ENV"><s:Body><s:Fault><faultcode/></s:Fault></s:Body></s:Envelope>',
}


@pytest.mark.parametrize("what", ENVELOPED)
async def test_what_is_no_envelope_with_one_operation_is_refused(peer: SoapPeer, what: str) -> None:
    data = ENVELOPED[what].replace("ENV", ENVELOPES[peer.version]).encode()
    if what == "an envelope without a namespace":
        fault = read_fault(await peer.post(data))
        assert (fault.status, fault.code) == (500, f"{{{ENVELOPES[peer.version]}}}VersionMismatch")
    else:
        await refused(peer, data)


async def test_an_envelope_of_the_other_version_is_a_mismatch(peer: SoapPeer, version: str) -> None:
    other = "1.2" if version == "1.1" else "1.1"
    answer = await peer.post(envelope(request("Ping"), version=other))
    fault = read_fault(answer)
    assert (fault.status, fault.code) == (500, f"{{{ENVELOPES[version]}}}VersionMismatch")
    assert fault.name == "", "it is not about the body"
    if version == "1.2":
        assert all(namespace.encode() in answer.body for namespace in ENVELOPES.values())


# --- what is not as the WSDL has it --------------------------------------------------------------

FIELDS = "<seatKey>KEY</seatKey><n>0</n><text>hi</text>"


def send(fields: str = FIELDS, attributes: str = "") -> str:
    return f'<Send xmlns="{TNS}" xmlns:i="{XSI}"{attributes}>{fields}</Send>'


def but(old: str, new: str) -> str:
    """Return a Send that is good but for one thing."""
    return send(FIELDS.replace(old, new, 1))


def fetch(limit: int = 1, wait: int = 0) -> str:
    return request("Fetch", seatKey="KEY", after=0, limit=limit, wait=wait)


BODIES = {
    "an operation that is not there": f'<Shout xmlns="{TNS}"/>',
    "an operation of no namespace": f"<Send>{FIELDS}</Send>",
    "an operation of another namespace": f'<Send xmlns="urn:chat:v2">{FIELDS}</Send>',
    "a response": request("SendResponse", n=0, seq=1),
    "an element that is a type's": request("Event", kind="sent"),
    "a fault's detail": request("NickTaken", text="x"),
    "nothing": send(""),
    "an element missing": but("<n>0</n>", ""),
    "an element too many": send(FIELDS + "<more/>"),
    "an element twice": send(FIELDS + "<text>hi</text>"),
    "another order": request("Send", text="hi", n=0, seatKey="KEY"),
    "elements of no namespace": f'<c:Send xmlns:c="{TNS}">{FIELDS}</c:Send>',
    "text between": send("hello" + FIELDS),
    "an attribute": send(attributes=' room="x"'),
    "an attribute too many": send(attributes="".join(f' a{i}=""' for i in range(MAX_ATTRIBUTES + 1))),
    "an element in a text": but("hi", "hi<b/>"),
    "a word for a number": but("0", "one"),
    "a fraction": but("0", "1.5"),
    "a negative number": but("0", "-1"),
    "a number too large": but("0", str(2**53)),
    "a number over 64 bits": but("0", str(2**64)),
    "digits of another script": but("0", "٣"),
    "a text too long": but("hi", "x" * 4001),
    "an empty text": but("hi", ""),
    "nil": but("<text>hi", '<text i:nil="true">'),
    "another type": but("<text", '<text i:type="Event"'),
    "a type from elsewhere": but("<text", '<text i:type="x:y"'),
    "a wait too long": fetch(wait=21),
    "a page too long": fetch(limit=201),
    "a page of nothing": fetch(limit=0),
    "no room": request("Join", room="No Room", nick="eve"),
    "a room too long": request("Join", room="a" * 33, nick="eve"),
    "a nick too long": request("Join", room="lab", nick="x" * 25),
    "an id and a reference": send('<seatKey href="#a"/><n>0</n><text id="a">hi</text>'),
}


@pytest.mark.parametrize("what", BODIES)
async def test_what_is_not_as_the_wsdl_has_it_is_refused(peer: SoapPeer, key: str, what: str) -> None:
    data = envelope(BODIES[what].replace("KEY", key), version=peer.version)
    assert len(await refused(peer, data)) < 400


async def test_what_the_schema_lets_by_is_for_the_room_to_refuse(peer: SoapPeer, key: str) -> None:
    assert "U+007F" in await refused(peer, text_of(peer, key, "&#x7f;"), name="BadText")
    assert "U+000D" in await refused(peer, text_of(peer, key, "&#13;"), name="BadText")
    assert "U+202E" in await refused(peer, text_of(peer, key, "\u202e"), name="BadText")
    assert "4000" in await refused(peer, text_of(peer, key, "é" * 2001), name="BadText")
    await refused(peer, text_of(peer, key, " \n "), name="BadText")
    nick = envelope(request("Join", room="lab", nick="a b"), version=peer.version)
    await refused(peer, nick, name="BadName")
    await refused(peer, text_of(peer, "guessed", "hi"), name="SeatGone")


# --- headers -------------------------------------------------------------------------------------

MUST = '<t:tx xmlns:t="urn:tx" s:mustUnderstand="1"/>'


async def test_a_header_that_must_be_understood_and_is_not_is_refused(peer: SoapPeer, version: str) -> None:
    answer = await peer.post(envelope(request("Ping"), header=MUST, version=version))
    fault = read_fault(answer)
    assert (fault.status, fault.code) == (500, f"{{{ENVELOPES[version]}}}MustUnderstand")
    assert "urn:tx" in fault.text
    assert fault.name == "", "it is not about the body"
    assert (b"NotUnderstood" in answer.body) == (version == "1.2")


async def test_of_many_such_headers_a_few_are_named(peer: SoapPeer, version: str) -> None:
    header = "".join(f'<h{i} s:mustUnderstand="1"/>' for i in range(MAX_NAMED + 1))
    answer = await peer.post(envelope(request("Ping"), header=header, version=version))
    fault = read_fault(answer)
    assert fault.code == f"{{{ENVELOPES[version]}}}MustUnderstand"
    assert f"h{MAX_NAMED - 1}" in fault.text
    assert f"h{MAX_NAMED}" not in fault.text


@pytest.mark.parametrize(
    "header",
    [
        '<t:tx xmlns:t="urn:tx"/>',
        '<t:tx xmlns:t="urn:tx" s:mustUnderstand="0"/>',
        '<t:tx xmlns:t="urn:tx" s:mustUnderstand="1" s:actor="urn:next-but-one" s:role="urn:next-but-one"/>',
        f'<w:Security xmlns:w="{WSSE}" s:mustUnderstand="1"/>',
        '<t:tx xmlns:t="urn:tx">' + "<a>" * 50 + "</a>" * 50 + "</t:tx>",
    ],
    ids=["may be ignored", "says so", "for somebody else", "is understood", "is deep"],
)
async def test_other_headers_do_no_harm(peer: SoapPeer, header: str) -> None:
    await peer.call("Ping", header=header)
