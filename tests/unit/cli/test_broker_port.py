"""The port of a broker that nobody's server uses: the texts show the one that a client would find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.rabbitmq import broker
from backends.rabbitmq.broker import Record, daemon
from tests.support.processes import chat_here

PORT = 15999


@pytest.fixture
def private(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A private broker as its record tells of it."""
    monkeypatch.setattr(broker, "PORT", 9)  # the discard port: nothing listens
    state_dir.mkdir(mode=0o700, exist_ok=True)
    process = daemon(state_dir)
    assert process.claim()
    process.announce(Record(4711, f"amqp://chat:secret@127.0.0.1:{PORT}/%2F", (), ""))
    yield
    process.end()


@pytest.mark.usefixtures("private")
@pytest.mark.parametrize("command", [["explain", "rabbitmq"], ["explain"], ["techniques"]])
def test_the_port_of_the_private_broker_is_shown(command: list[str]) -> None:
    shown = chat_here(*command).stdout
    assert f"{PORT}" in shown
    assert "5672" not in shown
    assert "secret" not in shown
    if len(command) == 2:
        assert "a private one (process 4711)" in shown


def test_the_port_of_the_broker_that_the_environment_names_is_shown() -> None:
    shown = chat_here("explain", "rabbitmq", CHAT_AMQP_URL=f"amqp://127.0.0.1:{PORT}").stdout
    assert f"{PORT}" in shown
    assert "named by CHAT_AMQP_URL" in shown
