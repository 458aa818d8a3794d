"""A bound UDP socket of the server."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from backends.udp.loss_simulation import LossSimulation
from backends.udp.many import send_many, sockaddr
from backends.udp.segmentation import Run, is_supported, send_run
from backends.udp.socket_buffers import enlarge_buffers
from chat.transport.listener import bind_socket

Peername: TypeAlias = tuple[Any, ...]
"""A client's address, as the socket gives it: (host, port) or, with IPv6, two more fields."""


def bind_datagrams(family: int, place: Peername) -> socket.socket:
    """Return a UDP socket that is bound to this address. Raises OSError if the port is taken."""
    udp = bind_socket(family, place, socket.SOCK_DGRAM)
    enlarge_buffers(udp)
    return udp


class ServerSocket(asyncio.DatagramProtocol):
    """Sends and receives the datagrams of all clients, through a `LossSimulation` if one is set."""

    def __init__(
        self,
        udp: socket.socket,
        settings: Mapping[str, str],
        counts: Counter[str],
        receive: Callable[[bytes, Peername], None],
    ) -> None:
        """Prepare for `asyncio.loop.create_datagram_endpoint`.

        Args:
            udp: from `bind_datagrams`.
            settings: the probabilities and the seed of `LossSimulation`.
            counts: what was dropped, and why; the datagrams that were not sent are added to it.
            receive: called with every datagram that comes and its source address.
        """
        self.socket = udp
        self.counts = counts
        self._receive = receive
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in: LossSimulation[tuple[bytes, Peername]] = LossSimulation(settings, "in", self._deliver)
        self._out: LossSimulation[tuple[bytes, Peername]] = LossSimulation(settings, "out", self._transmit)
        self._simulates = self._in.enabled
        self._segments = is_supported(udp) and not self._simulates
        self._many = None if self._simulates else send_many(udp)
        self._shared: Sequence[Run] = ()
        self._names: list[bytes] = []
        self._addresses: list[Peername] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    def send(self, datagram: bytes, address: Peername) -> None:
        """Send a datagram. If the kernel does not take it now it is lost, as it could be in the network."""
        if self._names:
            self._send_shared()
        if self._simulates:
            self._out.send((datagram, address))
            return
        try:
            self.socket.sendto(datagram, address)
        except OSError:
            self.counts["unsent"] += 1

    def send_run(self, run: Run, address: Peername) -> None:
        """Send the datagrams of a run to one address, each with the fate that it has if it is sent alone."""
        if self._segments and len(run) > 1:
            try:
                send_run(self.socket, run, address)
                return
            except OSError:  # none was sent: the buffer has no place for all, or the way is too narrow
                pass
        for datagram in run:
            self.send(datagram, address)

    def name(self, address: Peername) -> bytes | None:
        """Return the address for `share`; None if that can't be used."""
        if self._many is None:
            return None
        try:
            return sockaddr(self.socket.family, address)
        except (OSError, ValueError):
            return None

    def share(self, shared: Sequence[Run], name: bytes, address: Peername) -> None:
        """Do what `send_run` does with each run, together with all others that get the same.

        It is done when this turn of the loop is over, or before something else is sent.

        Args:
            shared: the runs; the same object for all that get the same.
            name: what `name` returned for the address.
            address: the client's.
        """
        if shared is not self._shared:
            self._send_shared()
            self._shared = shared
            asyncio.get_running_loop().call_soon(self._send_shared)
        self._names.append(name)
        self._addresses.append(address)

    def _send_shared(self) -> None:
        shared, names, addresses = self._shared, self._names, self._addresses
        if self._many is None or not names:
            return
        self._shared, self._names, self._addresses = (), [], []
        for run in shared:
            for part in (run,) if self._segments else zip(run, strict=True):
                for place in self._many(part, names):
                    self.send_run(part, addresses[place])

    def _transmit(self, item: tuple[bytes, Peername]) -> None:
        try:
            self.socket.sendto(*item)
        except OSError:
            self.counts["unsent"] += 1

    def datagram_received(self, data: bytes, address: Peername) -> None:
        if self._simulates:
            self._in.send((data, address))
        else:
            self._receive(data, address)

    def _deliver(self, item: tuple[bytes, Peername]) -> None:
        if not self._transport.is_closing():
            self._receive(*item)

    def stop_simulation(self) -> None:
        """Drop the datagrams that `LossSimulation` holds back."""
        self._in.close()
        self._out.close()

    async def close(self) -> None:
        """Close the socket."""
        self.stop_simulation()
        self._send_shared()
        self._transport.close()
        await self._closed
