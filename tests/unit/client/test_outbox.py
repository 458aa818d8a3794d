"""The outbox: the order of drafts, their numbers, and which draft an event belongs to."""

from __future__ import annotations

import pytest

from chat.client.outbox import Outbox, QueuedDraft
from chat.domain.model import Edit, Say


def next_of(outbox: Outbox) -> QueuedDraft:
    queued = outbox.next()
    assert queued is not None
    return queued


def sent(outbox: Outbox) -> QueuedDraft:
    queued = next_of(outbox)
    outbox.sending(queued)
    return queued


def test_drafts_are_sent_in_the_order_of_the_calls_and_numbered_when_they_are_sent() -> None:
    outbox = Outbox()
    tokens = [outbox.add(Say(text), 0.0) for text in "abc"]
    outbox.number = 7  # what the welcome told
    assert [(one.token, one.draft.n) for one in (sent(outbox), sent(outbox), sent(outbox))] == [
        (tokens[0], 8),
        (tokens[1], 9),
        (tokens[2], 10),
    ]
    assert outbox.next() is None


def test_a_draft_that_is_sent_again_keeps_its_number() -> None:
    outbox = Outbox()
    outbox.add(Say("a"), 0.0)
    first = sent(outbox)
    outbox.send_again()
    assert sent(outbox) is first
    assert (first.draft.n, outbox.number) == (1, 1)


def test_an_event_removes_its_draft_once() -> None:
    outbox = Outbox()
    outbox.add(Say("a"), 0.0)
    queued = sent(outbox)
    assert outbox.arrived(1) is queued
    assert (len(outbox), outbox.arrived(1)) == (0, None)


def test_the_event_may_come_after_the_acknowledgement() -> None:
    outbox = Outbox()
    outbox.add(Say("a"), 0.0)
    queued = sent(outbox)
    assert outbox.acknowledged(queued)
    assert not outbox.acknowledged(queued)
    assert outbox.arrived(1) is queued


def test_the_event_of_a_refused_draft_is_not_expected() -> None:
    outbox = Outbox()
    outbox.add(Say("a"), 0.0)
    outbox.failed(sent(outbox))
    assert outbox.arrived(1) is None


def test_numbers_without_an_event_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.client.outbox.WIDTH", 2)
    outbox = Outbox()
    for _ in range(5):
        outbox.add(Say("a"), 0.0)
        outbox.acknowledged(sent(outbox))
    assert [outbox.arrived(n) is not None for n in range(1, 6)] == [False, False, True, True, True]


def test_drafts_that_change_a_message_are_told_from_the_others() -> None:
    outbox = Outbox()
    outbox.add(Say("a"), 0.0)
    change = outbox.add(Edit(3, "b"), 0.0)
    assert [one.token for one in outbox.changes()] == [change]
