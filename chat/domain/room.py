"""The rules of a room: a deterministic state machine over the log's entries.

`Room.apply` alone decides, after commit and in log order. It has no clock, no I/O and no randomness,
and takes nothing from Python's Unicode tables, so that the same entries give the same state on every
node. Whoever wants to know beforehand asks `Room.check`; its answer is a shortcut, not a promise.

What is remembered is bounded: drafts and messages of the last `WINDOW` seqs, so that a node that
finds the log's beginning cut off arrives at the same state from a checkpoint and that many entries.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from chat.domain.errors import (
    BadText,
    ChatError,
    DraftConflict,
    Full,
    NickTaken,
    NoSuchMessage,
    NotYours,
    SeatGone,
)
from chat.domain.model import (
    Ack,
    Body,
    Checkpoint,
    Deleted,
    Draft,
    Edit,
    Edited,
    Entry,
    Event,
    Joined,
    Left,
    Limits,
    Opened,
    Resumed,
    Say,
    SeatState,
    Sent,
)
from chat.domain.validation import clean_text

WINDOW = 5000
"""Seqs that edits and draft numbers reach back."""
CHECKPOINT_EVERY = 1000
"""Seqs between two checkpoints."""
TAIL = 2 * WINDOW + 3 * CHECKPOINT_EVERY
"""Newest entries that give a room its whole state, wherever they begin."""
MAX_MEMBERS = Limits().seats

Outcome = Event | Ack | ChatError | None
"""Accepted; accepted before; refused; nothing to tell (a checkpoint)."""


@dataclass(slots=True)
class MemberState:
    """A member, as the rules need it; `SeatState` is the same in a checkpoint."""

    seat: str
    author: str
    key: str
    technique: str
    node: str
    n: int = 0


class Room:
    """The state of one room. Feed it every entry, in order."""

    def __init__(self) -> None:
        self.epoch = ""
        """Empty until the opening entry, or a checkpoint, has come."""
        self.head = 0
        """The seq of the newest event."""
        self.applied = 0
        """The seq of the newest entry, refused ones included."""
        self.checkpointed = 0
        self.members: dict[str, MemberState] = {}
        """By seat, in the order of joining."""
        self._by_key: dict[str, str] = {}  # a nick's casefold to its seat
        self._messages: dict[int, str] = {}  # by id, to the author's seat; "" when deleted
        self._changes: dict[int, int] = {}  # by id, to the seq of the last edit, or the deletion
        self._drafts: dict[tuple[str, int], tuple[int, int]] = {}  # to the event's seq and a digest
        self._draft_order: deque[tuple[str, int]] = deque()

    # --- deciding ------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> Outcome:
        """Decide about a committed entry, and change the state if it is accepted."""
        seq, body = entry.seq, entry.body
        self.applied = seq
        self._forget(seq - WINDOW)
        if isinstance(body, Sent):  # nearly every entry: decided here, without the detour
            outcome = self._authored(body)
            if outcome is None:
                self._messages[seq] = body.seat
                self._remember(body, seq)
                return self._accept(entry)
            return outcome
        if isinstance(body, Checkpoint):
            self._restore(body, seq)
            return None
        if isinstance(body, Opened):
            if self.epoch:
                return ChatError("the room is open already")
            self.epoch = body.epoch
            return self._accept(entry)
        if not self.epoch:
            return ChatError("the beginning of this log was cut off, and no checkpoint has come yet")
        refusal = self.check(body)
        if refusal is not None:
            return refusal
        match body:
            case Joined():
                member = MemberState(body.seat, body.author, body.key, body.technique, body.node)
                self.members[body.seat] = member
                self._by_key[body.key] = body.seat
            case Resumed():
                self.members[body.seat].technique = body.technique
                self.members[body.seat].node = body.node
            case Left():
                del self._by_key[self.members.pop(body.seat).key]
            case Edited():
                self._changes[body.id] = seq
                self._remember(body, seq)
            case Deleted():
                self._messages[body.id] = ""
                self._changes[body.id] = seq
                self._remember(body, seq)
        return self._accept(entry)

    def check(self, body: Body) -> Ack | ChatError | None:
        """Say how `apply` would refuse the body as things stand; None: it would accept it."""
        match body:
            case Sent() | Edited() | Deleted():
                return self._authored(body)
            case Joined():
                if body.seat in self.members:
                    return SeatGone("this seat is taken already")
                if body.key in self._by_key:
                    return NickTaken(f"{body.author} is taken in this room: choose another name")
                if len(self.members) >= MAX_MEMBERS:
                    return Full(f"the room is full: {MAX_MEMBERS} seats")
            case Resumed():
                member = self.members.get(body.seat)
                if member is None or member.author != body.author:
                    return SeatGone("the seat has ended")
            case Left():
                member = self.members.get(body.seat)
                if member is None or (member.node, member.author) != (body.node, body.author):
                    return SeatGone("the seat has ended, or moved on")
        return None

    def foresee(self, body: Body) -> Ack | ChatError | None:
        """Say what `check` says, for who may be behind: None where what is on its way may change it."""
        known = self.check(body)
        if isinstance(known, NoSuchMessage) and isinstance(body, Edited | Deleted) and body.id > self.applied:
            return None
        return known

    def _authored(self, body: Sent | Edited | Deleted) -> Ack | ChatError | None:
        member = self.members.get(body.seat)
        if member is None or member.author != body.author:
            return SeatGone("the seat has ended: come in again", n=body.n)
        if body.n <= member.n and (known := self._drafts.get((body.seat, body.n))) is not None:
            if known[1] == _digest(body):
                return Ack(body.n, known[0])
            return DraftConflict(f"draft {body.n} was used before, with another content", n=body.n)
        if not isinstance(body, Sent):
            author = self._messages.get(body.id)
            if not author:
                return NoSuchMessage(
                    f"there is no message {body.id} that could be changed: deleted, too old, or never sent",
                    n=body.n,
                )
            if author != body.seat:
                return NotYours(f"message {body.id} is not yours to change", n=body.n)
        return None

    def _accept(self, entry: Entry) -> Event:
        event = event_of(entry, self.head)
        self.head = entry.seq
        return event

    def seat_of(self, key: str) -> str:
        """Return the seat that has the nick with this casefold, or ""."""
        return self._by_key.get(key, "")

    def accepted(self, seat: str, n: int) -> bool:
        """Whether a draft of this number was accepted, and is remembered."""
        return (seat, n) in self._drafts

    def last_change(self, id: int) -> int:
        """Return the seq of the event that a message is what it is by; 0: it is not remembered."""
        return self._changes.get(id, id) if id in self._messages else 0

    def version(self, id: int) -> int:
        """Return the same; 0 as well where the message was deleted."""
        return self._changes.get(id, id) if self._messages.get(id) else 0

    # --- remembering, and forgetting -----------------------------------------------------------

    def _remember(self, body: Sent | Edited | Deleted, seq: int) -> None:
        key = (body.seat, body.n)
        self._drafts[key] = (seq, _digest(body))
        self._draft_order.append(key)
        member = self.members[body.seat]
        if body.n > member.n:
            member.n = body.n

    def _forget(self, until: int) -> None:
        order, drafts = self._draft_order, self._drafts
        while order and drafts[order[0]][0] <= until:
            seq, _ = drafts.pop(order.popleft())
            self._messages.pop(seq, None)  # edits and deletions are no messages
            self._changes.pop(seq, None)

    def checkpoint(self) -> Checkpoint:
        """Return the state that an entry can carry."""
        return Checkpoint(
            self.epoch,
            self.head,
            tuple(
                SeatState(member.seat, member.author, member.key, member.technique, member.node, member.n)
                for member in self.members.values()
            ),
        )

    def checkpoint_due(self, *, own: bool = True) -> bool:
        """Whether one should be written now, by whoever wrote the newest entry (``own``).

        Others do it when it is half as much overdue, because he may know of no checkpoints.
        """
        due = CHECKPOINT_EVERY if own else CHECKPOINT_EVERY * 3 // 2
        return self.applied - self.checkpointed >= due

    def _restore(self, checkpoint: Checkpoint, seq: int) -> None:
        """Take over a checkpoint's state, unless this room knows better because it read from the start."""
        self.checkpointed = seq
        if self.epoch:
            return
        self.epoch, self.head = checkpoint.epoch, checkpoint.head
        for state in checkpoint.members:
            self.members[state.seat] = MemberState(
                state.seat, state.author, state.key, state.technique, state.node, state.n
            )
            self._by_key[state.key] = state.seat


