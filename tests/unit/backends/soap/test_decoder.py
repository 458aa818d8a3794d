"""The decoder of SOAP: what envelopes mean, whoever wrote them."""

from __future__ import annotations

import gzip

import pytest
from lxml import etree

from backends.soap.conversion import TNS, WSDL, WSSE, WSU
from backends.soap.decoder import make_decoder
from chat.interfaces.frames import Direction, Frame
from lab.wire.masking import walk
from tests.support.decoding import DOWN, UP, everything_shown, frames_of

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
TEXT = "täglich > \"zitiert\" & 'mehr' 🙂"
ESCAPED = "täglich &gt; \"zitiert\" &amp; 'mehr' &#128578;"
SECURITY = f"""<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"><wsse:UsernameToken>
<wsse:Username>ann</wsse:Username><wsse:Password Type="x#PasswordDigest">d1gest</wsse:Password>
<wsse:Nonce>n0nce</wsse:Nonce><wsu:Created>2026-11-29T10:00:00Z</wsu:Created></wsse:UsernameToken></wsse:Security>"""
VERSIONS = [(SOAP11, "text/xml; charset=utf-8"), (SOAP12, "application/soap+xml; charset=utf-8")]


def decode(*said: tuple[Direction, bytes]) -> list[Frame]:
    return frames_of(lambda: make_decoder("tcp"), *said)


