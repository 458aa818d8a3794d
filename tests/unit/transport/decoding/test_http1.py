"""The decoder of HTTP/1.1, with h11 as the judge of what a message says (RFC 9110 and 9112)."""

from __future__ import annotations

import gzip
import zlib

import h11
import pytest

from chat.interfaces.frames import Direction, Frame
from chat.transport.decoding.http1 import MAX_PENDING, HttpDecoder, HttpMessage
from chat.transport.decoding.http_content import MAX_INFLATED
from chat.transport.decoding.http_head import MAX_FIELDS, MAX_HEAD
from tests.support.decoding import DOWN, UP, data_of, everything_shown, field, frames_of

REQUESTS = {
    "curl": b"POST /rooms/lab/messages?a=1&b=%C3%A4+x HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
    b"User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 16\r\nContent-Type: application/json\r\n\r\n"
    b'{"text":"hello"}',
    "node": b"GET /rooms HTTP/1.1\r\nhost: localhost:8000\r\nconnection: keep-alive\r\naccept: */*\r\n"
    b"accept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip\r\n\r\n",
    "SOAP::Lite": b"POST /soap HTTP/1.1\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE, close\r\n"
    b"Accept: text/xml\r\nAccept: multipart/*\r\nHost: 127.0.0.1:8001\r\n"
    b"User-Agent: SOAP::Lite/Perl/1.27\r\nContent-Length: 5\r\n"
    b'Content-Type: text/xml; charset=utf-8\r\nSOAPAction: "urn:chat:v1#Ping"\r\n\r\n<a/>\n',
    "chunked": b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\nA\r\n, in parts\r\n0\r\nX-Trailer: yes\r\n\r\n",
    "by hand": b"GET /rooms HTTP/1.0\n\n",
    "spaces": b"OPTIONS * HTTP/1.1\r\nHost:h\r\nX-Empty:\r\nX-Spaces: \t a b \t \r\n\r\n",
}
RESPONSES = {
    "uvicorn": b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 7\r\n"
    b"date: Sun, 29 Nov 2026 10:00:00 GMT\r\n\r\n[1,2,3]",
    "no reason": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "until close": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it",
    "unmodified": b'HTTP/1.1 304 Not Modified\r\nETag: "a-1"\r\nContent-Length: 99\r\n\r\n',
}
GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d"


def decode(*said: tuple[Direction, bytes]) -> list[Frame]:
    return frames_of(Contents, *said)


class Contents(HttpDecoder):
    """Keeps the contents, which a technique would explain."""

    def describe(self, message: HttpMessage) -> None:
        message.frame.texts.append(message.content.decode("latin-1"))


def judged(connection: h11.Connection, data: bytes) -> tuple[h11.Request | h11.Response, bytes]:
    """Return what h11 makes of the only message in the data."""
    connection.receive_data(data)
    connection.receive_data(b"")
    head, body = None, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            assert isinstance(event, h11.EndOfMessage), event
            assert head is not None
            return head, body


def headers_of(frame: Frame) -> list[tuple[bytes, bytes]]:
    """Return the header fields by their bytes."""
    lines = (
        frame.data[slice(*one.span)]
        for one in frame.root.fields
        if one.span and one.name not in ("request-line", "status-line", "message-body", "empty line")
    )
    pairs = (line.partition(b":") for line in lines)
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_says_what_h11_reads(name: str) -> None:
    data = REQUESTS[name]
    head, body = judged(h11.Connection(h11.SERVER), data)
    assert isinstance(head, h11.Request)
    (frame,) = decode((UP, data))
    assert frame.problem == ""
    assert frame.protocol == f"HTTP/{head.http_version.decode()}"
    assert data_of(frame, "method") == head.method == frame.kind.encode()
    assert data_of(frame, "request-target") == head.target
    assert headers_of(frame) == list(head.headers)
    assert frame.texts == [body.decode()]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_says_what_h11_reads(name: str) -> None:
    data = RESPONSES[name]
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    head, body = judged(client, data)
    assert isinstance(head, h11.Response)
    _, frame = decode((UP, GET % 1), (DOWN, data))
    assert frame.problem == ""
    assert frame.answer
    assert (int(data_of(frame, "status-code")), frame.kind) == (head.status_code, str(head.status_code))
    assert headers_of(frame) == list(head.headers)
    assert frame.texts == [body.decode()]


def test_chunk_sizes_are_framing_and_their_data_is_not() -> None:
    (frame,) = decode((UP, REQUESTS["chunked"]))
    first, second, last, trailers, content = field(frame, "message-body").fields
    assert [one.name for one in first.fields] == ["chunk-size", "chunk-ext", "chunk-data"]
    assert [one.part for one in first.fields] == ["framing", "framing", "envelope"]
    assert data_of(frame, "chunk-data") == b"hello"
    assert second.fields[0].value == "A"
    assert (last.name, last.part) == ("last-chunk", "framing")
    assert trailers.fields[0].name == "X-Trailer"
    assert (content.name, content.span) == ("content", None)


