"""Messages that make no sense, over SOAP: each gets a fault, nothing is logged, and the server goes on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from backends.soap.conversion import TNS
from backends.soap.server import MAX_BODY
from chat.domain.model import Limits
from chat.server.hub import Hub
from tests.support.http_peer import Answer
from tests.support.kit import Serving
from tests.support.soap_peer import ENVELOPES, TYPES, SoapPeer, envelope, read_fault, request

pytestmark = pytest.mark.parametrize("technique", ["soap"], indirect=True)

XSI = "http://www.w3.org/2001/XMLSchema-instance"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture(params=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def peer(server: Serving, version: str) -> AsyncIterator[SoapPeer]:
    """A peer; at the end its connection, and the server, must still be good for a call."""
    async with await SoapPeer.open(server.address, version) as peer:
        yield peer
        await peer.call("Ping")


@pytest.fixture
async def key(peer: SoapPeer) -> str:
    return await peer.join()


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def text_of(peer: SoapPeer, key: str, raw: str) -> bytes:
    """Return a Send whose text is this, as it stands."""
    return envelope(request("Send", seatKey=key, n=0, text=raw), version=peer.version)


async def refused(peer: SoapPeer, data: bytes, content_type: str = "", *, name: str = "BadRequest") -> str:
    """Send bytes; return what the fault says, which must be the sender's."""
    fault = read_fault(await peer.post(data, content_type))
    ours = ENVELOPES[peer.version]
    side = "Client" if peer.version == "1.1" else "Sender"
    assert (fault.side, fault.name) == (f"{{{ours}}}{side}", name), fault
    assert fault.status == (500 if peer.version == "1.1" else 400)
    assert fault.text == fault.detail["text"]
    assert "<string>" not in fault.text
    return fault.text


# --- what is no message --------------------------------------------------------------------------

NOT_XML = {
    "nothing": b"",
    "blanks": b"  \n ",
    "a word": b"hello",
    "JSON": b'{"seatKey": "x"}',
    "half an envelope": envelope("<x/>")[:-12],
    "two documents": envelope("<x/>") * 2,
    "an element that is not closed": envelope("<x>"),
    "a prefix that nobody declared": envelope("<x:y/>"),
    "an attribute twice": envelope('<x a="1" a="2"/>'),
    "deep": envelope("<a>" * 300 + "</a>" * 300),
    "a deep open end": b"<a>" * 60_000,
    "a name without an end": envelope(f"<{'a' * 60_000}/>"),
    "an entity that nobody declared": envelope("<x>&boom;</x>"),
    "a character reference of zero": envelope("<x>&#0;</x>"),
    "a character reference to a surrogate": envelope("<x>&#xD800;</x>"),
    "a character reference to a control character": envelope("<x>&#7;</x>"),
    "the same in XML 1.1": b'<?xml version="1.1"?>' + envelope("<x>&#7;</x>"),
    "a zero byte": envelope("<x>\0</x>"),
    "not UTF-8": envelope("<x>Q</x>").replace(b"Q", b"\xff\xfe"),
    "half a character of UTF-8": envelope("<x>Q</x>").replace(b"Q", b"\xe2\x82"),
    "U+FFFF": envelope("<x>\uffff</x>"),
}


@pytest.mark.parametrize("what", NOT_XML)
async def test_what_is_no_xml_is_refused(peer: SoapPeer, what: str) -> None:
    assert (await refused(peer, NOT_XML[what])).startswith("not XML: ")


ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
TYPED = {
    "a document type": "<!DOCTYPE x>",
    "one behind what may stand before it": "<?xml version='1.0'?> <!-- <x> --><?boom <x> ?>\n<!DOCTYPE x>",
    "an entity": '<!DOCTYPE x [<!ENTITY e "boom">]>',
    "a bomb": f'<!DOCTYPE x [<!ENTITY e0 "boom">{ENTITIES}]>',
    "an entity from a file": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "a default of an attribute": '<!DOCTYPE x [<!ATTLIST x y CDATA "boom">]>',
}


