"""The text in a file that a person has written, with any editor, on any system."""

from __future__ import annotations

import codecs

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",  # ``echo text > file`` in Windows PowerShell
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decoded(data: bytes) -> str:
    """Return the text of a file. Line ends stay as they are.

    A byte order mark says what the encoding is, and is no part of the text; without it, it is UTF-8
    (RFC 3629, section 6).

    Raises:
        UnicodeDecodeError: it is not a text file.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    return data.decode()


def has_mark(data: bytes) -> bool:
    """Return whether the file begins with a byte order mark."""
    return data.startswith(tuple(_MARKS))
