"""What this user chose last, for the next start: it is kept in the state folder, not in the settings file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.validation import clean_nick, clean_room, printable
from chat.language import N_

FILE = "last-used.json"
ROOMS = 20
"""Rooms that are kept."""


@dataclass(frozen=True, slots=True)
class LastUsed:
    """Technique, room, name and theme of the last time; "" for one that is not known."""

    technique: str = ""
    room: str = ""
    nick: str = ""
    theme: str = ""
    rooms: tuple[str, ...] = ()
    """The rooms of the last times, newest first."""


def load(folder: Path, warn: Callable[[str], None]) -> LastUsed:
    """Return what was kept.

    Args:
        folder: the state folder.
        warn: is called with a line if the file can't be used. It is then as if there was none.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_bytes())
        texts = {name: str(found.get(name, "")) for name in ("technique", "room", "nick", "theme")}
        rooms = found.get("rooms", [])
        if not isinstance(rooms, list):
            raise TypeError("no list")
        kept = LastUsed(**texts, rooms=tuple(clean_room(str(room)) for room in rooms[:ROOMS]))
        if kept.room:
            clean_room(kept.room)
        if kept.nick:
            clean_nick(kept.nick)
    except FileNotFoundError:
        return LastUsed()
    except (OSError, ValueError, AttributeError, TypeError, RecursionError, ChatError) as error:
        reason = error.strerror if isinstance(error, OSError) else N_("it is damaged")
        warn(f"{printable(str(path))}, which keeps what you chose last, is not used: {reason}")
        return LastUsed()
    return kept


def keep(folder: Path, used: LastUsed) -> None:
    """Keep it, readable by this user alone. Where nothing can be written, the next start knows nothing."""
    with suppress(OSError):  # the next start offers what this one did
        descriptor, new = tempfile.mkstemp(prefix=f"{FILE}.", dir=folder)  # with mode 600
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(used), file, ensure_ascii=False, indent=1)
            os.replace(new, folder / FILE)
        finally:
            Path(new).unlink(missing_ok=True)
