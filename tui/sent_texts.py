"""The texts that this user has sent, for Up in the composer, also after the program was started again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from chat.domain.errors import BadText
from chat.domain.validation import clean_text

KEPT = 500
"""The most texts that are kept in the file and in memory."""
MAX_BYTES = 4 * 2**20
"""The most bytes of the file that are read: its end."""


class SentTexts(list[str]):
    """Texts, the oldest first.

    Args:
        file: where they are kept, one JSON string a line; None: nowhere. A file that can't be read, and
            lines in it that no message may be, are passed over.
    """

    def __init__(self, file: Path | None = None) -> None:
        super().__init__(_read(file) if file is not None else [])
        self._file = file
        self._new: list[str] = []

    def add(self, text: str) -> None:
        """Remember a text, unless it is the same as the last one."""
        if not self or self[-1] != text:
            self.append(text)
            self._new.append(text)
            del self[:-KEPT], self._new[:-KEPT]

    def keep(self) -> None:
        """Write the file anew, with what other terminals have added meanwhile; only this user can read it."""
        if self._file is None or not self._new:
            return
        lines = [*_read(self._file), *self._new][-KEPT:]
        self._new.clear()
        beside = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            try:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with open(descriptor, "w", encoding="ascii", newline="\n") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)
                beside.replace(self._file)
            finally:
                beside.unlink(missing_ok=True)


def _read(path: Path) -> list[str]:
    texts = []
    with suppress(OSError):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_BYTES))
            data = file.read(MAX_BYTES)
        for line in data.split(b"\n"):
            with suppress(ValueError, BadText, RecursionError):
                text = json.loads(line)
                if isinstance(text, str):
                    texts.append(clean_text(text, MAX_BYTES))
    return texts[-KEPT:]
