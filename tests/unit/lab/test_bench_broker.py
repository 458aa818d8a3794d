"""The benchmark of the broker: a short real run, its page, and what it does not let pass."""

from __future__ import annotations

import pytest

from chat.domain.errors import ChatError
from lab.bench import broker, broker_report, shared


@pytest.mark.timeout(120)
def test_a_short_run_measures_everything_and_the_page_tells_it(
    vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "TYPED", 5)
    monkeypatch.setattr(shared, "RATES", (50,))
    monkeypatch.setattr(shared, "READERS", 9)
    report = broker.run(vhost, rounds=1, burst=300, seconds=0.5)
    assert all(0 < one.p50 <= one.p99 for one in (*report.bare, *report.ours))
    assert all(one > 0 for one in (*report.bare_rate, *report.our_rate, *report.send_rate))
    (spread,) = report.shared.spreads
    assert spread.rate == 50
    assert 0 < spread.own.p50 <= spread.own.p99
    assert all(one > 0 for one in (*report.shared.entries, *report.shared.capacity))
    assert all(one.busiest < one.server_cpu for one in report.shared.together)
    for written in (broker_report.as_text(report), broker_report.as_page(report)):
        assert all(f"{one.value:.3g}" in written and one.goal in written for one in report.verdicts())
    assert "chat:" not in broker_report.as_page(report), "no password"


@pytest.mark.parametrize("text", ["0 x", "2 x"], ids=["twice", "lost"])
async def test_what_is_out_of_its_place_ends_the_run(text: str) -> None:
    arrivals = broker.Arrivals(3)
    arrivals.came("0 x")
    with pytest.raises(ChatError, match="was to come"):
        arrivals.came(text)


async def test_what_does_not_come_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "TIMEOUT", 0.05)
    arrivals = broker.Arrivals(2)
    arrivals.came("0 x")
    with pytest.raises(ChatError, match="1 of 2 messages came"):
        await arrivals.all()
