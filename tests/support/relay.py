"""A relay between client and server that notes the bytes: what the wire carries, measured on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique


def relay_to(target: Address, technique: Technique) -> Relay | DatagramRelay:
    """Return a relay for what carries the technique's bytes; it is not started yet."""
    return DatagramRelay(target) if technique.traits.transport == "udp" else Relay(target)


class Relay:
    """Forwards TCP connections, and can break them all."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self.up = b""
        """What clients sent, all connections together."""
        self.down = b""
        """What the server sent."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        host, port = self._server.sockets[0].getsockname()
        # The target's URL, if it has one, is the URL of who stands before it.
        self.address = Address(host, port, self._target.url.replace(str(self._target), f"{host}:{port}"))

    def shut(self) -> None:
        """Let nobody in any more."""
        self._server.close()

    async def idle(self, within: float) -> bool:
        """Wait at most so many seconds until nobody is connected any more; return whether that is so."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        return not self._tasks

    async def stop(self) -> None:
        self.shut()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection, as a cable that is pulled; what was on its way may be lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, back}
        for source, sink, down in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._forward(source, sink, down))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        try:
            while data := await source.read(65536):
                if down:
                    self.down += data
                else:
                    self.up += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # the other side finds out by itself
        sink.close()


class DatagramRelay:
    """Forwards datagrams, and can lose some; each client gets a port of its own towards the server."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self.up = b""
        """What clients sent, all together."""
        self.down = b""
        """What the server sent."""
        self.lose_up: Callable[[bytes], bool] = lambda datagram: False
        """Whether a datagram to the server gets lost."""
        self.lose_down: Callable[[bytes], bool] = lambda datagram: False
        """Whether a datagram to a client gets lost."""
        self._ways: dict[Any, _Way] = {}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self), local_addr=("127.0.0.1", 0)
        )
        self.address = Address(*self._front.get_extra_info("sockname"))

    async def stop(self) -> None:
        await self.cut()
        self._front.close()
        await asyncio.sleep(0)

    async def cut(self) -> None:
        """Forget who talked: what a router does with its table when it is restarted (RFC 4787, REQ-5)."""
        ways, self._ways = list(self._ways.values()), {}
        for way in ways:
            await way.close()

    def to_server(self, datagram: bytes, client: Any) -> None:
        if (way := self._ways.get(client)) is None:
            way = self._ways[client] = _Way(self, client)
        if not self.lose_up(datagram):
            self.up += datagram
            way.send(datagram)

    def to_client(self, datagram: bytes, client: Any) -> None:
        if not self.lose_down(datagram):
            self.down += datagram
            self._front.sendto(datagram, client)

    @property
    def clients(self) -> list[Any]:
        """The addresses of those who talk, in the order of their first datagrams."""
        return list(self._ways)

    @property
    def target(self) -> Address:
        return self._target


class _Front(asyncio.DatagramProtocol):
    def __init__(self, relay: DatagramRelay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relay.to_server(data, address)


class _Way(asyncio.DatagramProtocol):
    """One client's port towards the server."""

    def __init__(self, relay: DatagramRelay, client: Any) -> None:
        self._relay, self._client = relay, client
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        target = self._relay.target
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, remote_addr=(target.host, target.port)
        )

    async def close(self) -> None:
        await self._opening
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        for datagram in self._waiting:
            self._transport.sendto(datagram)

    def send(self, datagram: bytes) -> None:
        if self._transport is None:
            self._waiting.append(datagram)
        else:
            self._transport.sendto(datagram)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relay.to_client(data, self._client)
