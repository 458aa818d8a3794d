"""What is said when the durable log can't store: to the clients, and to the person who runs the server."""

from __future__ import annotations

from pathlib import Path

from chat.domain.errors import NotStored
from chat.domain.validation import printable
from chat.language import N_
from chat.server.logs.files import shown
from chat.server.logs.watch import Overwritten


def not_stored(error: Exception) -> NotStored:
    """Return the error for those whose entries a failed commit held."""
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return NotStored("not stored, the server's disk is full: free some space there, then send it again")
    if isinstance(error, FileNotFoundError):
        return NotStored("not stored, the server's log file was deleted or moved: start the server again")
    if isinstance(error, Overwritten):
        return NotStored(
            "not stored, the server's log file was emptied or overwritten: "
            "restore it from a backup, and start the server again"
        )
    return NotStored(f"not stored, the server's log can't store it ({printable(str(error))}): try again")


def harm_text(path: Path, harm: Exception) -> str:
    """Return what the person who runs the server must know."""
    if isinstance(harm, Overwritten):
        return N_(
            f"the log {shown(path)} was emptied or overwritten while this server ran ({harm}). Nothing more "
            "is stored: stop the server, put a backup in the log's place, and start it again; "
            "or begin a new log with chat serve --fresh"
        )
    return N_(
        f"the log {shown(path)} or its -wal was deleted, moved or replaced while this server ran. Nothing "
        "more is stored: stop the server, put the log back, and start it again"
    )
