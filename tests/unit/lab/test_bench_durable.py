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
from lab.bench import durable
from lab.bench.fanout import count_log


@contextmanager
def answering(*acknowledged: int) -> Iterator[int]:
    """A server that acknowledges these messages, whatever it gets; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(durable.NATS_SPEECH.ready)
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


def read_all(publisher: durable.Publisher) -> None:
    while True:
        publisher.read()


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (0, 2)], ids=["swapped", "twice", "left out"])
def test_an_acknowledgement_out_of_order_is_an_error(order: tuple[int, ...]) -> None:
    with answering(*order) as port:
        publisher = durable.Publisher(port, durable.NATS_SPEECH)
        publisher.publish(3)
        with pytest.raises(ChatError, match="was to be acknowledged"):
            read_all(publisher)
        publisher.close()


def test_a_run_without_nats_measures_ours_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    report = durable.run(rounds=1, seconds=0.05)
    (ours,) = report.rows
    assert all(rate > 0 for rates in ours.rates.values() for rate in rates)
    assert ours.acknowledged > 0
    assert ours.lost == 0
    assert report.syncs[0] > 0
    assert "| the disk alone | " in durable.as_page(report)
    assert "apt install nats-server" in durable.as_page(report)


def test_what_is_not_there_after_the_kill_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    forgets = replace(durable.OUR_SPEECH, stored=lambda server: count_log(server.folder) // 2)
    monkeypatch.setattr(durable, "OUR_SPEECH", forgets)
    (ours,) = durable.run(rounds=0, seconds=0.05).rows
    assert 0 < ours.lost <= ours.acknowledged
