"""Segmentation: the kernel cuts one buffer into datagrams, where it can (UDP GSO, since Linux 4.18).

The whole buffer passes through the kernel's stack in one piece, and is cut at its end: by the network card,
or for a socket of this machine. So several datagrams to one address cost little more than one, and each is on
the network, and at its receiver, as if it had been sent alone. All but the last are equally long.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from backends.udp.codec import MAX_BODY, MAX_DATAGRAM

UDP_SEGMENT = 103
"""The option's number in `linux/udp.h`; Python has no name for it."""
MAX_SEGMENTS = 64
"""The most datagrams of one call: ``UDP_MAX_SEGMENTS``, which newer kernels have doubled."""
SHORTEST = 0.75
"""The share of the longest datagram's length from which a shorter one is made equally long."""

Run: TypeAlias = tuple[bytes, ...]
"""Datagrams that one call can send: equally long, and only the last may be shorter."""


def is_supported(udp: socket.socket) -> bool:
    """Return whether the kernel can do it. An older one would send a run as one long datagram."""
    if sys.platform != "linux":
        return False
    try:
        udp.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)  # 0: off, for what is sent without a length
    except OSError:
        return False
    return True


def align(datagrams: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the datagrams made equally long, as far as they nearly are: JSON allows spaces behind it.

    The last one stays as it is, and so do those that IP must split into fragments, and all of them where no
    kernel can make use of it.
    """
    if sys.platform != "linux":
        return datagrams
    longest = max((len(datagram) for datagram in datagrams if len(datagram) <= MAX_BODY), default=0)
    shortest = SHORTEST * longest
    aligned = (
        datagram.ljust(longest) if shortest <= len(datagram) < longest else datagram
        for datagram in datagrams[:-1]
    )
    return (*aligned, *datagrams[-1:])


def runs(datagrams: Iterable[bytes]) -> Iterator[Run]:
    """Cut datagrams into runs, in their order."""
    run: list[bytes] = []
    size = 0
    for datagram in datagrams:
        full = len(run) == MAX_SEGMENTS or (len(run) + 1) * size > MAX_DATAGRAM
        if run and (full or len(datagram) > size or len(run[-1]) < size):
            yield tuple(run)
            run = []
        if not run:
            size = len(datagram)
        run.append(datagram)
    if run:
        yield tuple(run)


def send_run(udp: socket.socket, run: Run, address: Any) -> None:
    """Send the datagrams of a run by one call, all of them or none. Raises OSError."""
    if sys.platform == "linux":
        segment = (socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(run[0])))
        udp.sendmsg(run, [segment], 0, address)
