"""A laptop that slept: a polling client is stopped until its seat has ended, and then goes on."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import backends
from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from tests.support.kit import Connect, Serving
from tests.support.node import Run
from tests.support.people import Person
from tests.support.processes import CHAT

pytestmark = [
    pytest.mark.skipif(
        sys.platform == "win32", reason="freezes with a POSIX signal; on Windows nobody has tried it"
    ),
    pytest.mark.parametrize("limits", [Limits(grace=0.5)], ids=[""]),
]
WAYS = {
    label.name: ["--poll", "0.05"] if any(one.name == "poll" for one in label.settings) else []
    for label in backends.techniques()
    if not label.traits.push
} | {"oncrpc over udp": ["--transport", "udp"]}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def technique(way: str) -> Technique:
    label = backends.technique(way.split()[0])
    label.load_client()  # here and not on the loop: an import reads files
    label.load_server()
    return label


async def test_a_client_that_slept_takes_a_new_seat_and_sends_what_was_typed(
    way: str,
    technique: Technique,
    connect: Connect,
    server: Serving,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backends.oncrpc.program.CHAT_MAX_WAIT_MS", 50)  # a seat does not end in a long poll
    ann = Person(*await connect("ann"))
    ann.listen()
    options = ("--backend", technique.name, "--server", server.address, *WAYS[way])
    sleeper = await run(*CHAT, "--plain", *options, "--as", "sleeper")
    tail = await run(*CHAT, "tail", *options, "--as", "reader")
    await ann.sees("joined", "sleeper")
    await ann.sees("joined", "reader")
    sleeper.type("good night")
    await ann.hears("good night")
    for process in (sleeper.process, tail.process):
        os.kill(process.pid, signal.SIGSTOP)
    await ann.sees("left", "sleeper")
    await ann.sees("left", "reader")
    await ann.say("while you slept")
    sleeper.type("good morning")
    for process in (sleeper.process, tail.process):
        os.kill(process.pid, signal.SIGCONT)
    await ann.hears("good morning")
    await tail.until("good morning")
    await sleeper.until("good morning")
    for lines in (sleeper.lines, tail.lines):
        said = [line for line in lines if "good" in line or "slept" in line]
        assert [line.rsplit("  ")[-1].split()[-1] for line in said] == ["night", "slept", "morning"], lines
    sleeper.type("/quit")
    assert (await sleeper.over())[0] == 0
    tail.process.terminate()
    await ann.stop()
