"""How values from the wire are shown: on one line, without control characters, and not too long."""

from __future__ import annotations

from chat.domain.json_codec import shorten
from chat.domain.validation import printable

SHOWN = 200
"""Characters of a value that are shown."""


def one_line(value: str | bytes, size: int = SHOWN) -> str:
    """Return a value from the wire as a field may show it; bytes are read as UTF-8, whatever they are."""
    text = value if isinstance(value, str) else value.decode(errors="replace")
    if len(text) <= size and text.isascii() and text.isprintable():
        return text  # nearly always
    return printable(shorten(text, size)).replace("\t", "\\t").replace("\n", "\\n")
