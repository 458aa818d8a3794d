"""A SOAP client among strangers: whatever listens there and answers, its user gets one good sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from backends.soap.client import SoapClient
from backends.soap.conversion import TNS
from chat.domain.errors import ChatError, ConnectionLost, Full, NickTaken
from chat.domain.model import Cursor, Hello, Limits, Say
from chat.interfaces.address import Address
from chat.server.hub import Hub
from tests.support.kit import QUICK, Connect, Serving
from tests.support.soap_peer import ENVELOPES, envelope, request

Stranger = Callable[[bytes], Awaitable[Address]]
SOAP = "application/soap+xml; charset=utf-8"


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    """Listens, reads a request, answers with the given bytes, and closes."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def listen(said: bytes) -> Address:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b":Envelope>")
                writer.write(said)
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return Address(*servers[-1].sockets[0].getsockname())

    yield listen
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def answer(body: bytes, status: str = "200 OK", kind: str = SOAP) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def soap(body: str) -> bytes:
    return envelope(body, version="1.2")


def fault(detail: str) -> str:
    return (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>no</s:Text>"
        f"</s:Reason>{detail}</s:Fault>"
    )


JOINED = request("JoinResponse", room="lab", nick="ann", seat="s", seatKey="k", epoch="e")
EMPTY = f'<s:Envelope xmlns:s="{ENVELOPES["1.2"]}"/>'.encode()
STRANGERS = {
    "a web page": (answer(b"<html>", kind="text/html"), "HTTP status 200 and text/html"),
    "an error page": (answer(b"no", "404 Not Found", "text/html"), "HTTP status 404 and text/html"),
    "a problem in JSON": (answer(b"{}", "404 Not Found", "application/problem+json"), "HTTP status 404"),
    "SOAP 1.1": (answer(envelope(JOINED), kind="text/xml"), "HTTP status 200 and text/xml"),
    "no type": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "no Content-Type"),
    "a redirection": (b"HTTP/1.1 302 \r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP status 302"),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "no HTTP"),
    "a line of JSON": (b'{"kind":"error"}\r\n\r\n', "no HTTP"),
    "nothing": (b"", "closed the connection without an answer"),
    "half an answer": (answer(soap(JOINED))[:-20], "closed the connection without an answer"),
    "no XML": (answer(b"hello"), "does not speak soap"),
    "an empty body": (answer(b""), "does not speak soap"),
    "a document type": (answer(b"<!DOCTYPE x>" + soap(JOINED)), "does not speak soap"),
    "an entity": (answer(b'<!DOCTYPE x [<!ENTITY e "x">]>' + soap("<x>&e;</x>")), "does not speak soap"),
    "another envelope": (answer(envelope(JOINED)), "does not speak soap"),
    "no envelope": (answer(b"<x/>"), "does not speak soap"),
    "an empty envelope": (answer(EMPTY), "does not speak soap"),
    "another operation": (answer(soap(request("PingResponse"))), "does not speak soap"),
    "another namespace": (answer(soap(JOINED.replace(TNS, "urn:x"))), "does not speak soap"),
    "half of what belongs there": (answer(soap(JOINED)), "does not speak soap"),
    "words for numbers": (
        answer(soap(JOINED.replace("</epoch>", "</epoch><first>x</first>"))),
        "does not speak soap",
    ),
    "a fault of somebody else": (answer(soap(fault("")), "400 Bad Request"), "a fault: no"),
    "a fault with a detail of somebody else": (
        answer(soap(fault("<s:Detail><x/></s:Detail>")), "500 Internal Server Error"),
        "a fault: no",
    ),
    "an error without a fault": (answer(soap("<x/>"), "500 Internal Server Error"), "does not speak soap"),
}  # fmt: skip


@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_is_told_from_a_server(stranger: Stranger, who: str) -> None:
    said, words = STRANGERS[who]
    address = await stranger(said)
    client = SoapClient(address, QUICK)
    with pytest.raises(ConnectionLost) as lost:
        await client.connect(Hello("lab", "ann"))
    assert words in str(lost.value)
    assert str(address) in str(lost.value)
    assert len(str(lost.value)) < 400
    await client.close()


