"""Which host names are this server's own, and which nobody can register: a defence against DNS rebinding.

A browser puts the host name that a page uses into the Host header. A public name that is not this server's
comes from a page whose domain name was made to resolve to this machine, so that its browser takes this
server for the page's own origin.
"""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from ipaddress import ip_address

LOOKUP_TIMEOUT = 3.0
"""Seconds that a request waits until it is known how the domain name system calls this machine."""


class HostNames:
    """The names at which a server may be asked.

    Args:
        host: the address or the name at which the server listens.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._names = {host.lower().rstrip("."), socket.gethostname().lower()}
        self._domain_names: asyncio.Future[set[str]] | None = None

    async def may_ask(self, host: str) -> bool:
        """Return whether a request with this Host header may be answered.

        It may if the host is an address, a name that nobody can register, the server's own, or this machine's
        own in the domain name system. The latter is looked up when the first request needs it, because that
        may take seconds.

        Args:
            host: the header's value in lower case, with or without a port.
        """
        if is_local(host):
            return True
        name = without_port(host).rstrip(".")
        if name in self._names:
            return True
        if self._domain_names is None:
            loop = asyncio.get_running_loop()
            self._domain_names = loop.run_in_executor(None, _domain_names, self._host)
        await asyncio.wait([self._domain_names], timeout=LOOKUP_TIMEOUT)
        return self._domain_names.done() and name in self._domain_names.result()


def _domain_names(host: str) -> set[str]:
    """Return the machine's names in the domain name system. Blocks."""
    names = {socket.getfqdn(), socket.getfqdn(host)}
    return {name.lower().rstrip(".") for name in names}


def without_port(host: str) -> str:
    """Return the name or the address in a Host header."""
    return host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host


@lru_cache(256)
def is_local(host: str) -> bool:
    """Whether it is an address, or a name that nobody can register: without a dot, or in ``.local``."""
    name = without_port(host).rstrip(".")
    if "." not in name or name.endswith(".local"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