def test_many_chunks_have_one_field() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    (frame,) = decode((UP, head + b"1\r\nx\r\n" * 600 + b"0\r\n\r\n"))
    assert frame.texts == ["x" * 600]
    assert field(frame, "more chunks").value == "100 chunks"


def test_pipelined_requests_are_paired_with_their_answers_in_order() -> None:
    up = b"".join(GET % n for n in range(3))
    frames = decode((UP, up), (DOWN, OK % 0 + OK % 1), (DOWN, OK % 2))
    assert [frame.stream for frame in frames] == ["request 1", "request 2", "request 3"] * 2


def test_an_interim_response_is_a_frame_of_its_own() -> None:
    up = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    interim, request, answer = decode(
        (UP, up), (DOWN, b"HTTP/1.1 100 Continue\r\n\r\n"), (UP, b"hi"), (DOWN, OK % 1)
    )
    assert (interim.kind, interim.role, interim.stream) == ("100", "control", "request 1")
    assert (request.kind, request.texts) == ("POST", ["hi"])
    assert (answer.kind, answer.role, answer.stream) == ("200", "message", "request 1")


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        (b"DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
def test_some_answers_have_no_body(request_head: bytes, answer: bytes) -> None:
    _, _, one, two = decode((UP, request_head + GET % 2), (DOWN, answer + OK % 2))
    assert one.data == answer
    assert (two.kind, two.stream) == ("200", "request 2")


def test_an_answer_may_come_before_the_request_is_complete() -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"
    up = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    early, request, other, answer = decode((UP, up), (DOWN, refusal), (UP, b"late" + GET % 2), (DOWN, OK % 2))
    assert (early.stream, request.stream) == ("request 1", "request 1")
    assert (other.stream, answer.stream) == ("request 2", "request 2")


def test_an_offer_of_another_protocol_that_is_ignored_changes_nothing() -> None:
    offer = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    frames = decode((UP, offer), (DOWN, OK % 1), (UP, GET % 2), (DOWN, OK % 2))
    assert [frame.problem for frame in frames] == [""] * 4


def test_after_another_protocol_was_agreed_nothing_is_decoded() -> None:
    offer = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    decoder = HttpDecoder()
    decoder.feed(UP, offer)
    agreed, after = decoder.feed(DOWN, switch + OK % 1)
    (up,) = decoder.feed(UP, GET % 2)
    assert agreed.kind == "101"
    assert {after.role, up.role} == {"raw"}
    assert up.problem == "another protocol, since 101 Switching Protocols"


# --- codings -----------------------------------------------------------------------------------


def compressed(coding: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        coding.encode(),
        len(body),
        body,
    )


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("X-GZIP", gzip.compress(b"hello", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", raw_deflate(b"hello")),
        ("deflate, gzip", gzip.compress(zlib.compress(b"hello"), mtime=0)),
        ("identity", b"hello"),
    ],
)
def test_a_body_is_inflated(coding: str, body: bytes) -> None:
    _, frame = decode((UP, GET % 1), (DOWN, compressed(coding, body)))
    assert (frame.problem, frame.texts) == ("", ["hello"])


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        (
            "gzip",
            gzip.compress(bytes(MAX_INFLATED + 1), mtime=0),
            f"compressed, and more than {MAX_INFLATED} bytes",
        ),
        ("gzip", gzip.compress(b"hello", mtime=0)[:-9], "compressed, and cut off"),
        ("gzip", b"no gzip", "not gzip"),
        ("deflate", b"\xff\xff", "not deflate"),
        ("br", b"x", "the content coding br is not decoded here"),
        ("gzip, gzip, gzip, gzip", b"x", "4 content codings"),
    ],
)
def test_a_body_that_cannot_be_inflated_loses_only_itself(coding: str, body: bytes, why: str) -> None:
    decoder = Contents()
    decoder.feed(UP, GET % 1 + GET % 2)
    frame, after = decoder.feed(DOWN, compressed(coding, body) + OK % 2)
    assert frame.problem.startswith(why)
    assert (frame.kind, frame.role, frame.texts) == ("200", "message", [])
    assert (after.problem, after.texts) == ("", ["2"])


# --- what is no HTTP ---------------------------------------------------------------------------

CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x16\x03\x01\x02\x00", "no HTTP request"),
        (b"GET /\r\n\r\n", "no request-line of HTTP: GET /"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2.0 is not decoded here"),
        (b"\r\n" * 33, "empty lines"),
        (b"A" * 40, "no HTTP request"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "a header line without a name and a colon"),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "a header line without a name and a colon"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n", f"more than {MAX_FIELDS} header"),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * MAX_HEAD, f"a head of more than {MAX_HEAD} bytes"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "a Content-Length of 1, 2"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "a Content-Length of -1"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999999999999\r\n\r\n", "a frame of more than"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "a request whose last transfer coding"),
        (CHUNKED + b"xyz\r\n", "no size of a chunk: xyz"),
        (CHUNKED + b"1" * 1024, "no size of a chunk"),
        (CHUNKED + b"ffffffffff\r\n", "a frame of more than"),
        (CHUNKED + b"1\r\nabc\r\n", "a chunk is longer than it says"),
        (CHUNKED + b"0\r\nA: " + b"b" * MAX_HEAD, "trailers of more than"),
    ],
)
def test_what_is_no_http_is_raw(data: bytes, why: str) -> None:
    (frame,) = HttpDecoder().feed(UP, data)
    assert (frame.role, frame.data) == ("raw", data)
    assert frame.problem.startswith(why)


