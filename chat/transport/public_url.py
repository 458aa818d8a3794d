"""The URL at which a client reaches a server over HTTP: not its own behind a proxy, or a forwarded port.

What describes a service (OpenAPI's ``servers``, the address in a WSDL) names the URL at which the client
asked: that of its Host header, or what a trusted proxy says of it. Labels of techniques import this module,
so it loads nothing heavy.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from chat.interfaces.settings import Setting
from chat.transport.asgi import Scope

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]*))?")
"""A host name or an address, and a port. Nothing in it means anything to JSON or XML."""
_PORT = re.compile(r"[0-9]{1,5}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_proxies(text: str) -> Networks:
    """Read a list of addresses and networks: ``192.0.2.7,10.0.0.0/8``; an empty text is none.

    Raises ValueError, with a text for the user.
    """
    networks = []
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            networks.append(ip_network(part, strict=False))
        except ValueError:
            raise ValueError(
                f"{part!r} is no address of a proxy: write e.g. 192.0.2.7, or 10.0.0.0/8"
            ) from None
    return tuple(networks)


PROXIES = Setting(
    "proxies",
    "proxies that may say in X-Forwarded-Proto, -Host and -Port at which URL they were asked; those on this "
    "machine always may",
    metavar="ADDR[,ADDR]",
    check=read_proxies,
    client=False,
    server=True,
)


def public_url(scope: Scope, own: str, proxies: Networks = ()) -> str:
    """Return the scheme, the host and the port at which a client asked, e.g. ``http://127.0.0.1:8010``.

    Args:
        scope: the request's (ASGI).
        own: the server's own URL; the answer if the request does not name a host, or no possible one.
        proxies: whose ``X-Forwarded-*`` counts, besides those on this machine.
    """
    said = {
        name: value.decode("latin-1")
        .partition(",")[0]
        .strip()  # of several proxies the nearest to the client
        for name, value in reversed(scope["headers"])
        if name == b"host" or name.startswith(b"x-forwarded-")
    }
    scheme, host, port = str(scope["scheme"]), _HOST.fullmatch(said.get(b"host", "")), ""
    if _may_forward(scope["client"], proxies):
        if (proto := said.get(b"x-forwarded-proto", "").lower()) in _DEFAULT_PORTS:
            scheme = proto
        if forwarded := _HOST.fullmatch(said.get(b"x-forwarded-host", "")):
            host, port = forwarded, forwarded[2] or ""
        port = port or said.get(b"x-forwarded-port", "")
    if host is None:
        return own
    number = _number(port) or _number(host[2] or "") or _DEFAULT_PORTS[scheme]
    return f"{scheme}://{host[1]}" + ("" if number == _DEFAULT_PORTS[scheme] else f":{number}")


def _number(port: str) -> int:
    """Return the port; 0 if it is none."""
    return int(port) if _PORT.fullmatch(port) and int(port) < 65536 else 0


def _may_forward(client: tuple[str, int] | None, proxies: Networks) -> bool:
    """Whether a peer is on this machine, or one of the proxies."""
    if client is None:
        return False
    try:
        peer = ip_address(client[0].partition("%")[0])
    except ValueError:
        return False
    peer = getattr(peer, "ipv4_mapped", None) or peer  # as a socket for both versions of IP shows it
    return peer.is_loopback or any(peer in network for network in proxies)
