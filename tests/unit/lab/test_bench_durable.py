"""The benchmark of acknowledged messages: it counts what was acknowledged, and what is there after a kill."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from chat.domain.errors import ChatError
from lab.bench import durable, losses, storing
from lab.bench.fanout import count_log
from lab.power_failure import MISSING, can_trace


@contextmanager
def answering(*acknowledged: int) -> Iterator[int]:
    """A server that acknowledges these messages, whatever it gets; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(storing.NATS_SPEECH.ready)
                peer.recv(4096)
                for number in acknowledged:
                    peer.sendall(
                        b'MSG _INBOX.bench.%010d 1  27\r\n{"stream":"bench", "seq":%d}\r\n'
                        % (number, number + 1)
                    )
                peer.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def read_all(publisher: storing.Publisher) -> None:
    while True:
        publisher.read()


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (0, 2)], ids=["swapped", "twice", "left out"])
def test_an_acknowledgement_out_of_order_is_an_error(order: tuple[int, ...]) -> None:
    with answering(*order) as port:
        publisher = storing.Publisher(port, storing.NATS_SPEECH)
        publisher.publish(3)
        with pytest.raises(ChatError, match="was to be acknowledged"):
            read_all(publisher)
        publisher.close()


def test_a_run_without_nats_measures_ours_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    report = durable.run(rounds=1, seconds=0.05)
    (ours,) = report.rows
    assert all(rate > 0 for rates in ours.rates.values() for rate in rates)
    assert ours.killed.acknowledged > 0
    assert ours.killed.lost == [0]
    if can_trace():
        assert ours.power.acknowledged > 0
        assert ours.power.lost == [0] * losses.IMAGES
    else:
        assert f"a power failure was not tried: {MISSING}" in report.left_out
    assert report.syncs[0] > 0
    assert "| the disk alone | " in durable.as_page(report)
    assert "apt install nats-server" in durable.as_page(report)


def test_what_is_not_there_afterwards_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    forgets = replace(storing.OUR_SPEECH, stored=lambda server: count_log(server.folder) // 2)
    monkeypatch.setattr(storing, "OUR_SPEECH", forgets)
    (ours,) = durable.run(rounds=0, seconds=0.05).rows
    assert 0 < ours.killed.lost[0] <= ours.killed.acknowledged
    if can_trace():
        assert all(0 < lost <= ours.power.acknowledged for lost in ours.power.lost)