def test_a_message_that_breaks_in_its_body_still_shows_its_head() -> None:
    (frame,) = HttpDecoder().feed(UP, CHUNKED + b"xyz\r\n")
    assert data_of(frame, "method") == b"POST"
    decoder = HttpDecoder()
    assert decoder.feed(UP, b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc") == []
    (cut,) = decoder.end(UP)
    assert (cut.kind, cut.problem) == ("POST", "cut off by the end of the connection")
    assert cut.summary == "POST /a: cut off by the end of the connection"


def test_requests_that_nobody_answers_are_bounded() -> None:
    frames = HttpDecoder().feed(UP, (GET % 1) * (MAX_PENDING + 1))
    assert len(frames) == MAX_PENDING + 1
    assert frames[-1].problem == f"{MAX_PENDING} requests wait for their answers"


def test_an_answer_without_a_request_is_shown() -> None:
    refusal = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    (frame,) = decode((DOWN, refusal))
    assert (frame.kind, frame.stream, frame.problem) == ("408", "", "")


def test_decoding_goes_on_with_the_next_message_after_a_hole() -> None:
    decoder = HttpDecoder()
    decoder.feed(UP, GET % 1)
    assert decoder.skip(UP, 100) == []
    (request,) = decoder.feed(UP, GET % 2)
    assert request.problem == ""
    decoder.feed(DOWN, OK[:20])
    assert [frame.problem for frame in decoder.skip(DOWN, 70)] == ["what follows was not kept"]
    torn, answer = decoder.feed(DOWN, b"rest of a body" + OK % 2)
    assert (torn.data, torn.problem) == (b"rest of a body", "70 bytes before it were not kept")
    assert (answer.problem, answer.stream) == ("", request.stream)


# --- secrets -----------------------------------------------------------------------------------

SECRET = "s3cret"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "Set-Cookie",
        "Seat-Key",
        "X-Auth-Token",
        "X-API-Key",
        "X-Mine",
    ],
)
def test_headers_with_secrets_are_masked(name: str) -> None:
    (frame,) = decode((UP, f"GET / HTTP/1.1\r\n{name}: Bearer {SECRET}\r\nHost: h\r\n\r\n".encode()))
    assert SECRET not in everything_shown(frame)
    assert data_of(frame, "Host") == b"Host: h"


def test_a_secret_in_the_query_is_masked() -> None:
    (frame,) = decode((UP, f"GET /a?b=1&access_token={SECRET} HTTP/1.1\r\nHost: h\r\n\r\n".encode()))
    assert SECRET not in everything_shown(frame)
    assert field(frame, "request-target").value == "/a?b=1&access_token=••••••"
    many = "&".join(f"x{i}=1" for i in range(70))
    (frame,) = decode((UP, f"GET /a?{many}&token={SECRET} HTTP/1.1\r\nHost: h\r\n\r\n".encode()))
    assert SECRET not in everything_shown(frame)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"seat_key" : "{SECRET}", "nick": "ann"',
        f"user=ann&password={SECRET}",
        f"<a:Password Type='x'>{SECRET}</a:Password>",
        f"<seatKey>{SECRET}",
        f"mine: bearer {SECRET}",
    ],
)
def test_secrets_are_masked_where_nothing_is_decoded(body: str) -> None:
    up = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    for data in (up, up[:-1], body.encode(), b"\x00" + up):
        decoder = Contents()
        for frame in decoder.feed(UP, data) + decoder.end(UP):
            assert SECRET[:-1] not in everything_shown(frame)


def test_the_rest_of_a_torn_secret_is_masked() -> None:
    up = f"GET / HTTP/1.1\r\nSeat-Key: {SECRET}{SECRET}\r\nX: seen\r\n\r\n".encode()
    place = up.index(SECRET.encode()) + 6
    decoder = HttpDecoder()
    decoder.skip(UP, place)
    (frame,) = decoder.feed(UP, up[place:])
    assert SECRET not in everything_shown(frame)
    assert "X: seen" in everything_shown(frame)


def test_a_secret_whose_name_is_split_is_masked_where_nothing_is_decoded() -> None:
    data = f'\x00{{"nick": "ann", "seat_key": "{SECRET}", "n": 1}}'.encode()
    for place in range(1, len(data)):
        decoder = HttpDecoder()
        first, second = decoder.feed(UP, data[:place]) + decoder.feed(UP, data[place:])
        assert SECRET not in everything_shown(first) + everything_shown(second)
