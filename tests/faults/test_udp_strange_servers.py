"""Servers that are broken, lie, or vanish: the client reports it, and accepts nothing without proof."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

import backends
import backends.udp.client_connection
import backends.udp.client_handshake
from backends.udp.client import UdpClient
from backends.udp.message_auth import DOWN, Authenticator, derive, root_key
from backends.udp.server import UdpServer
from backends.udp.server_endpoint import ServerEndpoint
from backends.udp.server_socket import ServerSocket
from chat.domain.errors import AccessDenied, ChatError, ConnectionLost
from chat.domain.model import Cursor, Hello
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.kit import Connect, Serving
from tests.support.people import Person

COOKIE = "0" * 32
Message = dict[str, Any]
Reply = Callable[[Message], list[bytes]]


@pytest.fixture
def technique() -> Technique:
    return backends.technique("udp")


class Strange(asyncio.DatagramProtocol):
    """Answers whatever a test wants."""

    def __init__(self) -> None:
        self.reply: Reply = lambda message: []
        self.heard: list[Message] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        message = json.loads(data.partition(b"\n")[0])
        self.heard.append(message)
        for datagram in self.reply(message):
            self.transport.sendto(datagram, address)

    @property
    def client(self) -> UdpClient:
        return UdpClient(Address(*self.transport.get_extra_info("sockname")))


@pytest.fixture
async def strange() -> AsyncIterator[Strange]:
    transport, strange = await asyncio.get_running_loop().create_datagram_endpoint(
        Strange, local_addr=("127.0.0.1", 0)
    )
    yield strange
    transport.close()


def datagram(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def end(hello: Message, code: str, text: str = "told so") -> bytes:
    return datagram(kind="end", code=code, text=text, nonce=hello["nonce"])


def cookie(hello: Message, *, access: bool = False) -> list[bytes]:
    return [datagram(kind="cookie", cookie=COOKIE, nonce=hello["nonce"], access=access)]


def welcome(hello: Message, **other: Any) -> bytes:
    fields: Message = {"kind": "welcome", "room": "lab", "nick": "ann", "seat": "s", "seat_key": "k"}
    fields |= {"epoch": "e", "first": 1, "head": 0, "n": 0, "start": 0, "limits": {}, "nonce": hello["nonce"]}
    return datagram(**(fields | other))


async def test_a_silent_server_is_not_waited_for_long(
    strange: Strange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.udp.client_handshake, "WELCOME_TIMEOUT", 0.6)
    client = strange.client
    with pytest.raises(ConnectionLost, match="no answer from"):
        await client.connect(Hello("lab", "ann"))
    await client.close()
    assert len(strange.heard) > 1, "the hello is sent again"


async def test_a_server_of_another_protocol_is_reported(
    strange: Strange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.udp.client_handshake, "WELCOME_TIMEOUT", 0.3)
    strange.reply = lambda message: [b"\x80\x00", b"220 ready", b'{"kind":"cookie"}']
    client = strange.client
    with pytest.raises(ConnectionLost, match="does not speak udp"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_a_reply_to_another_hello_is_not_accepted(strange: Strange) -> None:
    strange.reply = lambda hello: [
        end({"nonce": "another"}, "bad_name"),
        welcome({"nonce": "another"}),
        end(hello, "bad_name", "this one"),
    ]
    client = strange.client
    with pytest.raises(ChatError, match="this one"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_without_the_token_only_a_denial_is_accepted(strange: Strange) -> None:
    def reply(hello: Message) -> list[bytes]:
        if not hello.get("cookie"):
            return cookie(hello, access=True)
        forged = Authenticator(derive(root_key("another"), DOWN, hello["nonce"], "salt"))
        return [
            end(hello, "bad_name"),
            welcome(hello, salt="salt"),
            forged.protect(welcome(hello, salt="salt")),
            end(hello, "access_denied"),
        ]

    strange.reply = reply
    client = strange.client
    with pytest.raises(AccessDenied):
        await client.connect(Hello("lab", "ann", access="open sesame"))
    await client.close()
    assert "sesame" not in repr(strange.heard)


async def test_a_text_of_a_server_cannot_act_on_a_terminal(strange: Strange) -> None:
    strange.reply = lambda hello: [end(hello, "full", "\x1b[2J")]
    client = strange.client
    with pytest.raises(ChatError, match=r"\\u001b"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


async def test_a_server_that_vanishes_is_noticed(
    technique: Technique, connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.udp.client_connection, "SILENCE_TIMEOUT", 0.5)
    monkeypatch.setattr(backends.udp.client_connection, "CHECK_EVERY", 0.1)
    ann = Person(*await connect("ann"))
    ann.listen()
    monkeypatch.setattr(ServerSocket, "datagram_received", lambda *_: None)
    reason = await ann.over
    assert isinstance(reason, ConnectionLost)
    assert "has not answered" in str(reason)
    await ann.stop()


async def test_a_server_that_was_killed_is_noticed_at_the_next_ping(
    connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Person(*await connect("ann"))
    ann.listen()
    monkeypatch.setattr(ServerEndpoint, "end", lambda *_: None)  # it has no time to say so
    await server.server.stop()
    reason = await ann.over
    assert isinstance(reason, ConnectionLost)
    assert "nothing listens on" in str(reason)
    await ann.stop()


async def test_a_new_server_on_the_port_says_that_it_knows_no_connection(
    connect: Connect, server: Serving, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Person(*await connect("ann", cursor=Cursor(0)))
    ann.listen()
    with monkeypatch.context() as patch:
        patch.setattr(ServerEndpoint, "end", lambda *_: None)
        await server.server.stop()
    again = UdpServer(hub, server.address)
    await again.start()
    reason = await ann.over
    assert isinstance(reason, ConnectionLost)
    await ann.stop()
    await again.stop()
