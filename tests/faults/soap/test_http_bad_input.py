"""HTTP requests that are no calls of the SOAP service: each gets the right status, and a fault."""

from __future__ import annotations

import pytest

from backends.soap.server import MAX_BODY
from tests.support.kit import Serving
from tests.support.soap_peer import SoapPeer, envelope, read_fault, request, text_of

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("technique", ["soap"], indirect=True)]


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


LENGTH = f"Content-Length: {MAX_BODY + 1}\r\n\r\n".encode() + b" " * (MAX_BODY + 1)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (MAX_BODY + 1, b" " * (MAX_BODY + 1))


@pytest.mark.parametrize("sent", [LENGTH, CHUNKED], ids=["with a length", "in chunks"])
async def test_a_byte_more_than_is_allowed_is_too_much(server: Serving, sent: bytes) -> None:
    async with await SoapPeer.open(server.address) as peer:
        await peer.send(b"POST /soap HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n" + sent)
        answer = await peer.answer()
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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_wsdl_is_read_only_if_the_preconditions_hold(peer: SoapPeer, method: str) -> None:
    """RFC 9110, 13: it exists, and has no entity tag."""
    for name, value, status in (
        ("If-Match", "*", 200),
        ("If-Match", '"a"', 412),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"a"', 200),
    ):
        answer = await peer.ask(method, "/soap?wsdl", headers={name: value})
        assert (answer.status, name, value) == (status, name, value)


async def test_a_call_has_no_state_that_could_match(peer: SoapPeer) -> None:
    ping = envelope(request("Ping"), version=peer.version)
    refused = await peer.post(ping, **{"If-Match": "*"})
    assert (refused.status, read_fault(refused).name) == (412, "BadRequest")
    assert (await peer.post(ping, **{"If-None-Match": "*"})).status == 200