def replay_order(entries: list[Entry]) -> tuple[list[Entry], int]:
    """Return the entries to apply to a new room, and the seq after which its refusals are to be believed.

    ``entries`` are the newest of a log. Where the beginning is cut off, the state begins with a checkpoint.
    That stands in the log behind entries which it does not know, because they were on their way when it was
    made; so it is applied first, and then what came after its head. Raises `ChatError` if there is none.
    """
    if not entries or isinstance(entries[0].body, Opened):
        return entries, 0
    for entry in entries:
        body = entry.body
        if isinstance(body, Checkpoint) and body.head >= entries[0].seq - 1:
            return [entry, *(later for later in entries if later.seq > body.head)], body.head + WINDOW
    raise ChatError("the beginning of this room's log was cut off, and no checkpoint is in what is left")


def body_of(
    draft: Draft, n: int, seat: str, author: str, technique: str, text_bytes: int
) -> Sent | Edited | Deleted:
    """Return what goes into the log for a draft with this number. Raises `BadText`."""
    try:
        if isinstance(draft, Say):
            return Sent(seat, author, technique, n, clean_text(draft.text, text_bytes))
        if isinstance(draft, Edit):
            return Edited(seat, author, technique, n, draft.id, clean_text(draft.text, text_bytes))
    except BadText as error:
        error.n = n
        raise
    return Deleted(seat, author, technique, n, draft.id)


def event_of(entry: Entry, prev: int) -> Event:
    """Return an accepted entry as clients see it; ``prev`` is the seq of the event before it."""
    body = entry.body
    match body:
        case Sent():
            return Event(
                "sent",
                entry.seq,
                prev,
                entry.at,
                body.author,
                body.seat,
                body.technique,
                body.n,
                entry.seq,
                body.text,
            )
        case Edited():
            return Event(
                "edited",
                entry.seq,
                prev,
                entry.at,
                body.author,
                body.seat,
                body.technique,
                body.n,
                body.id,
                body.text,
            )
        case Deleted():
            return Event(
                "deleted", entry.seq, prev, entry.at, body.author, body.seat, body.technique, body.n, body.id
            )
        case Joined():
            return Event("joined", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
        case Resumed():
            return Event("resumed", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
        case Left():
            return Event("left", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
        case Opened():
            return Event("opened", entry.seq, prev, entry.at, text=body.epoch)
        case Checkpoint():
            raise ValueError("a checkpoint is no event")


def _digest(body: Sent | Edited | Deleted) -> int:
    """Return what tells two drafts apart, in 64 bits: texts are not kept in memory.

    Another process would compute another number, but it never leaves this one.
    """
    match body:
        case Sent():
            return hash(body.text)
        case Edited():
            return hash((body.id, body.text))
        case Deleted():
            return hash((body.id,))
