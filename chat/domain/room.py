"""The rules of a room: a deterministic state machine over the entries of its log.

`Room.apply` alone decides, after commit and in log order. It has no clock, no I/O and no randomness, and
does not use Python's Unicode tables, so that the same entries give the same state on every node.
`Room.check` returns how it would decide now; the decision after commit may be another one.

The memory is bounded: a room remembers the drafts and messages of the last `WINDOW` seqs. So a node whose
log lacks the beginning gets the same state from a checkpoint and that many entries.
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
"""Edits, deletions and repeated drafts reach back by this many seqs."""
CHECKPOINT_EVERY = 1000
"""Seqs between two checkpoints."""
TAIL = 2 * WINDOW + 3 * CHECKPOINT_EVERY
"""So many of a log's newest entries are enough to restore a room's whole state."""
MAX_MEMBERS = Limits().seats

# The kinds of entries stand in the order of how many there are, and `type` is asked where most are none of a
# kind: for a struct `isinstance` takes ten times as long to find out that it is none.

Authored = Sent | Edited | Deleted
"""The entry that a draft becomes."""
Accepted = tuple[int, tuple[str, int], int]
"""A draft: the seq of its event, its seat and number, and a digest of its content."""
Outcome = Event | Ack | ChatError | None
"""An event: accepted. An `Ack`: accepted before. An error: refused. None: it was a checkpoint."""


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
        """The identity of the log; empty until the opening entry or a checkpoint was applied."""
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
        self._drafts: dict[tuple[str, int], Accepted] = {}
        self._draft_order: deque[Accepted] = deque()  # by the event's seq

    # --- deciding ------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> Outcome:
        """Decide about a committed entry, and change the state if it is accepted.

        Returns:
            The event that the entry became; an `Ack` if the draft was accepted before; the refusal; or None
            for a checkpoint.
        """
        seq, body = entry.seq, entry.body
        self.applied = seq
        self._forget(seq - WINDOW)
        if type(body) is Sent:  # nearly every entry, so first
            outcome: Outcome = self.check_draft(body)
            if outcome is None:
                self._messages[seq] = self._remember(body, seq)
                outcome = event_of(entry, self.head)
                self.head = seq
            return outcome
        if type(body) is Checkpoint:
            self._restore(body, seq)
            return None
        if type(body) is Opened:
            if self.epoch:
                return ChatError("the room is open already")
            self.epoch = body.epoch
            return self._accept(entry)
        if not self.epoch:
            return ChatError("the beginning of this log was deleted, and no checkpoint has come yet")
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
        """Return how `apply` would refuse this entry now; None: it would accept it."""
        match body:
            case Sent():
                return self.check_draft(body)
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
                    return SeatGone("the seat has ended or has moved to another node")
            case Edited() | Deleted():
                return self.check_draft(body)
        return None

    def foresee(self, body: Body) -> Ack | ChatError | None:
        """Do what `check` does, but return None if an entry in flight could change the answer.

        On a shared log another node may have appended the message that this entry changes.
        """
        known = self.check(body)
        if isinstance(known, NoSuchMessage) and isinstance(body, Edited | Deleted) and body.id > self.applied:
            return None
        return known

    def check_draft(self, body: Authored) -> Ack | ChatError | None:
        """Do what `check` does, for a draft."""
        member = self.members.get(body.seat)
        if member is None or member.author != body.author:
            return SeatGone("the seat has ended: join again", n=body.n)
        if body.n <= member.n and (known := self._drafts.get((body.seat, body.n))) is not None:
            if known[2] == _digest(body):
                return Ack(body.n, known[0])
            return DraftConflict(f"draft {body.n} was used before, with other content", n=body.n)
        if not isinstance(body, Sent):
            author = self._messages.get(body.id)
            if not author:
                return NoSuchMessage(
                    f"there is no message {body.id} that could be changed: deleted, too old, or never sent",
                    n=body.n,
                )
            if author != body.seat:
                return NotYours(f"message {body.id} is not yours: you can't change it", n=body.n)
        return None

    def _accept(self, entry: Entry) -> Event:
        event = event_of(entry, self.head)
        self.head = entry.seq
        return event

    def seat_of(self, key: str) -> str:
        """Return the seat whose nick has this casefold; "": none has."""
        return self._by_key.get(key, "")

    def accepted(self, seat: str, n: int) -> bool:
        """Return whether a draft with this number was accepted, and is remembered."""
        return (seat, n) in self._drafts

    def last_change(self, id: int) -> int:
        """Return the seq of the latest event that changed a message, or of its ``sent`` event.

        0: the message is not remembered.
        """
        return self._changes.get(id, id) if id in self._messages else 0

    def version(self, id: int) -> int:
        """Return what `last_change` returns, but 0 if the message was deleted."""
        return self._changes.get(id, id) if self._messages.get(id) else 0

    # --- remembering, and forgetting -----------------------------------------------------------

    def _remember(self, body: Sent | Edited | Deleted, seq: int) -> str:
        """Remember a draft; return its seat: the one string of it that is kept, and not the entry's own."""
        member = self.members[body.seat]
        key = (member.seat, body.n)
        accepted = (seq, key, hash(body.text) if type(body) is Sent else _digest(body))
        self._drafts[key] = accepted
        self._draft_order.append(accepted)
        if body.n > member.n:
            member.n = body.n
        return member.seat

    def _forget(self, until: int) -> None:
        order, drafts = self._draft_order, self._drafts
        while order and order[0][0] <= until:
            oldest = order.popleft()
            seq, key, _ = oldest
            if drafts[key] is oldest:  # a seat that joined again may have used the number again
                del drafts[key]
            self._messages.pop(seq, None)  # edits and deletions are no messages
            self._changes.pop(seq, None)

    def checkpoint(self) -> Checkpoint:
        """Return the state, as an entry of the log carries it."""
        return Checkpoint(
            self.epoch,
            self.head,
            tuple(
                SeatState(member.seat, member.author, member.key, member.technique, member.node, member.n)
                for member in self.members.values()
            ),
        )

    def checkpoint_due(self, *, own: bool = True) -> bool:
        """Return whether a checkpoint should be written now.

        Args:
            own: the caller wrote the newest entry. Others wait one and a half times as long: they write a
                checkpoint only if the writer of the newest entry writes none.
        """
        due = CHECKPOINT_EVERY if own else CHECKPOINT_EVERY * 3 // 2
        return self.applied - self.checkpointed >= due

    def _restore(self, checkpoint: Checkpoint, seq: int) -> None:
        """Take over the state of a checkpoint, unless the log was read from its beginning."""
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
    """Return the entries in the order in which a new room must apply them.

    If the log's beginning was cut off, the state begins with a checkpoint. In the log the checkpoint stands
    behind entries that it does not include, because they were in flight when it was made. So it is applied
    first, and then all entries after its head.

    Args:
        entries: the newest of a log, in its order.

    Returns:
        The entries to apply, and the seq up to which a refusal is not certain: the missing beginning could
        have made the entry acceptable.

    Raises:
        ChatError: the beginning was cut off, and there is no checkpoint.
    """
    if not entries or isinstance(entries[0].body, Opened):
        return entries, 0
    for entry in entries:
        body = entry.body
        if isinstance(body, Checkpoint) and body.head >= entries[0].seq - 1:
            return [entry, *(later for later in entries if later.seq > body.head)], body.head + WINDOW
    raise ChatError("the beginning of this room's log was deleted, and the rest has no checkpoint")


def body_of(
    draft: Draft, n: int, seat: str, author: str, technique: str, text_bytes: int
) -> Sent | Edited | Deleted:
    """Return the entry that a draft with this number becomes. Raises `BadText`."""
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
    """Return an accepted entry as clients see it. ``prev``: the seq of the event before it."""
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
        case Joined():
            return Event("joined", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
        case Resumed():
            return Event("resumed", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
        case Left():
            return Event("left", entry.seq, prev, entry.at, body.author, body.seat, body.technique)
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
        case Opened():
            return Event("opened", entry.seq, prev, entry.at, text=body.epoch)
        case Checkpoint():
            raise ValueError("a checkpoint is no event")


def _digest(body: Sent | Edited | Deleted) -> int:
    """Return a 64-bit hash of a draft's content, so that texts need not be kept in memory.

    The hash differs between processes, but is compared only within one.
    """
    match body:
        case Sent():
            return hash(body.text)
        case Edited():
            return hash((body.id, body.text))
        case Deleted():
            return hash((body.id,))
