"""Where a server is: host and port, as users write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int
    url: str = field(default="", repr=False)
    """The URL that named it, if it says more than host and port. It may hold a password: never show it."""
    named_by: str = field(default="--server", repr=False, compare=False)
    """The option, argument or environment variable with which the user named it, for advice; "" if it was
    found."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int, schemes: Sequence[str] = ()) -> Address:
    """Read ``HOST``, ``HOST:PORT``, ``[V6]:PORT``, a bare IPv6 address, or a URL of one of the schemes.

    Args:
        text: what the user wrote.
        default_port: the port if the text names none.
        schemes: of URLs that are allowed.

    Raises:
        ValueError: the text is no address; with a text for the user.
    """
    host, port = text.strip(), ""
    if "://" in host:
        return _parse_url(host, default_port, schemes)
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{text!r} is no address: no machine can have that name") from None
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address: write [IPV6]:PORT")
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{text!r} is no address: {host!r} is no IPv6 address") from None
    if not host or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise ValueError(f"{text!r} is no address: write HOST or HOST:PORT, e.g. 127.0.0.1:7010")
    return Address(host, int(port or default_port))


def _parse_url(url: str, default_port: int, schemes: Sequence[str]) -> Address:
    scheme, _, place = url.partition("://")
    shown = f"{scheme}://{place.rpartition('@')[2]}"  # without the password
    if scheme not in schemes:
        raise ValueError(f"{shown!r} is no address here: write HOST or HOST:PORT")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise ValueError(f"{shown!r} is no address: write {scheme}://USER:PASSWORD@HOST:PORT/PATH")
    return Address(host, port or default_port, url)


def parse_servers(text: str, default_port: int, schemes: Sequence[str] = ()) -> tuple[Address, ...]:
    """Read one address, or several separated by commas. ``ipv4:`` may stand before them, as in gRPC.

    Takes the arguments of `parse_address`, and raises ValueError like it.
    """
    listed = text.strip()
    for scheme in ("ipv4:", "ipv6:"):
        listed = listed.removeprefix(scheme)
    return tuple(parse_address(part, default_port, schemes) for part in listed.split(","))


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_address(address: Address) -> Address:
    """Return what this machine should dial for an address that means every interface."""
    return {"0.0.0.0": Address("127.0.0.1", address.port), "::": Address("::1", address.port)}.get(
        address.host, address
    )
