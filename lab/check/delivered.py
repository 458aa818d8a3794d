"""Checks of what each receiver saw against the log."""

from __future__ import annotations

from collections.abc import Iterator

from chat.domain.model import Event
from lab.check.history import Entered, Saw
from lab.check.reading import ClientHistory, Histories
from lab.check.verdict import Violation


def violations(histories: Histories) -> Iterator[Violation]:
    """Yield what is wrong at each receiver. Every check is one pass over what it saw, or over the log."""
    by_seq = {entry.seq: entry for entry in histories.log}
    for client in histories.clients.values():
        yield from _in_the_log(client, by_seq)
        yield from _in_order(client)
        yield from _complete(client, histories.log)


def _in_the_log(client: ClientHistory, by_seq: dict[int, Event]) -> Iterator[Violation]:
    oldest = min(by_seq, default=0)
    for saw in client.saw:
        event = saw.event
        if (entry := by_seq.get(event.seq)) is None:
            if event.seq >= oldest:  # else the log has dropped it meanwhile, as a log in a broker may
                yield Violation(
                    "delivered but not stored", f"{client.name} saw {event.seq}: it is not in the log", (saw,)
                )
        elif entry != event:
            names = (name for name in Event.__struct_fields__ if getattr(entry, name) != getattr(event, name))
            yield Violation(
                "delivered altered",
                f"{client.name} saw {event.seq} with another {', '.join(names)} than the log has",
                (entry, saw),
            )


def _in_order(client: ClientHistory) -> Iterator[Violation]:
    first: dict[int, Saw] = {}
    newest: Saw | None = None
    ordered = all(one.ordered for one in client.entered) and client.entered
    for saw in client.saw:
        seq = saw.event.seq
        if (before := first.setdefault(seq, saw)) is not saw:
            yield Violation("delivered twice", f"{client.name} saw {seq} twice", (before, saw))
        elif newest is not None and seq < newest.event.seq:
            if ordered:
                yield Violation(
                    "delivered in another order",
                    f"{client.name} saw {seq} after {newest.event.seq}",
                    (client.entered[0], newest, saw),
                )
            continue
        newest = saw


def _complete(client: ClientHistory, log: list[Event]) -> Iterator[Violation]:
    """Every entry must have come that is after the head at its entry, or after the first that it saw."""
    if not client.entered:
        return
    entered, seen = client.entered[0], {saw.event.seq for saw in client.saw}
    first = min(client.saw, key=lambda saw: saw.event.seq, default=None)
    newest = max(client.saw, key=lambda saw: saw.event.seq, default=None)
    whole = client.end is not None and client.end.whole
    lossless = all(one.lossless for one in client.entered)
    if not whole and (newest is None or not lossless):
        return  # it may have been on its way when the client was stopped
    for entry in log:
        if entry.seq in seen or (entry.seq in client.missing and not lossless):
            continue
        after_head = entry.seq > entered.head
        if not after_head and (first is None or entry.seq < first.event.seq):
            continue
        if not whole and newest and entry.seq > newest.event.seq:
            continue
        yield _not_delivered(client, entered, entry, None if after_head else first, newest)


def _not_delivered(
    client: ClientHistory, entered: Entered, entry: Event, first: Saw | None, newest: Saw | None
) -> Violation:
    told = "" if all(one.lossless for one in client.entered) else ", and was not told that it is missing"
    last = client.end if client.end is not None and client.end.whole else newest
    lines = (entered, first, entry, last)
    return Violation(
        "not delivered",
        f"{client.name} never saw {entry.seq} ({entry.kind}){told}",
        tuple(line for line in lines if line is not None),
    )
