"""What a server tells its operator: each kind of record has a name, a level and its fields.

The table in docs/operating.md is generated from `KINDS`. No field ever holds a text, a token or a seat key.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, NamedTuple

log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """A kind of record."""

    level: int
    text: str
    """The line, with the names of its fields in braces."""
    fields: tuple[str, ...]
    meaning: str


DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

KINDS = {
    "ready": Kind(
        INFO, "{technique} listens on {address}", ("technique", "address"), "a technique is served"
    ),
    "stopping": Kind(INFO, "the server stops", (), "it takes no more drafts, and ends its connections"),
    "reloaded": Kind(
        INFO,
        "read again, and taken: {what}",
        ("what",),
        "SIGHUP has come; the token, the certificate, or both are those of the files now",
    ),
    "not_reloaded": Kind(
        ERROR,
        "{reason}; the server goes on with the token and the certificate that it had",
        ("reason",),
        "SIGHUP has come, and a file can't be used",
    ),
    "joined": Kind(
        INFO,
        "{nick} joined {room} over {technique}, from {peer}",
        ("technique", "room", "nick", "seat", "peer"),
        "a new seat was given",
    ),
    "resumed": Kind(
        INFO,
        "{nick} is back in {room} over {technique}, from {peer}",
        ("technique", "room", "nick", "seat", "peer"),
        "the owner of a seat has returned to it",
    ),
    "refused": Kind(
        INFO,
        "somebody at {peer} got no seat over {technique}: {code}",
        ("technique", "code", "peer"),
        "a hello was refused; `code` as on the wire",
    ),
    "left": Kind(
        INFO,
        "{nick} left {room} ({technique}, {code})",
        ("technique", "room", "nick", "seat", "code"),
        "a seat has ended; `code`: `left` by its owner, or `gone` for longer than the grace time",
    ),
    "cut": Kind(
        INFO,
        "{nick} in {room} was cut ({technique}, {code}): {reason}",
        ("technique", "room", "nick", "seat", "code", "reason"),
        "the server has ended a connection that had a seat, and says why; the seat stays for the grace time, "
        "unless it has ended",
    ),
    "away": Kind(
        DEBUG,
        "the connection of {nick} in {room} has ended ({technique})",
        ("technique", "room", "nick", "seat"),
        "a client has ended its connection, or its connection is lost; its seat waits for the grace time",
    ),
    "dropped": Kind(
        INFO,
        "a connection of {peer} without a seat was ended ({technique}, {code})",
        ("technique", "code", "peer"),
        "the server has ended a connection before it had a seat; `code` as on the wire",
    ),
    "wrong_token": Kind(
        WARNING,
        "a wrong access token came from {peer}: {count} in a row",
        ("peer", "count"),
        "an address has shown a wrong access token",
    ),
    "not_stored": Kind(
        ERROR,
        "drafts are refused, because the log does not store them: {reason}",
        ("reason",),
        "a commit has failed; said once, until one succeeds",
    ),
    "stored_again": Kind(
        WARNING, "the log stores drafts again", (), "a commit has succeeded after `not_stored`"
    ),
    "worker_ended": Kind(
        WARNING,
        "{worker} has ended ({why}), and another process takes its place",
        ("worker", "why"),
        "a worker of `--workers` was killed or has failed; the people of the others notice nothing",
    ),
    "message": Kind(
        WARNING,
        "{message}",
        ("logger", "message"),
        "everything else, at the level that it has: a failure inside the server, with the traceback in "
        "`exception`, or what a library logs",
    ),
    "begun_anew": Kind(
        WARNING,
        "(older lines were dropped)",
        (),
        "the log file of the background server was too long, and begins here",
    ),
    "left_out": Kind(
        WARNING,
        "({count} log records were left out)",
        ("count",),
        "so many records were over the rate, or could not be written in time",
    ),
}
"""By name; the log itself makes `message`, `begun_anew` and `left_out`."""


class Records:
    """Counts what happens, and writes it to the server's log, for each server."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """By name, technique and code; both may be ""."""

    def report(self, name: str, **fields: Any) -> None:
        """Report something; ``fields`` are those of its kind.

        It costs a counter if the log does not want records of this level.
        """
        kind = KINDS[name]
        self.counts[name, fields.get("technique", ""), fields.get("code", "")] += 1
        if log.isEnabledFor(kind.level):
            log.log(kind.level, "%s", Line(kind.text, fields), extra={"record": name, "fields": fields})


class Line:
    """A record as one line of text, made when it is written."""

    def __init__(self, text: str, fields: dict[str, Any]) -> None:
        self._text = text
        self._fields = fields

    def __str__(self) -> str:
        return self._text.format_map({name: printable(str(value)) for name, value in self._fields.items()})


def printable(text: str) -> str:
    """Return the text with every character escaped that a terminal might interpret."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
