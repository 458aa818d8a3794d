"""The benchmark of datagrams: what is lost is counted, what comes twice ends the run."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.udp.codec import CookieMessage, EndMessage, GoneMessage, HelloMessage, decode_request
from chat.domain.errors import ChatError
from chat.domain.json_codec import encode
from chat.domain.model import Say
from lab.bench import fanout, page, plans
from lab.bench.checker import DeliveryError
from lab.bench.datagrams import Chat, numbers
from lab.bench.report import Report
from lab.bench.tally import Tally, runs


@given(st.lists(st.integers(1, 30)))
def test_runs_are_the_numbers_in_their_order(found: list[int]) -> None:
    made = runs(found)
    assert list(chain.from_iterable(range(first, last + 1) for first, last in made)) == found
    assert all(b[0] != a[1] + 1 for a, b in pairwise(made))


@given(st.lists(st.sets(st.integers(1, 20)), min_size=1, max_size=3))
def test_what_did_not_come_is_lost_and_nothing_else(came: list[set[int]]) -> None:
    tally = Tally(len(came))
    for receiver, found in enumerate(came):
        for first, last in runs(sorted(found)):
            tally.take(receiver, first, last)
    tally.give_up(20)
    assert tally.settle() == tally.settled == 20
    assert tally.lost == sum(20 - len(found) for found in came)


@given(st.permutations(range(1, 10)))
def test_what_comes_in_another_order_is_not_lost(order: list[int]) -> None:
    tally = Tally(1)
    for first, last in runs(order):
        tally.take(0, first, last)
    assert (tally.settle(), tally.lost) == (9, 0)


def test_a_message_counts_when_every_receiver_has_it_or_one_after_it() -> None:
    tally = Tally(2)
    tally.take(0, 1, 3)
    assert tally.settle() == 0
    tally.take(1, 2, 2)
    assert (tally.settle(), tally.lost) == (2, 1)


@pytest.mark.parametrize("again", [(1, 1), (3, 3), (2, 5)])
def test_what_comes_twice_is_an_error(again: tuple[int, int]) -> None:
    tally = Tally(1)
    tally.take(0, 1, 3)
    with pytest.raises(DeliveryError, match=r"receiver 0: message \d came twice"):
        tally.take(0, *again)


def test_what_was_given_up_and_comes_is_not_lost() -> None:
    tally = Tally(1)
    tally.give_up(3)
    tally.take(0, 2, 2)
    assert tally.lost == 2


def test_what_comes_from_an_earlier_measurement_does_not_count() -> None:
    tally = Tally(1)
    tally.take(0, 2, 2)
    tally.settle()
    tally.begin()
    tally.take(0, 1, 1)
    tally.take(0, 3, 3)
    assert (tally.settle(), tally.lost) == (1, 0)


# --- what is said ------------------------------------------------------------------------------


def test_a_client_brings_the_cookie_that_it_was_given() -> None:
    client = Chat(7)
    assert isinstance(decode_request(client.hello()), HelloMessage)
    client.hear(encode(CookieMessage("c" * 32)))
    hello = decode_request(client.hello())
    assert isinstance(hello, HelloMessage)
    assert (hello.nick, hello.room, hello.cookie, client.ready) == ("b7", "bench", "c" * 32, False)


def test_a_message_has_its_number_as_the_draft_and_in_the_text() -> None:
    said = decode_request(Chat(0).say(17))
    assert isinstance(said, Say)
    assert (said.n, len(said.text), numbers(said.text.encode())) == (17, 100, [17])


@pytest.mark.parametrize("last", [EndMessage("full", "all seats are taken"), GoneMessage()])
def test_a_servers_last_word_is_an_error(last: EndMessage | GoneMessage) -> None:
    with pytest.raises(DeliveryError, match="last word to b1"):
        Chat(1).hear(encode(last))


# --- tiny runs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> Report:
    return fanout.run(10, 0.2, "udp", peers=False, rounds=1)


def test_a_tiny_run_measures_both_servers(tiny: Report) -> None:
    assert {(series.server, series.regime) for series in tiny.series} == {
        (server, regime) for server in ("textbook", "chat") for regime in ("saturation", "chat")
    }
    for one in (one for series in tiny.series for one in series.rounds):
        assert one.messages > 0
        assert one.deliveries + one.lost == 10 * one.messages
        assert 0 < one.p50 <= one.p99 <= one.worst


def test_the_report_says_how_many_were_lost(tiny: Report) -> None:
    for written in (page.as_text(tiny), page.as_page(tiny)):
        assert f"{tiny.lost:,} of {tiny.lost + tiny.arrived:,} deliveries" in written
        assert all(str(goal) in written for goal in tiny.plan.goals)


BROKEN = """
import asyncio, sys
from lab.bench import textbook_udp
class Transport:
    def __init__(self, transport):
        self.transport = transport
    def sendto(self, data, address):
        odd = {mark} in data and address == next(iter(chat.people))
        for _ in range({times} if odd else 1):
            self.transport.sendto(data, address)
class Chat(textbook_udp.Chat):
    def connection_made(self, transport):
        global chat
        chat = self
        super().connection_made(Transport(transport))
textbook_udp.Chat = Chat
asyncio.run(textbook_udp.main(int(sys.argv[1]), True))
"""


def yardstick(monkeypatch: pytest.MonkeyPatch, mark: bytes, times: int) -> None:
    """Let a textbook server that sends some messages so many times to one receiver be the yardstick."""
    plan = plans.find("fanout", "udp")
    script = BROKEN.format(mark=mark, times=times)
    broken = replace(plan.yardstick, command=lambda _, port: [sys.executable, "-c", script, str(port)])
    monkeypatch.setitem(plans.PLANS, ("fanout", "udp"), replace(plan, yardstick=broken))


def test_what_one_receiver_does_not_get_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    yardstick(monkeypatch, b"0.....", 0)  # every tenth
    report = fanout.run(3, 0.2, "udp", ["saturation"], peers=False, rounds=1)
    (found,) = next(series.rounds for series in report.series if series.server == "textbook")
    assert found.messages // 10 <= found.lost <= found.messages // 10 + 1
    assert found.deliveries == 3 * found.messages - found.lost


def test_what_one_receiver_gets_twice_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    yardstick(monkeypatch, b"0000000005", 2)
    with pytest.raises(ChatError, match="receiver 0: message 5 came twice"):
        fanout.run(3, 0.2, "udp", ["saturation"], peers=False, rounds=1)
