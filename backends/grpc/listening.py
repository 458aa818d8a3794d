"""Where the server of the gRPC library listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import grpc

from chat.interfaces.address import Address
from chat.interfaces.tls import Identity
from chat.transport.listener import PORT_TRIES, bind_socket

Credentials = grpc.ServerCredentials | None


def credentials_of(identity: Callable[[], Identity | None]) -> Credentials:
    """Return what a server proves itself with in each handshake; None: it speaks no TLS.

    Args:
        identity: returns the one of now. The library calls it from a thread of its own.
    """
    if (first := identity()) is None:
        return None
    made: list[tuple[Identity, grpc.ServerCertificateConfiguration]] = [(first, _configuration(first))]

    def of_now() -> grpc.ServerCertificateConfiguration:
        one = identity()
        if one is not None and one is not made[0][0]:
            made[0] = (one, _configuration(one))
        return made[0][1]

    return grpc.dynamic_ssl_server_credentials(made[0][1], of_now)


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)])


async def listen(server: grpc.aio.Server, address: Address, credentials: Credentials) -> Address:
    """Listen at every address of the host; given a name, the library would listen at one of them.

    Args:
        server: not started yet.
        address: port 0: any.
        credentials: of `credentials_of`.

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
            port = _add_ipv4(server, port, credentials)
        else:
            port = _add(server, family, one, credentials)
        listening.append(Address(one.host, port))
    return listening[0]


def _add_ipv4(server: grpc.aio.Server, port: int, credentials: Credentials) -> int:
    """Listen at 0.0.0.0. The library would do so at ::, too, unless it finds the port in use there."""
    for attempt in range(PORT_TRIES):
        try:
            guard = bind_socket(socket.AF_INET6, ("::", port), reuse=False)
        except OSError:  # it is in use there, or there is no IPv6
            return _add(server, socket.AF_INET, Address("0.0.0.0", port), credentials)
        with guard:
            try:
                found = Address("0.0.0.0", guard.getsockname()[1])
                return _add(server, socket.AF_INET, found, credentials)
            except OSError:
                if port or attempt == PORT_TRIES - 1:
                    raise
    raise AssertionError


def _add(server: grpc.aio.Server, family: int, address: Address, credentials: Credentials) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(str(address))
        return server.add_secure_port(str(address), credentials)
    except RuntimeError as error:  # it does not say which
        with socket.socket(family) as probe:
            probe.bind((address.host, address.port))  # raises the system's own OSError
        raise OSError(str(error)) from None
