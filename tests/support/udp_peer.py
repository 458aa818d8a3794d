"""A UDP client that sends whatever bytes a test wants, and collects the datagrams that come back."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self, cast

from backends.udp.message_auth import HELLO_UP, UP, Authenticator, derive, root_key
from chat.interfaces.address import Address

Message = dict[str, Any]
NONCE = "00112233445566778899aabbccddeeff"


class RawPeer(asyncio.DatagramProtocol):
    """One socket. ``async with RawPeer(address) as peer`` closes it at the end."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.sent = 0
        """Bytes that were sent to the server."""
        self.got = 0
        """Bytes that came back."""
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, remote_addr=(self._address.host, self._address.port)
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._transport.close()
        await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got += len(data)
        self.came.put_nowait(data)

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self._transport.sendto(data)

    def say(self, **fields: Any) -> None:
        """Send one message; the first field is its kind."""
        self.send(json.dumps(fields).encode())

    async def datagram(self) -> bytes:
        return await self.came.get()

    async def until(self, kind: str, **fields: Any) -> Message:
        """Return the next message of this kind with these fields; others are dropped."""
        while True:
            data = await self.came.get()
            message: Message = json.loads(data.partition(b"\n")[0])
            if message["kind"] == kind and fields.items() <= message.items():
                return message

    async def cookie(self, **fields: Any) -> str:
        """Send a hello without a cookie; return the cookie that comes back."""
        self.say(kind="hello", nick="eve", pad="x" * 256, **fields)
        return str((await self.until("cookie"))["cookie"])

    async def enter(self, nick: str = "eve", **fields: Any) -> Message:
        """Take a seat; return the welcome."""
        self.say(kind="hello", nick=nick, cookie=await self.cookie(), **fields)
        return await self.until("welcome")

    async def enter_with_token(self, token: str, nick: str = "eve") -> Authenticator:
        """Take a seat with the token; return what adds the MAC to everything after it."""
        cookie = await self.cookie(nonce=NONCE)
        hello = json.dumps({"kind": "hello", "nick": nick, "nonce": NONCE, "cookie": cookie}).encode()
        self.send(Authenticator(derive(root_key(token), HELLO_UP, NONCE, cookie)).protect(hello))
        welcome = await self.until("welcome")
        return Authenticator(derive(root_key(token), UP, NONCE, welcome["salt"]))