async def test_an_answer_that_is_a_byte_too_long_is_not_read(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.transport.http_client.MAX_ANSWER", 1000)
    client = SoapClient(await stranger(answer(b" " * 1001)), QUICK)
    with pytest.raises(ConnectionLost, match="an answer without an end"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_what_is_refused_before_its_envelope_is_read_is_told_in_its_own_words(
    stranger: Stranger,
) -> None:
    """The server can't know which SOAP the caller speaks, and says it in SOAP 1.1."""
    detail = f"<detail><Full xmlns='{TNS}'><text>too many connections</text></Full></detail>"
    said = f"<s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring>{detail}</s:Fault>"
    status = "503 Service Unavailable"
    address = await stranger(answer(envelope(said), status, "text/xml; charset=utf-8"))
    client = SoapClient(address, QUICK)
    with pytest.raises(Full, match="too many connections"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_what_a_fault_says_can_do_nothing_to_a_terminal(stranger: Stranger) -> None:
    detail = request("NickTaken", text="\x9b[2J taken", retryAfter="1.5")
    body = soap(fault(f"<s:Detail>{detail}</s:Detail>"))
    client = SoapClient(await stranger(answer(body, "400 Bad Request")), QUICK)
    with pytest.raises(NickTaken) as taken:
        await client.connect(Hello("lab", "ann"))
    assert str(taken.value) == "\\u009b[2J taken"
    assert taken.value.retry_after == 1.5
    await client.close()


@pytest.mark.parametrize("number", ["", "x", "nan", "inf", "1e999", "-1"])
async def test_a_number_that_is_none_does_no_harm(stranger: Stranger, number: str) -> None:
    detail = request("TooFast", text="x", n=number, retryAfter=number)
    body = soap(fault(f"<s:Detail>{detail}</s:Detail>"))
    client = SoapClient(await stranger(answer(body, "400 Bad Request")), QUICK)
    with pytest.raises(ChatError) as refused:
        await client.connect(Hello("lab", "ann"))
    assert (refused.value.n, refused.value.retry_after) == (0, None)
    await client.close()


# --- with a server of ours -----------------------------------------------------------------------

ours = pytest.mark.parametrize("technique", ["soap"], indirect=True)


@ours
async def test_after_a_call_that_was_lost_nothing_more_is_sent(connect: Connect, server: Serving) -> None:
    client, _ = await connect("ann")
    await server.server.stop()
    for n in (1, 2):
        with pytest.raises(ConnectionLost):
            await client.send(Say("hi", n))
    with pytest.raises(ConnectionLost):
        async for _ in client.events():
            pass


@ours
@pytest.mark.parametrize("limits", [Limits(burst=0)])
async def test_drafts_that_wait_for_each_other_are_told_when_the_client_is_closed(
    connect: Connect, server: Serving
) -> None:
    client, _ = await connect("ann")
    drafts = [asyncio.create_task(client.send(Say(f"m{i}", i))) for i in range(1, 50)]
    await asyncio.sleep(0)
    await client.close(leave=False)
    outcomes = await asyncio.gather(*drafts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {ConnectionLost}


@ours
async def test_a_client_that_waits_for_news_can_be_closed(server: Serving, hub: Hub) -> None:
    client = SoapClient(server.address)
    client._polls = type(client._polls)("long")
    welcome = await client.connect(Hello("lab", "ann"))
    seen: list[int] = []

    async def listen() -> None:
        async for events in client.events():
            seen.extend(event.seq for event in events)

    listening = asyncio.create_task(listen())
    while not hub._rooms["lab"].long_polls:  # noqa: ASYNC110  # the hub tells nobody who waits
        await asyncio.sleep(0)
    await client.close()
    await listening
    assert seen[-1] == welcome.head


@ours
async def test_a_cursor_of_another_log_is_told_by_its_own_error(connect: Connect) -> None:
    await connect("ann")
    with pytest.raises(ChatError) as stale:
        await connect("bob", cursor=Cursor(10**6))
    assert stale.value.code == "stale_cursor"
