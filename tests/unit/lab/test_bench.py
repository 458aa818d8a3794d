"""The fan-out benchmark: its checker notices every fault of delivery, and a tiny run works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.errors import ChatError
from lab.bench import fanout, page, screen, servers, start
from lab.bench.checker import Checker, DeliveryError
from lab.bench.dialects import DIALECTS
from lab.bench.load import Pace
from lab.bench.regimes import Regime
from lab.bench.report import Report
from lab.bench.section import write_section
from lab.bench.terminal import Terminal
from tests.unit.cli.test_standard_streams import FULL, WHY, over
from tests.unit.cli.test_standard_streams import pytestmark as needs_dev_full

TEXTBOOK = DIALECTS["textbook"].message
NATS = DIALECTS["nats"].message


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"type": "message", "text": "%010d..."}\n' % number for number in numbers)


def nats(*numbers: int) -> bytes:
    return b"".join(b"MSG bench 1 100\r\n%010d%b\r\n" % (number, b"." * 90) for number in numbers)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(place % len(data) for place in places), len(data)])]


@given(st.lists(st.integers(0), max_size=9), st.lists(st.integers(0), max_size=9))
def test_whatever_the_pieces_each_message_counts_when_the_last_receiver_has_it(
    first: list[int], second: list[int]
) -> None:
    checker = Checker(2, NATS)
    for piece in cut(nats(1, 2, 3), first):
        checker.feed(0, piece)
    assert checker.settle() == 0
    for piece in cut(nats(1, 2, 3), second):
        checker.feed(1, piece)
    assert (checker.settle(), checker.settled) == (3, 3)


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        pytest.param((1, 3), "message 3 came where 2 was due", id="lost"),
        pytest.param((1, 1, 2), "message 1 came where 2 was due", id="twice"),
        pytest.param((2, 1, 3), "message 2 came where 1 was due", id="reordered"),
    ],
)
@pytest.mark.parametrize("who", ["first", "later"])
def test_a_wrong_delivery_is_noticed_at_the_first_receiver_and_at_later_ones(
    who: str, numbers: tuple[int, ...], complaint: str
) -> None:
    checker = Checker(2, TEXTBOOK)
    if who == "later":
        checker.feed(0, lines(1, 2, 3, 4))
    with pytest.raises(DeliveryError, match=f"receiver {int(who == 'later')}: {complaint}"):
        checker.feed(1 if who == "later" else 0, lines(*numbers))


def test_a_changed_text_is_noticed() -> None:
    checker = Checker(2, TEXTBOOK)
    checker.feed(0, lines(1, 2))
    with pytest.raises(DeliveryError, match="where others got"):
        checker.feed(1, lines(1, 2).replace(b"...", b".. ", 1))


def test_what_is_no_message_is_noticed() -> None:
    checker = Checker(1, TEXTBOOK)
    with pytest.raises(DeliveryError, match=r"too slow.* is no message"):
        checker.feed(0, lines(1) + b'{"type": "error", "text": "too slow"}\n' + lines(2))


def test_a_message_that_one_receiver_lacks_does_not_count() -> None:
    checker = Checker(3, TEXTBOOK)
    checker.feed(0, lines(1, 2))
    checker.feed(1, lines(1, 2))
    checker.feed(2, lines(1))
    assert (checker.settle(), checker.settled) == (1, 1)


def test_pings_between_messages_are_counted_and_left_out() -> None:
    checker = Checker(2, NATS, DIALECTS["nats"].ping)
    checker.feed(0, nats(1, 2))
    assert checker.feed(1, nats(1) + b"PING\r\n" + nats(2)) == 1
    assert checker.settle() == 2


def test_what_all_have_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bench.checker.TRIM", 0)
    checker = Checker(2, TEXTBOOK)
    for number in range(1, 100):
        checker.feed(0, lines(number))
        checker.feed(1, lines(number))
        checker.settle()
    assert len(checker._stream) == 0


def test_an_open_loop_does_not_wait_for_the_receivers() -> None:
    pace = Pace(Regime("", "", window=100, rounds=1, rate=10.0), 0.0, 60.0)
    assert pace.due(0.0, 0) == [0.0]
    assert pace.due(0.25, 1) == [0.1, 0.2]
    assert pace.due(0.25, 3) == []


def test_an_open_loop_ends_when_the_server_is_overrun() -> None:
    pace = Pace(Regime("", "", window=5, rounds=1, rate=10.0), 0.0, 60.0)
    pace.due(0.0, 0)
    assert pace.due(2.0, 1) == []
    assert (pace.overrun, pace.running) == (True, False)


def test_a_closed_loop_fills_its_window() -> None:
    pace = Pace(Regime("", "", window=3, rounds=1), 0.0, 60.0)
    assert len(pace.due(0.0, 0)) == 3
    assert len(pace.due(0.1, 2)) == 1
    assert pace.due(60.0, 0) == []


@pytest.fixture(scope="module")
def tiny() -> Report:
    return fanout.run(20, 0.1, regimes=["saturation", "lockstep"], peers=False, rounds=2)


def test_a_tiny_run_measures_both_servers(tiny: Report) -> None:
    assert {(series.server, series.regime, len(series.rounds)) for series in tiny.series} == {
        (server, regime, 2) for server in ("textbook", "chat") for regime in ("saturation", "lockstep")
    }
    assert all(one.messages > 0 and one.server_cpu > 0 for series in tiny.series for one in series.rounds)
    for server in tiny.servers:
        assert len(server.joined) == 2
        assert all(crowd.connects > 0 and crowd.server_cpu > 0 for crowd in server.joined)


def test_the_report_can_be_read_by_a_program(tiny: Report) -> None:
    found = json.loads(tiny.json())
    assert [goal["regime"] for goal in found["goals"]] == ["saturation", "lockstep"]


def test_the_page_tells_every_goal_that_was_measured(tiny: Report) -> None:
    for text in (page.as_text(tiny), page.as_page(tiny)):
        assert "at least 40 times" in text
        assert "at least 1 times" in text


def test_another_revision_is_measured_beside_this_build_and_its_checkout_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = fanout.run(5, 0.1, regimes=["lockstep"], rounds=2, against="HEAD")
    assert [server.name for server in report.servers] == ["textbook", "chat", "chat-before"]
    assert re.fullmatch(r"chat serve tcp at [0-9a-f]{7,}", report.servers[2].title)
    rows = [(one.regime, one.title) for one in report.compared()]
    assert rows == [
        ("lockstep", "per CPU second"),
        ("lockstep", "a second"),
        ("lockstep", "p50"),
        ("joining", "joins a second"),
        ("joining", "CPU per join"),
        ("joining", "memory per client"),
    ]
    assert all(0 < one.low <= one.value <= one.high for one in report.compared() if one.regime == "lockstep")
    assert "this build, divided by the other one" in page.as_text(report)
    trees = subprocess.run(["git", "worktree", "list"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in trees


def test_a_revision_that_git_does_not_know_is_refused() -> None:
    with pytest.raises(ChatError, match="git can't check it out"):
        fanout.run(2, 0.1, against="no-such-revision")


def test_writing_a_section_again_replaces_it_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    for name, text in (("one", "old\n"), ("two", "kept\n"), ("one", "new\n")):
        write_section(path, name, text)
    written = path.read_text(encoding="utf-8")
    assert written.startswith("# Performance\n")
    write_section(path, "summary", "above\n", first=True)
    assert path.read_text(encoding="utf-8").partition("above\n")[2].count("written by chat bench") == 2
    assert ("old" in written, "kept" in written, "new" in written) == (False, True, True)


def test_a_backend_that_the_load_generator_does_not_speak_is_refused() -> None:
    with pytest.raises(ChatError, match="does not speak soap"):
        fanout.run(2, 0.1, backend="soap")


def test_a_server_that_does_not_start_is_named_with_what_it_said(tmp_path: Path) -> None:
    broken = servers.Candidate("x", "broken", "chat", lambda _, __: [sys.executable, "-c", "exit('no disk')"])
    with (
        pytest.raises(ChatError, match="broken did not start: no disk"),
        servers.running(broken, tmp_path / "x", []),
    ):
        pass


@needs_dev_full
def test_it_ends_when_its_report_cannot_be_written() -> None:
    code, _, errors = over(FULL, "bench", "start", "--json")
    assert code == 1
    assert errors.splitlines()[-1] == f"chat: cannot write to the standard output: {WHY[FULL]}"
    assert "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal for us")
class TestTerminal:
    def test_a_program_reads_keys_and_its_answer_is_seen(self) -> None:
        program = [sys.executable, "-c", "print('len', len(input()))"]
        with Terminal(program, os.environ) as terminal:
            terminal.press(b"four\n")
            assert terminal.shows(b"len 4") > terminal.started

    def test_a_program_that_ends_is_not_waited_for(self) -> None:
        with (
            Terminal([sys.executable, "-c", "print('bye')"], os.environ) as terminal,
            pytest.raises(ChatError, match=r"has ended.*bye"),
        ):
            terminal.shows(b"never")

    def test_a_program_that_still_draws_comes_to_its_end(self) -> None:
        """More than a terminal holds that nobody reads."""
        with Terminal([sys.executable, "-c", "print('x' * 100_000); exit(3)"], os.environ) as terminal:
            assert terminal.ends() == 3

    def test_a_tiny_run_measures_the_start(self) -> None:
        assert len(start.run(1).first_paint) == 1

    def test_a_tiny_run_measures_the_screen(self) -> None:
        report = screen.run(messages=100, appends=2, keys=2, paints=1, lanes=("tcp", "udp"))
        assert [len(report.appends), len(report.keys), len(report.busy_keys)] == [2, 2, 2]
        assert len(report.first_paints) == 1
        assert report.lanes > report.empty
