"""The benchmark of several workers: a tiny run of each technique, its page, and readers at each worker."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chat.domain.errors import ChatError
from lab.bench import page, plans, revision, servers, workers
from lab.bench.checker import DeliveryError
from lab.bench.report import Report
from lab.bench.servers import HOST, Candidate, Running
from lab.bench.spreading import Evenly

if sys.platform != "linux":
    pytest.skip("connections are spread on Linux only", allow_module_level=True)

CLIENTS = 9


@pytest.fixture(scope="module", params=["tcp", "rpyc", "grpc"])
def tiny(request: pytest.FixtureRequest) -> Report:
    return workers.run(CLIENTS, 0.2, request.param, rounds=1)


def test_a_tiny_run_measures_one_process_and_two_workers(tiny: Report) -> None:
    assert {(series.server, series.regime) for series in tiny.series} == {
        (server, regime) for server in ("one", "two") for regime in ("saturation", "open")
    }
    for series in tiny.series:
        (measured,) = series.rounds
        assert measured.messages > 0
        if series.server == "one":
            assert measured.busiest == measured.server_cpu > 0
        else:
            assert 0 < measured.busiest < measured.server_cpu
    assert tiny.logged == tiny.sent > 0


def test_the_page_tells_the_goal_and_both_ratios_and_a_program_reads_them(tiny: Report) -> None:
    (verdict,) = tiny.verdicts()
    for written in (page.as_text(tiny), page.as_page(tiny)):
        assert "at least 1.7 times" in written
        assert f"{verdict.value:.3g}" in written
        assert all(f"{one.value:.3g}" in written for one in tiny.scaled())
        assert "joins/s" not in written, "who connects until a worker takes it is not fast"
    found = json.loads(tiny.json())
    assert {(one["regime"], one["title"]) for one in found["scaled"]} >= {
        (regime, f"per CPU second of {which}")
        for regime in ("saturation", "open")
        for which in ("the busiest process", "all processes")
    }


def test_another_revision_is_measured_beside_this_build() -> None:
    report = workers.run(CLIENTS, 0.1, regimes=["open"], rounds=1, against="HEAD")
    assert [server.name for server in report.servers] == ["one", "two", "two-before"]
    assert [one.title for one in report.compared()][:2] == [
        "per CPU second of the busiest process",
        "per CPU second of all processes",
    ]


def test_a_revision_without_workers_is_left_out_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_workers(candidate: Candidate, tree: Path) -> Candidate:
        older = Candidate(
            "two-before", "an older chat", "chat", lambda *_: [sys.executable, "-c", "exit('no')"]
        )
        return replace(older, tree=tree)

    monkeypatch.setattr(revision, "before", without_workers)
    report = workers.run(CLIENTS, 0.1, regimes=["open"], rounds=1, against="HEAD")
    assert [series.server for series in report.series] == ["one", "two"]
    assert report.left_out == ["an older chat did not start: no"]
    assert "Left out: an older chat did not start: no." in page.as_page(report)


def test_it_says_what_it_can_measure() -> None:
    with pytest.raises(ChatError, match="can measure tcp, rpyc, grpc"):
        workers.run(2, 0.1, "soap")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    candidate = plans.find("workers", "tcp").ours
    with servers.running(candidate, tmp_path_factory.mktemp("two"), []) as server:
        yield server


def test_a_server_has_started_when_all_its_workers_listen(running: Running) -> None:
    assert len(running.workers) == 2
    assert {psutil.Process(pid).ppid() for pid in running.workers} == {running.pid}


def test_each_worker_gets_the_connections_whose_turn_it_is(running: Running) -> None:
    evenly = Evenly(HOST, running.port, running.workers)
    opened = [evenly.connect(number) for number in range(50)]
    evenly.close()
    ours = [one.getsockname()[1] for one in opened]
    for place, pid in enumerate(running.workers):
        links = psutil.Process(pid).net_connections("tcp")
        theirs = {link.raddr.port for link in links if link.raddr}
        assert set(ours[place::2]) <= theirs
    for one in opened:
        one.close()


def test_connections_that_no_worker_takes_end_the_run(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.bench.spreading.TIMEOUT", 0.05)
    evenly = Evenly(HOST, running.port, [os.getpid()])
    with pytest.raises(DeliveryError, match="no worker has accepted a connection"):
        evenly.connect(0)
