"""Listening at every address of a host, at one port, and at both families where the host is ``::``.

Each family has a socket of its own. So a server listens at the families that it names, whatever the system's
default for a socket of IPv6 is, and its peers' addresses have the form of their family.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from chat.interfaces.address import Address

BOTH_FAMILIES = {"::": ("::", "0.0.0.0")}
"""The hosts that stand for several addresses."""
PORT_TRIES = 16
"""Free ports that are tried until one is free at every address of the host."""
BACKLOG = 1024

Place = tuple[Any, ...]
"""A socket's address: (host, port), and with IPv6 two more fields."""
Bind = Callable[[int, Place], socket.socket]
"""Returns a socket of a family that is bound to a place. Raises OSError."""


async def bind_everywhere(address: Address, kind: socket.SocketKind, bind: Bind) -> list[socket.socket]:
    """Return a socket for each address of the host, all at one port; port 0: any that is free at each.

    Raises:
        OSError: the host is not known, or the port is in use at one of its addresses.
    """
    loop = asyncio.get_running_loop()
    places: dict[tuple[int, Place], None] = {}
    for host in BOTH_FAMILIES.get(address.host, (address.host,)):
        found = await loop.getaddrinfo(host, address.port, type=kind, flags=socket.AI_PASSIVE)
        places.update({(family, place): None for family, _, _, _, place in found})
    for _ in range(PORT_TRIES - 1):
        try:
            return _bind(list(places), address.port, bind)
        except OSError:
            if address.port:
                raise
    return _bind(list(places), address.port, bind)


def _bind(places: Sequence[tuple[int, Place]], port: int, bind: Bind) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for family, place in places:
            bound.append(bind(family, (place[0], port, *place[2:])))
            port = bound[-1].getsockname()[1]
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def bind_socket(
    family: int,
    place: Place,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    *,
    reuse: bool = True,
    shared: bool = False,
) -> socket.socket:
    """Return a bound socket; one of IPv6 gets nothing of IPv4.

    Args:
        family: of the place.
        place: host and port.
        kind: of the socket.
        reuse: take a port of TCP at which connections of an earlier server are still ending.
        shared: other processes of this user may listen at the port, too; the system spreads connections.

    Raises:
        OSError: the port is in use.
    """
    # Named, because asyncio sets TCP_NODELAY only then: without it each answer in two writes waits for 40 ms.
    protocol = socket.IPPROTO_TCP if kind is socket.SOCK_STREAM else socket.IPPROTO_UDP
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        posix = os.name == "posix" and sys.platform != "cygwin"
        if reuse and kind is socket.SOCK_STREAM and posix:  # as in asyncio
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared and sys.platform != "win32":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind is socket.SOCK_STREAM:
            keep_alive(made)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made


def keep_alive(listening: socket.socket) -> None:
    """Let the kernel notice within about a minute that a peer has vanished, if no pings are sent.

    The connections that are accepted have what is set here: to set it at each would take a join 10 us.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if (option := getattr(socket, name, None)) is not None:  # not every system has each
            listening.setsockopt(socket.IPPROTO_TCP, option, value)


class Listener:
    """Listens on TCP at every address of a host."""

    def __init__(self, servers: Sequence[asyncio.Server]) -> None:
        self._servers = servers

    @property
    def sockets(self) -> list[Any]:
        """The listening sockets, one for each address."""
        return [one for server in self._servers for one in server.sockets]

    @property
    def address(self) -> Address:
        """The first of the addresses."""
        return Address(*self.sockets[0].getsockname()[:2])

    def close(self) -> None:
        """Take no more connections."""
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        for server in self._servers:
            await server.wait_closed()


async def check_free(address: Address) -> None:
    """Raise OSError if anybody listens there, also who would share the port."""
    for one in await bind_everywhere(address, socket.SOCK_STREAM, bind_socket):
        one.close()


async def listen(
    factory: Callable[[], asyncio.BaseProtocol], address: Address, *, shared: bool = False, **options: Any
) -> Listener:
    """Listen on TCP.

    Args:
        factory: makes the protocol of a connection.
        address: port 0: any.
        shared: see `bind_socket`.
        options: further arguments of `asyncio.loop.create_server`.

    Raises:
        OSError: it can't be used.
    """
    loop = asyncio.get_running_loop()
    bind = partial(bind_socket, shared=shared)
    sockets = await bind_everywhere(address, socket.SOCK_STREAM, bind)
    servers: list[asyncio.Server] = []
    try:
        for one in sockets:
            servers.append(await loop.create_server(factory, sock=one, backlog=BACKLOG, **options))
    except OSError:  # another program began to listen there in this moment
        for server in servers:
            server.close()
        for one in sockets:
            with suppress(OSError):
                one.close()
        raise
    return Listener(servers)
