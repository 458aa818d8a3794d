"""Where the server of the gRPC library listens."""

from __future__ import annotations

import asyncio
import socket

import grpc

from chat.interfaces.address import Address
from chat.interfaces.tls import Identity
from chat.transport.listener import PORT_TRIES, bind_socket


async def listen(server: grpc.aio.Server, address: Address, identity: Identity | None) -> Address:
    """Listen at every address of the host; given a name, the library would listen at one of them.

    Args:
        server: not started yet.
        address: port 0: any.
        identity: None: without TLS.

    Returns:
        The first address, with its port.

    Raises:
        OSError: one can't be used.
    """
    loop = asyncio.get_running_loop()
    host, port = address.host, address.port
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listening: list[Address] = []
    for family, _, _, _, place in found:
        one = Address(str(place[0]), port)
        if one.host == "0.0.0.0":
            port = _add_ipv4(server, port, identity)
        else:
            port = _add(server, family, one, identity)
        listening.append(Address(one.host, port))
    return listening[0]


def _add_ipv4(server: grpc.aio.Server, port: int, identity: Identity | None) -> int:
    """Listen at 0.0.0.0. The library would do so at ::, too, unless it finds the port in use there."""
    for attempt in range(PORT_TRIES):
        try:
            guard = bind_socket(socket.AF_INET6, ("::", port), reuse=False)
        except OSError:  # it is in use there, or there is no IPv6
            return _add(server, socket.AF_INET, Address("0.0.0.0", port), identity)
        with guard:
            try:
                found = Address("0.0.0.0", guard.getsockname()[1])
                return _add(server, socket.AF_INET, found, identity)
            except OSError:
                if port or attempt == PORT_TRIES - 1:
                    raise
    raise AssertionError


def _add(server: grpc.aio.Server, family: int, address: Address, identity: Identity | None) -> int:
    try:
        if identity is None:
            return server.add_insecure_port(str(address))
        pair = (identity.key, identity.certificate)
        return server.add_secure_port(str(address), grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:  # it does not say which
        with socket.socket(family) as probe:
            probe.bind((address.host, address.port))  # raises the system's own OSError
        raise OSError(str(error)) from None
