"""Sends the same datagrams to many addresses by few calls to the kernel (`sendmmsg`: Linux).

What Python does for a call is done once for `MOST` addresses. The headers of the messages stay as they are:
only the addresses are copied into their place, and the buffer that all headers name changes.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

from backends.udp.segmentation import UDP_SEGMENT, Run

MOST = 256
"""Addresses of one call."""
_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Bytes of an address, by family: ``sockaddr_in`` and ``sockaddr_in6``."""


class _Buffer(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("buffers", ctypes.POINTER(_Buffer)),
        ("buffer_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


_OPTION = struct.Struct("@NiiH")
"""``struct cmsghdr`` and the one option in it: its length, level and type, the length of a segment."""


def sockaddr(family: int, address: tuple[Any, ...]) -> bytes:
    """Return an address as the kernel takes it. Raises OSError if it is none of this family."""
    host, port, *more = address
    packed = socket.inet_pton(family, host)
    if family == socket.AF_INET:
        return struct.pack("=H2s4s8x", family, struct.pack("!H", port), packed)
    flow, scope = more
    return struct.pack("=H2s4s16sI", family, struct.pack("!H", port), struct.pack("!I", flow), packed, scope)


class SendMany:
    """The headers for one socket."""

    def __init__(self, udp: socket.socket, send: Callable[..., int]) -> None:
        self._socket = udp
        self._send = send
        self._size = _SIZES[socket.AddressFamily(udp.family)]
        self._names = ctypes.create_string_buffer(MOST * self._size)
        self._buffer = _Buffer()
        self._option = ctypes.create_string_buffer(_OPTION.size)
        self._alone, self._cut = self._headers(None), self._headers(ctypes.addressof(self._option))

    def _headers(self, option: int | None) -> ctypes.Array[_Message]:
        names, buffer = ctypes.addressof(self._names), ctypes.pointer(self._buffer)
        length = _OPTION.size if option else 0
        return (_Message * MOST)(
            *(
                _Message(_Header(names + i * self._size, self._size, buffer, 1, option, length, 0))
                for i in range(MOST)
            )
        )

    def __call__(self, run: Run, names: Sequence[bytes]) -> list[int]:
        """Send a run to these addresses, each from `sockaddr`.

        Returns:
            The places of those to which nothing was sent. Why is not known: try each alone.
        """
        data = b"".join(run)
        self._buffer.base, self._buffer.length = data, len(data)
        headers = self._alone
        if len(run) > 1:
            headers = self._cut
            _OPTION.pack_into(self._option, 0, _OPTION.size, socket.IPPROTO_UDP, UDP_SEGMENT, len(run[0]))
        failed = []
        for begin in range(0, len(names), MOST):
            some = names[begin : begin + MOST]
            ctypes.memmove(self._names, b"".join(some), len(some) * self._size)
            place = 0
            while place < len(some):
                rest = ctypes.byref(headers, place * ctypes.sizeof(_Message))
                place += max(0, self._send(self._socket.fileno(), rest, len(some) - place, 0))
                if place < len(some):  # what stopped the kernel is about this one
                    failed.append(begin + place)
                    place += 1
        return failed


def send_many(udp: socket.socket) -> SendMany | None:
    """Return what sends to many at once from this socket; None where the system can't."""
    if sys.platform != "linux":
        return None
    send = getattr(ctypes.CDLL(None), "sendmmsg", None)
    return None if send is None else SendMany(udp, send)
