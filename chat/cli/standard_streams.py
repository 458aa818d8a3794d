"""The three standard streams of the process, also where the caller has closed them or the disk is full.

A descriptor that the caller has closed (``<&-``, ``>&-``, ``2>&-``) would be given to the next file or socket
that is opened: libuv aborts when it closes such a one, and an error text could land in a database. So each
closed one is occupied first, as coreutils do: input and output by a device of the wrong direction, so that
using them is the error that it would have been.
"""

from __future__ import annotations

import errno
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

from chat.domain.errors import ChatError
from chat.language import N_

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_DIRECTIONS = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
"""How a closed descriptor is occupied. Errors are dropped: there is nobody who could be told."""


def prepare() -> None:
    """Make the three streams fit for use.

    Each that is closed is opened. An output that can't be written raises `ChatError`. A character that the
    locale's encoding lacks becomes a question mark: Python would raise an error, or show an escape.
    """
    for descriptor, direction in _DIRECTIONS.items():
        try:
            os.fstat(descriptor)
        except OSError:
            _open_null(descriptor, direction)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = sys.__stderr__ = open(2, "w", closefd=False)  # type: ignore[misc]  # noqa: SIM115 - as above
    out = sys.stdout
    if out is None:
        sys.stdout = _text(_Output(1, "w", closefd=False))
    elif type(out) is TextIOWrapper and not out.isatty():  # on Windows, a terminal has a writer of its own
        sys.stdout = _text(_Output(1, "w", closefd=False), encoding=out.encoding)
    for stream in (sys.stdout, sys.stderr):
        if type(stream) is TextIOWrapper:
            stream.reconfigure(errors="replace")


class _Output(FileIO):
    """The standard output. What is written after an error is dropped: one error is enough."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _open_null(1, os.O_WRONLY)
            if isinstance(error, BrokenPipeError):
                raise  # its reader has had enough: no error
            raise ChatError(f"cannot write to the standard output: {error.strerror}") from None


def no_screen() -> str:
    """Return why this terminal can't show the screen; "" if it can.

    Frames and marks are in no other encoding than UTF-8. Only the locale tells what the terminal takes.
    """
    encoding = sys.stdout.encoding
    if not sys.stdout.isatty():
        return ""
    if os.environ.get("TERM") == "dumb":
        return N_("TERM=dumb has no screen")
    if "utf" in encoding.lower():
        return ""
    return N_(f"the screen needs UTF-8, and your locale says {encoding}: LC_ALL=C.UTF-8 chat shows it")


def _text(raw: _Output, **options: Any) -> TextIOWrapper:
    return TextIOWrapper(BufferedWriter(raw), **options)


def discard_closed_output() -> None:
    """For a process that runs on without its output: if that was closed, write it nowhere."""
    try:
        os.write(1, b"")
    except OSError as error:
        if error.errno == errno.EBADF:
            _open_null(1, os.O_WRONLY)


def finish() -> None:
    """Write what is still in the buffer of the standard output. Raises `ChatError` and BrokenPipeError."""
    sys.stdout.flush()


def _open_null(descriptor: int, direction: int) -> None:
    opened = os.open(os.devnull, direction)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    os.set_inheritable(descriptor, True)
