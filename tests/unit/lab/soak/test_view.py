"""The judge of a soak: whatever a client has seen wrong changes its sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from chat.domain.model import Event
from lab.soak.view import Truth, View
from tests.support.entries import Log, sent


def room(count: int = 20) -> list[Event]:
    log = Log()
    return [log.accepted(sent(n, f"text {n}")) for n in range(1, count + 1)]


def view(events: Sequence[Event], *, ordered: bool = True, stayed: bool = False) -> View:
    one = View("ann", "tcp" if ordered else "udp", ordered, stayed=stayed)
    for event in events:
        one.add(event)
    return one


def swapped(events: list[Event]) -> list[Event]:
    return [*events[:7], events[8], events[7], *events[9:]]


def changed(events: list[Event]) -> list[Event]:
    return [*events[:7], msgspec.structs.replace(events[7], text="other"), *events[8:]]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda events: [*events[:7], *events[8:]], "saw 19 events from 3 to 22, and the log has 20"),
        (lambda events: [*events[:8], *events[7:]], "saw 1 events out of order"),
        (swapped, "saw 1 events out of order"),
        (changed, "saw other events from 3 to 22"),
    ],
)
def test_what_was_lost_doubled_swapped_or_changed_is_found(
    harm: Callable[[list[Event]], list[Event]], words: str
) -> None:
    events = room()
    problems = Truth(events).judged(view(harm(events)))
    assert any(words in problem for problem in problems), problems


def test_a_view_is_a_part_of_the_log() -> None:
    events = room()
    assert Truth(events).judged(view(events[5:15])) == []


def test_who_stayed_must_know_the_last_event() -> None:
    events = room()
    assert Truth(events).judged(view(events, stayed=True)) == []
    (problem,) = Truth(events).judged(view(events[:-1], stayed=True))
    assert "knows events up to 21, and not 22" in problem


def test_a_lossy_technique_may_miss_what_it_names_and_nothing_else() -> None:
    events = room()
    one = view(swapped([*events[:12], *events[13:]]), ordered=False)
    assert Truth(events).judged(one)
    one.missing.add(events[12].seq)
    assert Truth(events).judged(one) == []


def test_what_was_named_as_missing_may_come_late() -> None:
    events = room()
    one = view([*events[:12], *events[13:]], ordered=False)
    one.missing.add(events[12].seq)
    one.add(events[12])
    assert Truth(events).judged(one) == []


def test_what_was_acknowledged_is_in_the_log_once() -> None:
    events = room()
    assert Truth(events).stored(["text 1", "text 20"]) == []
    assert Truth(events).stored(["text 21"]) == ["acknowledged, and not in the log: text 21"]
    assert Truth([*events, events[0]]).stored([]) == ["in the log more than once: text 1"]
