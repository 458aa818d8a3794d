"""A channel of the fan-out, and connections that take nothing until the test drains them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chat.domain.errors import ChatError
from chat.domain.model import Event, Kind
from chat.domain.room_replica import EVENT_BYTES, EventRing
from chat.interfaces.server import Sink
from chat.server.backlog import Backlog
from chat.server.fanout import Channel, Mailbox


def event(seq: int, prev: int, text: str = "", kind: Kind = "sent") -> Event:
    return Event(kind, seq, prev, 0, text=text)


def chain(seqs: Sequence[int], text: str = "") -> list[Event]:
    return [event(seq, prev, text) for prev, seq in zip([0, *seqs], seqs, strict=False)]


class Peer(Sink[bytes]):
    """A connection whose peer takes everything only when it is drained."""

    coalescing = 3600.0

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.got: list[int] = []
        self.writes = 0
        self.waiting = 0
        self.cuts: list[ChatError] = []
        self.reason: ChatError | None = None
        self.written = asyncio.Event()

    @staticmethod
    def encode(events: Sequence[Event]) -> bytes:
        return b" ".join(b"%d" % each.seq for each in events)

    def write(self, blob: bytes) -> None:
        assert self.reason is None, "written to after it was cut"
        seqs = [int(seq) for seq in blob.split()]
        self.got += seqs
        self.writes += 1
        self.written.set()
        self.waiting += len(seqs) * EVENT_BYTES

    def buffered(self) -> int:
        return self.waiting

    def close(self, reason: ChatError) -> None:
        self.reason = reason


class PromptPeer(Peer):
    coalescing = 0.001


class Stage:
    """A channel, the room's whole log, and the page reads that were not answered yet."""

    def __init__(self, kind: type[Peer] = Peer, unread: int = 0) -> None:
        self.log: list[Event] = []
        self.ring = EventRing()
        self.reads: dict[Mailbox, list[Event]] = {}
        self.backlog = Backlog(unread)
        self.channel = Channel(kind, self.ring, 0, self._read, self.backlog)
        self.mailboxes: dict[Peer, Mailbox] = {}

    def _read(self, mailbox: Mailbox) -> None:
        assert mailbox not in self.reads, "one page at a time"
        self.reads[mailbox] = [each for each in self.log if each.seq > mailbox.cursor][:5]

    def happen(self, count: int, hole: int = 1, kind: Kind = "sent") -> None:
        """Let the room accept events, as the hub does it."""
        for _ in range(count):
            head = self.log[-1].seq if self.log else 0
            new = event(head + hole, head, kind=kind)
            self.log.append(new)
            self.ring.append(new)
            self.channel.pending.append(new)
        self.channel.flush()

    def attach(self, peer: Peer) -> Peer:
        self.mailboxes[peer] = Mailbox(peer, self.channel, peer.after, peer.cuts.append)
        self.mailboxes[peer].pump()
        return peer

    def drain(self, peer: Peer) -> None:
        peer.waiting = 0
        self.mailboxes[peer].pump()

    def answer(self, mailbox: Mailbox) -> None:
        mailbox.take(self.reads.pop(mailbox))

    def settle(self) -> None:
        """Let every peer take, and the log answer, until nothing moves any more."""
        self.channel.flush(now=True)
        written = -1
        while written != (written := sum(peer.writes for peer in self.mailboxes)) or self.reads:
            for mailbox in list(self.reads):
                self.answer(mailbox)
            for peer in self.mailboxes:
                self.drain(peer)

    def due(self, peer: Peer) -> list[int]:
        return [each.seq for each in self.log if each.seq > peer.after]
