"""Where a server is: host and port, as users write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

from chat.language import N_

TLS_PORTS = {"amqps": 5671}
"""By scheme of URLs that mean TLS: the port that it has then (IANA)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int
    url: str = field(default="", repr=False)
    """The URL that named it, if it says more than host and port; user and password are quoted in it. Never
    show it: it may hold a password."""
    named_by: str = field(default="--server", repr=False, compare=False)
    """The option, argument or environment variable with which the user named it, for advice; "" if it was
    found."""

    @property
    def encrypted(self) -> bool | None:
        """Whether it is reached with TLS, by the scheme of its URL; None: it has no URL."""
        return self.url.partition("://")[0] in TLS_PORTS if self.url else None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int, schemes: Sequence[str] = ()) -> Address:
    """Read ``HOST``, ``HOST:PORT``, ``[V6]:PORT``, a bare IPv6 address, or a URL of one of the schemes.

    Args:
        text: what the user wrote.
        default_port: the port if the text names none; a scheme in `TLS_PORTS` has its own.
        schemes: of URLs that are allowed.

    Raises:
        ValueError: the text is no address; with a text for the user.
    """
    host, port = text.strip(), ""
    if "://" in host:
        return _parse_url(host, default_port, schemes)
    if "@" in host:  # what stands before it may be a password
        raise ValueError(f"an address has no user and no password: write HOST or HOST:PORT{_urls(schemes)}")
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


_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"((?P<login>[^/]*)@)?"  # up to the last @: a password may hold @, # and ? as they are
    r"(?P<place>[^/@?#]*)(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)


def _parse_url(url: str, default_port: int, schemes: Sequence[str]) -> Address:
    """Read a URL (RFC 3986). No error shows anything of it but the scheme: any part may be the password."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in schemes:
        raise ValueError(_no_scheme(scheme, schemes))
    wanted = N_(f"write {scheme}://USER:PASSWORD@HOST:PORT/PATH")
    host = port = None
    canonical = ""
    if found := _URL.fullmatch(url):
        canonical = f"{scheme}://{_quoted(found['login'])}{found['place']}{found['rest'] or ''}"
        try:
            parts = urlsplit(canonical)
            host, port = parts.hostname, parts.port
        except ValueError:
            pass
    if not host:
        hint = N_(", and / in a password as %2F") if "@" in rest else ""
        raise ValueError(f"this {scheme}:// URL is no address: {wanted}{hint}")
    return Address(host, port or TLS_PORTS.get(scheme, default_port), canonical)


def _quoted(login: str | None) -> str:
    """Return user and password, quoted as a URL wants it (RFC 3986, section 3.2.1)."""
    if login is None:
        return ""
    user, colon, password = login.partition(":")
    return f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}@"


def _no_scheme(scheme: str, schemes: Sequence[str]) -> str:
    return N_(f"a {scheme}:// URL is no address here: write HOST or HOST:PORT{_urls(schemes)}")


def _urls(schemes: Sequence[str]) -> str:
    return "".join(f", or {one}://USER:PASSWORD@HOST:PORT/PATH" for one in schemes)


_BEFORE_A_URL = re.compile(r",(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


def parse_servers(text: str, default_port: int, schemes: Sequence[str] = ()) -> tuple[Address, ...]:
    """Read one address, or several separated by commas. ``ipv4:`` may stand before them, as in gRPC.

    Takes the arguments of `parse_address`, and raises ValueError like it.
    """
    listed = text.strip()
    for scheme in ("ipv4:", "ipv6:"):
        listed = listed.removeprefix(scheme)
    parts: list[str] = []
    for part in _BEFORE_A_URL.split(listed):  # in a URL, a comma is part of the password
        parts += [part] if "://" in part or "@" in part else part.split(",")
    return tuple(parse_address(part, default_port, schemes) for part in parts)


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