@pytest.mark.parametrize("what", TYPED)
async def test_a_document_type_is_refused(peer: SoapPeer, key: str, what: str) -> None:
    uses = {"an entity": "&e;", "a bomb": "&e11;", "an entity from a file": "&e;"}
    data = TYPED[what].encode() + text_of(peer, key, uses.get(what, "hi"))
    typed = "a SOAP message has no document type"
    assert await refused(peer, data) == typed
    wide = data.decode().encode("utf-16")
    assert await refused(peer, wide, TYPES[peer.version]) == typed
    assert await refused(peer, b"\xef\xbb\xbf" + data) == typed


async def test_the_words_of_a_document_type_are_a_text_like_any_other(
    peer: SoapPeer, key: str, hub: Hub
) -> None:
    raw = "<![CDATA[<!DOCTYPE x>]]><!-- <!DOCTYPE x> -->"
    assert (await peer.post(text_of(peer, key, raw))).status == 200
    assert (await last(hub)) == "<!DOCTYPE x>"


@pytest.mark.parametrize("prolog", [b"<!-- -->", b"<?x ?>", b"<!--", b"<?x ", b" "])
async def test_much_before_the_root_is_read_once(peer: SoapPeer, prolog: bytes) -> None:
    """A pattern that tried every way to read it would not come to an end."""
    answer = await peer.post(prolog * 20_000 + envelope(request("Ping"), version=peer.version))
    assert answer.status in (200, 400, 500)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