def envelope(body: str, version: str = SOAP11, header: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{version}" xmlns:tns="{TNS}">'
        f"<soap:Header>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def up(body: str, version: str = SOAP11, kind: str = "text/xml", header: str = "") -> tuple[Direction, bytes]:
    content = envelope(body, version, header)
    head = f"POST /soap HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return UP, head.encode() + content


def down(
    body: str, status: str = "200 OK", version: str = SOAP11, kind: str = "text/xml"
) -> tuple[Direction, bytes]:
    content = envelope(body, version)
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return DOWN, head.encode() + content


def element(name: str, **fields: object) -> str:
    inside = "".join(f"<tns:{key}>{value}</tns:{key}>" for key, value in fields.items())
    return f"<tns:{name}>{inside}</tns:{name}>"


SEND = element("Send", seatKey="s3cret", n=3, text=ESCAPED)
SENT = element("SendResponse", n=3, seq=17)
FETCH = element("Fetch", seatKey="s3cret", after=16, limit=9, wait=0)
EMPTY = element("FetchResponse", head=16)
EVENT = element("event", kind="sent", seq=17, n=8, text=ESCAPED)
OPENED = element("event", kind="opened", seq=1, text="epoch")


def page(*events: str) -> str:
    return f"<tns:FetchResponse><tns:head>17</tns:head>{''.join(events)}</tns:FetchResponse>"


@pytest.mark.parametrize(("version", "kind"), VERSIONS)
def test_a_message_goes_up_as_a_call_with_its_arguments(version: str, kind: str) -> None:
    asked, answered = decode(up(SEND, version, kind), down(SENT, "200 OK", version, kind))
    assert (asked.texts, asked.drafts, asked.seqs, asked.role) == ([TEXT], {3}, {17}, "message")
    assert (answered.texts, answered.drafts, answered.seqs, answered.role) == ([], {3}, {17}, "message")
    assert asked.call is not None
    assert answered.call is not None
    assert asked.call.name == answered.call.name == "Chat: Send"
    assert [(one.name, one.value, one.part) for one in asked.call.fields] == [
        ("seatKey", "••••••", "envelope"),
        ("n", "3", "envelope"),
        ("text", TEXT, "payload"),
    ]
    assert answered.call.value == "SendResponse, 200 OK"
    assert "s3cret" not in everything_shown(asked)


def test_exactly_the_text_is_payload() -> None:
    (frame,) = decode(up(SEND))
    (payload,) = [one for one in walk(frame.root) if one.part == "payload"]
    assert payload.span is not None
    raw = frame.data[slice(*payload.span)].decode()
    assert raw == ESCAPED
    assert etree.fromstring(f"<a>{raw}</a>").text == TEXT


def test_the_digest_and_the_nonce_of_a_token_are_masked() -> None:
    (frame,) = decode(up("<tns:Ping/>", header=SECURITY))
    shown = everything_shown(frame)
    assert "d1gest" not in shown
    assert "n0nce" not in shown
    assert "2026-11-29T10:00:00Z" in shown
    assert frame.role == "control"


def test_polls_and_empty_answers_are_polls_and_events_are_messages() -> None:
    asked, empty = decode(up(FETCH), down(EMPTY))
    assert (asked.role, empty.role) == ("poll", "poll")
    asked, news = decode(up(FETCH), down(page(OPENED, EVENT)))
    assert (asked.role, news.role) == ("poll", "message")
    assert (news.texts, news.seqs, asked.seqs) == ([TEXT], {1, 17}, {1, 17})  # the epoch is no text
    assert news.drafts == set()  # the number of somebody else's draft


@pytest.mark.parametrize("place", ["<tns:before>9</tns:before>", ""])
def test_a_look_at_old_events_is_no_poll(place: str) -> None:
    old = FETCH.replace("<tns:after>16</tns:after>", place)
    assert [frame.role for frame in decode(up(old), down(EMPTY))] == ["message", "message"]


@pytest.mark.parametrize(("version", "kind"), VERSIONS)
def test_a_fault_answers_its_draft(version: str, kind: str) -> None:
    detail = element("BadText", text="empty", n=3)
    fault = {
        SOAP11: "<faultcode>soap:Client</faultcode><faultstring>empty</faultstring>"
        f"<detail>{detail}</detail>",
        SOAP12: f"<soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason><soap:Text>empty"
        f"</soap:Text></soap:Reason><soap:Detail>{detail}</soap:Detail>",
    }[version]
    frames = decode(
        up(SEND, version, kind), down(f"<soap:Fault>{fault}</soap:Fault>", "400 Bad Request", version, kind)
    )
    answered = frames[1]
    assert (answered.drafts, answered.seqs, answered.texts, answered.role) == ({3}, set(), [], "message")
    assert answered.summary == "400 Bad Request Fault: empty"
    assert answered.call is not None
    assert (answered.call.name, answered.call.value) == ("Chat: Send", "Fault, 400 Bad Request")


def test_joining_and_the_wsdl_are_setup() -> None:
    content = WSDL.read_bytes()
    frames = decode(
        (UP, b"GET /soap?wsdl HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            DOWN,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(content)
            + content,
        ),
        up(element("Join", room="lab", nick="ann")),
        down(element("JoinResponse", seatKey="s3cret")),
    )
    assert [frame.role for frame in frames] == ["setup"] * 4
    assert [frame.problem for frame in frames] == [""] * 4
    assert frames[0].summary == "GET /soap?wsdl"
    assert "s3cret" not in everything_shown(frames[3])


def test_what_foreign_clients_write_is_read_as_ours_is() -> None:
    perl = (
        f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP11}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
        f'<soap:Body><Send xmlns="{TNS}"><n xsi:type="xsd:int">1</n>'
        '<text xsi:type="xsd:string">hello</text></Send></soap:Body></soap:Envelope>'
    ).encode()
    head = (
        b'POST /soap HTTP/1.1\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE, close\r\nSOAPAction: "Send"\r\n'
        b"User-Agent: SOAP::Lite/Perl/1.27\r\nContent-Type: text/xml; charset=utf-8\r\n"
    )
    php = perl.replace(b"soap:", b"SOAP-ENV:").replace(b"xmlns:soap=", b"xmlns:SOAP-ENV=")
    node = b"<soap:Body>".join(perl.replace(b" xsi:type", b"\n\ttype").split(b"<soap:Body>"))
    for content in (perl, php, node):
        zipped = gzip.compress(content)
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        for body in (
            b"Content-Length: %d\r\n\r\n" % len(content) + content,
            b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
            b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped,
        ):
            (frame,) = decode((UP, head + body))
            assert (frame.problem, frame.texts, frame.drafts) == ("", ["hello"], {1})


def test_a_call_of_another_service_is_shown_as_it_is() -> None:
    other = '<m:GetPrice xmlns:m="urn:shop"><m:Item>Apples</m:Item><m:text>no message</m:text></m:GetPrice>'
    frame, answered = decode(
        up(other), down('<m:GetPriceResponse xmlns:m="urn:shop"><m:Price>1</m:Price></m:GetPriceResponse>')
    )
    assert frame.call is not None
    assert answered.call is not None
    assert frame.call.name == answered.call.name == "GetPrice"
    assert [(one.name, one.value) for one in frame.call.fields] == [
        ("Item", "Apples"),
        ("text", "no message"),
    ]
    assert (frame.texts, frame.role) == ([], "message")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<a><seatKey>s3cret</seatKey>", "not XML"),
        (b"<!DOCTYPE a><a><seatKey>s3cret</seatKey></a>", "XML with a document type"),
    ],
)
def test_a_body_that_is_not_read_loses_only_itself(content: bytes, why: str) -> None:
    head = b"POST /soap HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(content)
    frame, after = make_decoder("tcp").feed(UP, head + content + up(SEND)[1])
    assert frame.problem.startswith(why)
    assert (frame.kind, frame.role) == ("POST", "message")
    assert "s3cret" not in everything_shown(frame)
    assert after.texts == [TEXT]
