"""Checks of the log against what the clients asked for and were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from chat.domain.model import Event
from lab.check.history import Entered, Fail, Fault, Line, Ok
from lab.check.reading import CHANGES, ClientHistory, Histories, Operation
from lab.check.verdict import Violation


class StoredChecks:
    """Compares each operation with the entry that it became. Every check is one pass."""

    def __init__(self, histories: Histories) -> None:
        self._all = histories
        self._by_seq = {entry.seq: entry for entry in histories.log}
        self._owner: dict[str, tuple[ClientHistory, Entered]] = {
            one.seat: (client, one) for client in histories.clients.values() for one in client.entered
        }

    def violations(self) -> Iterator[Violation]:
        yield from self._order_of_the_log()
        yield from self._sent_twice()
        yield from self._operations()
        yield from self._real_time()
        for client in self._all.clients.values():
            yield from self._order_of_a_client(client)
            yield from self._unanswered(client)

    # --- the log by itself ---------------------------------------------------------------------

    def _order_of_the_log(self) -> Iterator[Violation]:
        for before, entry in pairwise(self._all.log):
            if entry.seq <= before.seq:
                yield Violation("log order", f"{entry.seq} comes after {before.seq}", (before, entry))
            elif entry.prev != before.seq:
                yield Violation(
                    "log order",
                    f"{entry.seq} says that {entry.prev} is before it, and {before.seq} is",
                    (before, entry),
                )

    def _sent_twice(self) -> Iterator[Violation]:
        first: dict[tuple[str, int], Event] = {}
        for entry in self._all.log:
            if entry.kind in CHANGES and entry.n:
                one = first.setdefault((entry.seat, entry.n), entry)
                if one is not entry:
                    yield Violation(
                        "doubled",
                        f"draft {entry.n} of {entry.author or entry.seat} is both {one.seq} and {entry.seq}",
                        (one, entry),
                    )

    # --- each operation ------------------------------------------------------------------------

    def _operations(self) -> Iterator[Violation]:
        """Compare acknowledged operations by their seq, and all others by what they say."""
        settled: set[int] = set()  # seqs of entries that an acknowledged operation has become
        asked: dict[tuple[str, str, int, str], list[Operation]] = defaultdict(list)
        for client in self._all.clients.values():
            for operation in client.operations.values():
                outcome = operation.outcome
                if isinstance(outcome, Ok) and outcome.seq and (entry := self._by_seq.get(outcome.seq)):
                    settled.add(entry.seq)
                    if (entry.kind, _target(entry), entry.text) != operation.what:
                        yield Violation(
                            "altered",
                            f"{client.name} asked for {_shown(operation)}, and {entry.seq} is "
                            f"{entry.kind} {_quoted(entry.text)}",
                            (operation.invoke, outcome, entry),
                        )
                        continue
                asked[client.name, *operation.what].append(operation)
        yield from self._counts(asked, settled)

    def _counts(
        self, asked: dict[tuple[str, str, int, str], list[Operation]], settled: set[int]
    ) -> Iterator[Violation]:
        stored: dict[tuple[str, str, int, str], list[Event]] = defaultdict(list)
        for entry in self._all.log:
            if entry.kind in CHANGES and (owner := self._owner.get(entry.seat)):
                key = (owner[0].name, str(entry.kind), _target(entry), entry.text)
                if key in asked or entry.seq not in settled:
                    stored[key].append(entry)
        for what, operations in asked.items():
            yield from _lost(what[0], operations, stored.get(what, []))
        for what, entries in stored.items():
            yield from self._surplus(what[0], asked.get(what, []), entries)

    def _surplus(self, name: str, operations: list[Operation], entries: list[Event]) -> Iterator[Violation]:
        failed = [one for one in operations if isinstance(one.outcome, Fail)]
        possible = len(operations) - len(failed)
        if len(entries) <= possible:
            return
        extra, seat = entries[possible], self._owner[entries[possible].seat][1]
        shown = f"{extra.seq} ({extra.kind} {_quoted(extra.text)})"
        if not operations:
            yield Violation("made up", f"{name} never asked for {shown}", (seat, extra))
        elif not possible:
            refused = failed[0]
            assert refused.outcome is not None
            yield Violation(
                "refused but stored",
                f"{name} was refused {_shown(refused)}, and it is {extra.seq}",
                (seat, refused.invoke, refused.outcome, extra),
            )
        else:
            invoked = [one.invoke for one in operations if not isinstance(one.outcome, Fail)]
            times = "once" if possible == 1 else f"{possible} times"
            yield Violation(
                "doubled",
                f"{name} asked {times} for {_shown(operations[0])}, and it is "
                f"{' and '.join(str(one.seq) for one in entries[: possible + 1])}",
                (seat, *invoked, *entries[: possible + 1]),
            )

    # --- orders --------------------------------------------------------------------------------

    def _acknowledged(self) -> dict[int, tuple[Operation, Ok]]:
        return {
            one.outcome.seq: (one, one.outcome)
            for one in self._all.operations
            if isinstance(one.outcome, Ok) and one.outcome.seq
        }

    def _real_time(self) -> Iterator[Violation]:
        """What was acknowledged before something else was asked for must be before it in the log."""
        done = self._acknowledged()
        latest: tuple[Operation, Ok, Event] | None = None  # of those so far in the log: asked for last
        for entry in self._all.log:
            if (found := done.get(entry.seq)) is None:
                continue
            operation, ok = found
            if latest and ok.at < latest[0].invoke.at:
                other, other_ok, behind = latest
                yield Violation(
                    "stored in another order",
                    f"{entry.seq} was acknowledged before {behind.seq} was asked for, and is after it",
                    (operation.invoke, ok, other.invoke, other_ok, behind, entry),
                )
            if latest is None or operation.invoke.at > latest[0].invoke.at:
                latest = (operation, ok, entry)

    def _order_of_a_client(self, client: ClientHistory) -> Iterator[Violation]:
        """Drafts of one client are decided in the order in which it sent them."""
        if not client.entered or not all(one.ordered for one in client.entered):
            return
        last: tuple[Operation, Ok, Event] | None = None
        for operation in client.operations.values():  # in the order of asking
            ok = operation.outcome
            if not isinstance(ok, Ok) or (entry := self._by_seq.get(ok.seq)) is None:
                continue
            if last is not None and entry.seq < last[2].seq:
                before, before_ok, behind = last
                yield Violation(
                    "stored in another order",
                    f"{client.name} asked first for {_shown(before)}: it is {behind.seq}, after {entry.seq}",
                    (client.entered[0], before.invoke, before_ok, operation.invoke, ok, entry, behind),
                )
            else:
                last = (operation, ok, entry)

    def _unanswered(self, client: ClientHistory) -> Iterator[Violation]:
        end = client.end
        if end is None or not end.whole or not client.entered or not client.entered[-1].resend:
            return
        broke = max((one.at for one in client.downs), default=float("-inf"))
        for operation in client.operations.values():
            invoke = operation.invoke
            if isinstance(operation.outcome, Ok | Fail) or broke >= invoke.at:
                continue
            if not any(_overlaps(fault, invoke.at, end.at) for fault in self._all.faults):
                yield Violation(
                    "unanswered",
                    f"{client.name} asked for {_shown(operation)} and waited for {end.at - invoke.at:.1f} s: "
                    "nobody answered",
                    (client.entered[-1], invoke, end),
                )


def _lost(name: str, operations: list[Operation], entries: list[Event]) -> Iterator[Violation]:
    told = [one for one in operations if isinstance(one.outcome, Ok)]
    if len(told) <= len(entries):
        return
    example: list[Line] = []
    for one in told:
        assert one.outcome is not None
        example += [one.invoke, one.outcome]
    found = f"only {len(entries)} are in the log" if entries else "it is not in the log"
    yield Violation("lost", f"{name} was told that {_shown(told[0])} is stored, and {found}", tuple(example))


def _overlaps(fault: Fault, start: float, end: float) -> bool:
    return bool(fault.fired) and fault.at <= end and fault.until >= start


def _target(entry: Event) -> int:
    """Return the message that an entry changes; 0 for a new one, whose own number nobody could ask for."""
    return 0 if entry.kind == "sent" else entry.id


def _shown(operation: Operation) -> str:
    act, target, text = operation.what
    return " ".join(part for part in (act, f"#{target}" if target else "", _quoted(text)) if part)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...") if text else ""