async def test_nothing_that_a_document_names_is_opened(peer: SoapPeer, key: str, tmp_path: Path) -> None:
    """Whoever opens the pipe waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for kind in (
        f'<!DOCTYPE x SYSTEM "{pipe.as_uri()}">',
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{pipe.as_uri()}">]>',
        f'<!DOCTYPE x [<!ENTITY % e SYSTEM "{pipe.as_uri()}"> %e;]>',
    ):
        await refused(peer, kind.encode() + text_of(peer, key, "&e;" if "[<!ENTITY e" in kind else "hi"))
    xinclude = f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="{pipe.as_uri()}"/>'
    await refused(peer, text_of(peer, key, xinclude))
    located = f'<Ping xmlns="{TNS}" xmlns:i="{XSI}" i:schemaLocation="{TNS} {pipe.as_uri()}"/>'
    styled = f'<?xml-stylesheet href="{pipe.as_uri()}"?>'.encode()
    assert (await peer.post(styled + envelope(located, version=peer.version))).status == 200


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
    "twenty thousand attributes": send(attributes="".join(f' a{i}=""' for i in range(20_000))),
    "an element in a text": but("hi", "hi<b/>"),
    "a word for a number": but("0", "one"),
    "a fraction": but("0", "1.5"),
    "a negative number": but("0", "-1"),
    "a number too large": but("0", str(2**53)),
    "a number far too large": but("0", "9" * 5000),
    "digits of another script": but("0", "٣"),
    "a text too long": but("hi", "x" * 4001),
    "a text far too long": but("hi", "x" * 200_000),
    "an empty text": but("hi", ""),
    "nil": but("<text>hi", '<text i:nil="true">'),
    "another type": but("<text", '<text i:type="Event"'),
    "a type from elsewhere": but("<text", '<text i:type="x:y"'),
    "a wait too long": fetch(wait=21),
    "a page too long": fetch(limit=201),
    "a page of nothing": fetch(limit=0),
    "no room": request("Join", room="No Room", nick="eve"),
    "a room far too long": request("Join", room="a" * 200_000, nick="eve"),
    "a nick too long": request("Join", room="lab", nick="x" * 25),
    "sixty thousand elements": send("<a/>" * 60_000),
    "an id and a reference to itself": send('<seatKey id="b" href="#a"/>', ' id="a" href="#a"'),
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


GOOD = {
    "a comment": ("he<!-- <b> -->llo", "hello"),
    "a processing instruction": ("he<?boom now?>llo", "hello"),
    "a section of character data": ("<![CDATA[</text> & <b>]]>", "</text> & <b>"),
    "references": ("&lt;&#104;&#x65;llo&gt; &amp;", "<hello> &"),
    "blanks": ("  a\tb\n", "  a\tb\n"),
    "a line end of Windows": ("a\r\nb", "a\nb"),
}


@pytest.mark.parametrize("what", GOOD)
async def test_a_text_is_what_xml_says_it_is(peer: SoapPeer, key: str, hub: Hub, what: str) -> None:
    raw, text = GOOD[what]
    assert (await peer.post(text_of(peer, key, raw))).status == 200
    assert (await last(hub)) == text


@pytest.mark.parametrize("n", ["0" * 5000 + "1", "+" + "0" * 5000 + "1", "\n 01 ", "+1"])
async def test_a_number_is_what_xml_says_it_is(peer: SoapPeer, key: str, n: str) -> None:
    assert (await peer.call("Send", seatKey=key, n=n, text="hi")).findtext(f"{{{TNS}}}n") == "1"


async def test_a_number_below_zero_by_its_sign_only_is_zero(peer: SoapPeer, key: str) -> None:
    assert (await peer.call("Fetch", seatKey=key, after="-0", limit=1, wait=0)) is not None


async def last(hub: Hub) -> str:
    (event,) = await (await hub.look("lab", "")).history(None, None, 1)
    return event.text


# --- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "us-ascii"])
async def test_a_message_may_come_in_utf_8_and_utf_16(
    peer: SoapPeer, key: str, hub: Hub, encoding: str
) -> None:
    declared = {"utf-8-sig": "utf-8", "us-ascii": "us-ascii"}.get(encoding, "utf-16")
    text = "hello" if encoding == "us-ascii" else "wörld 🦜"
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    document = f'{mark}<?xml version="1.0" encoding="{declared}"?>{text_of(peer, key, text).decode()}'
    answer = await peer.post(document.encode(encoding), TYPES[peer.version])
    assert (answer.status, await last(hub)) == (200, text)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "koi8-r", "klingon", "utf-32", "utf-7"])
async def test_other_encodings_are_refused(peer: SoapPeer, key: str, encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + text_of(peer, key, "hi")
    await refused(peer, document, TYPES[peer.version])


async def test_an_encoding_that_the_bytes_have_not_is_refused(peer: SoapPeer, key: str) -> None:
    document = b'<?xml version="1.0" encoding="UTF-16"?>' + text_of(peer, key, "hi")
    await refused(peer, document, TYPES[peer.version])


async def test_a_byte_order_mark_tells_more_than_the_content_type(peer: SoapPeer, key: str) -> None:
    """RFC 7303, section 3.3."""
    data = text_of(peer, key, "hi").decode().encode("utf-16")
    assert (await peer.post(data, f"{TYPES[peer.version]}; charset=utf-8")).status == 200


# --- headers -------------------------------------------------------------------------------------

MUST = '<t:tx xmlns:t="urn:tx" s:mustUnderstand="1"/>'


async def test_a_header_that_must_be_understood_and_is_not_is_refused(peer: SoapPeer, version: str) -> None:
    answer = await peer.post(envelope(request("Ping"), header=MUST, version=version))
    fault = read_fault(answer)
    assert (fault.status, fault.code) == (500, f"{{{ENVELOPES[version]}}}MustUnderstand")
    assert "urn:tx" in fault.text
    assert fault.name == "", "it is not about the body"
    assert (b"NotUnderstood" in answer.body) == (version == "1.2")


async def test_ten_thousand_such_headers_are_not_all_named(peer: SoapPeer, version: str) -> None:
    header = '<h s:mustUnderstand="1"/>' * 9_000
    answer = await peer.post(envelope(request("Ping"), header=header, version=version))
    assert read_fault(answer).code == f"{{{ENVELOPES[version]}}}MustUnderstand"
    assert len(answer.body) < 4000


@pytest.mark.parametrize(
    "header",
    [
        '<t:tx xmlns:t="urn:tx"/>',
        '<t:tx xmlns:t="urn:tx" s:mustUnderstand="0"/>',
        '<t:tx xmlns:t="urn:tx" s:mustUnderstand="1" s:actor="urn:next-but-one" s:role="urn:next-but-one"/>',
        f'<w:Security xmlns:w="{WSSE}" s:mustUnderstand="1"/>',
        '<t:tx xmlns:t="urn:tx">' + "<a>" * 200 + "</a>" * 200 + "</t:tx>",
    ],
    ids=["may be ignored", "says so", "for somebody else", "is understood", "is deep"],
)
async def test_other_headers_do_no_harm(peer: SoapPeer, header: str) -> None:
    await peer.call("Ping", header=header)


# --- HTTP ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "application/xml", "text/plain", "text/xml; charset=utf-99", "text", "?"),
        *(
            "text/xml; charset=iso-8859-1",
            "multipart/related; type=text/xml",
            "text/xml, application/soap+xml",
        ),
    ],
)
async def test_another_content_type_is_unsupported(peer: SoapPeer, content_type: str) -> None:
    answer = await peer.post(envelope(request("Ping"), version=peer.version), content_type)
    assert (answer.status, read_fault(answer).name) == (415, "BadRequest")
    assert answer.headers["accept-post"] == "text/xml, application/soap+xml"


async def test_without_a_content_type_nothing_is_read(peer: SoapPeer) -> None:
    answer = await peer.ask("POST", "/soap", envelope(request("Ping")))
    assert (answer.status, read_fault(answer).name) == (415, "BadRequest")


async def test_a_message_that_is_compressed_is_unsupported(peer: SoapPeer) -> None:
    answer = await peer.post(envelope(request("Ping")), **{"Content-Encoding": "gzip"})
    assert answer.status == 415


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(peer: SoapPeer, method: str) -> None:
    answer = await peer.ask(method, "/soap")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/Soap", "/soap/", "/soap/x", "/chat.wsdl/", "/..%2fsoap", "//soap"])
async def test_elsewhere_there_is_nothing(peer: SoapPeer, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await peer.ask(method, path, envelope(request("Ping")), headers={"Content-Type": "text/xml"})
        assert (answer.status, read_fault(answer).name) == (404, "BadRequest")


async def too_large(server: Serving, head: bytes, size: int) -> Answer:
    """Send a head and so many bytes, as far as they are taken; return the answer."""
    async with await SoapPeer.open(server.address) as peer:
        lines = b"POST /soap HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n" + head + b"\r\n"
        await peer.send(lines)
        piece = b" " * 65536

        async def pour() -> None:
            with suppress(ConnectionError):
                for _ in range(size // len(piece)):
                    await peer.send((b"10000\r\n" + piece + b"\r\n") if b"chunked" in head else piece)

        pouring = asyncio.create_task(pour())
        answer = await peer.answer()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        return answer


@pytest.mark.parametrize("head", [b"Content-Length: 52428800\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_fifty_megabytes_are_too_much(server: Serving, head: bytes) -> None:
    answer = await too_large(server, head, 50 * 1024 * 1024)
    assert (answer.status, read_fault(answer).name) == (413, "BadRequest")
    assert str(MAX_BODY) in read_fault(answer).text


async def test_just_as_much_as_is_allowed_is_taken(peer: SoapPeer, key: str) -> None:
    data = text_of(peer, key, "hi")
    assert (await peer.post(data + b" " * (MAX_BODY - len(data)))).status == 200


async def test_a_peer_that_goes_in_the_middle_of_a_message_does_no_harm(server: Serving) -> None:
    async with await SoapPeer.open(server.address) as peer:
        whole = peer.request("POST", "/soap", envelope("<x/>"), headers={"Content-Type": "text/xml"})
        await peer.send(whole[:-10])
    async with await SoapPeer.open(server.address) as peer:
        await peer.call("Ping")
