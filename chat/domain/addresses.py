"""What an address tells about who is behind it. No I/O."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


def network(address: str) -> str:
    """Return the address, or of IPv6 the first 64 bits: one customer has them all (RFC 6177)."""
    if ":" not in address:
        return address
    head, double, _ = address.partition("::")
    groups = head.split(":") if head else []
    return ":".join((groups + ["0"] * 4)[:4] if double else groups[:4])


@lru_cache(1024)
def is_loopback(address: str) -> bool:
    """Whether a host is this machine itself (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3)."""
    try:
        host = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(host, "ipv4_mapped", None) or host).is_loopback
