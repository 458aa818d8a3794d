"""The broken twins: servers that are wrong on purpose, one promise each.

They prove the checker, which must say *invalid* for each, and they are lessons:
`chat serve tcp --naive framing`. Their code is in `lab.check.textbook_tcp` and `lab.check.textbook_udp`; no
real server knows of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.language.translation import translate
from lab.check.verdict import Kind


@dataclass(frozen=True, slots=True)
class Twin:
    """A server that breaks one promise."""

    technique: str
    flaw: str
    """Its name behind ``--naive``."""
    server: str
    """Import string of its `ChatServer`."""
    caught_as: Kind
    """The violation that the checker must find, among others."""
    wrong: str
    """What it does, and why people write it so."""
    seen: str
    """What to do, and what one sees then."""
    right: str
    """How the real one does it, and where."""

    @property
    def name(self) -> str:
        """What stands behind ``chat serve``."""
        return f"{self.technique} --naive {self.flaw}"


_TCP, _UDP = "lab.check.textbook_tcp", "lab.check.textbook_udp"

TWINS = (
    Twin(
        "tcp", "framing", f"{_TCP}:Framing", "unanswered",
        "It takes what one recv() returns for one message. TCP has no messages: lines that are written close "
        "together arrive together, and a long line arrives in pieces.",
        "A line typed by hand works, every time. Paste ten lines: most of them stay dim for ever. The "
        "server could not read them, and said nothing.",
        "It collects bytes until a newline comes, and keeps what is left for the next read: LineReader in "
        "backends/tcp/codec.py. What it can't read is answered with bad_request.",
    ),
    Twin(
        "tcp", "utf8", f"{_TCP}:Utf8", "altered",
        "It decodes each piece that comes as UTF-8, and then looks for lines. A character of several bytes "
        "may be cut in two by a read, and neither half can be decoded.",
        "Send a text of some kilobytes that is not ASCII, e.g. 200 times 'żółw 🐢': some letters have become "
        "U+FFFD, the replacement character. In plain English nobody notices.",
        "It cuts bytes into lines first, and decodes whole lines: backends/tcp/codec.py, then "
        "chat/domain/json_codec.py. Bytes that are no UTF-8 are refused, never replaced.",
    ),
    Twin(
        "tcp", "lost-ack", f"{_TCP}:LostAck", "lost",
        "It acknowledges at once and stores a moment later, in a task of the connection. When the connection "
        "ends, the task ends, and what it had not stored is gone.",
        "Write a line, and press Ctrl+Q within three seconds: it was bright, and when you come back it is "
        "not there. Nobody has ever seen it.",
        "It acknowledges what is committed, never what is planned: the event itself is the acknowledgement, "
        "and Room.apply decides after the commit (ARCHITECTURE.md, the path of one message).",
    ),
    Twin(
        "tcp", "double-apply", f"{_TCP}:DoubleApply", "doubled",
        "It does not keep the numbers of drafts. If an answer is lost, the client has to ask again, and the "
        "server can't know that it has seen this draft before.",
        "/fault reply-lost, and write one line: after the reconnect it stands there twice.",
        "Each draft has a number in its seat, the log keeps it, and the room answers a second copy with the "
        "seq of the first: Room.apply in chat/domain/room.py.",
    ),
    Twin(
        "tcp", "reorder", f"{_TCP}:Reorder", "delivered in another order",
        "It writes each event to each connection in a task of its own. Nothing says which of two tasks is "
        "faster.",
        "Two people paste some lines at the same time: each screen shows another order, and /ids shows that "
        "the numbers jump.",
        "One writer a connection, which takes the events in the order of the log: chat/server/fanout.py.",
    ),
    Twin(
        "tcp", "drop-slow", f"{_TCP}:DropSlow", "not delivered",
        "It has a small queue for each connection, so that a slow client delays nobody. If it is full, "
        "the event is dropped, and nobody is told.",
        "Paste 50 lines: everybody, the author too, sees some of them, and nothing says that others are "
        "missing.",
        "Who falls behind is served from the log, page by page, or is disconnected with a reason and resumes "
        "from its cursor: chat/server/fanout.py, chat/server/backlog.py.",
    ),
    Twin(
        "udp", "double-apply", f"{_UDP}:DoubleApply", "doubled",
        "It stores what comes. The network may deliver a datagram twice, and then it is two messages.",
        "/fault duplicate 1, and write one line: it stands there twice.",
        "Each draft has a number in its seat; the room answers the second copy with the seq of the first: "
        "Room.apply in chat/domain/room.py.",
    ),
    Twin(
        "udp", "unnamed-loss", f"{_UDP}:UnnamedLoss", "not delivered",
        "It keeps no list of what it has sent. A client that sees a hole asks what was in it, and gets an "
        "empty answer.",
        "/fault loss 0.5, and let somebody write ten lines: half of them are not there, and no line says so.",
        "It answers `names` from the log: place and kind of every missing event (docs/datagrams.md, names), "
        "and the client shows which messages are missing.",
    ),
)  # fmt: skip


def find(technique: str, flaw: str) -> Twin | None:
    """Return a twin; None: this technique has none with such a flaw."""
    return next((one for one in TWINS if (one.technique, one.flaw) == (technique, flaw)), None)


def explanation(twin: Twin) -> list[str]:
    """Return the lines that are shown when it starts, in the language in use."""
    return [
        translate(f"{twin.name}: a broken twin, for lessons. Nothing is stored."),
        f"  {translate('wrong'):<9} {translate(twin.wrong)}",
        f"  {translate('you see'):<9} {translate(twin.seen)}",
        f"  {translate('the real'):<9} {translate(twin.right)}",
    ]
