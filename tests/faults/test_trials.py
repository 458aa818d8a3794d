"""Trials with real servers: what `chat lab faults` does, for a few cells that are quick."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import backends
from lab.trials.cells import Cell
from lab.trials.run import serving, trials
from lab.trials.scenarios import BY_NAME
from lab.trials.subject import Subject
from tests.support.processes import CHAT, chat, chat_here

if sys.platform == "win32":
    pytest.skip("needs signals, and Windows has none of these", allow_module_level=True)

CELLS = [("udp", "loss"), ("rest", "reply lost"), ("rpyc", "server killed")]


@pytest.mark.parametrize(("name", "scenario"), CELLS)
async def test_a_trial_is_valid(name: str, scenario: str, tmp_path: Path) -> None:
    subject = Subject(backends.technique(name))
    found = await trials(subject, BY_NAME[scenario], [1, 2], tmp_path / "trial")
    cell = Cell.of(subject, BY_NAME[scenario], found)
    assert cell.verdict == "valid", cell
    assert all(one.sent >= 14 for one in found.outcomes)
    assert found.others.sent > 2, "somebody else has talked, too"
    assert found.rss > 10_000_000
    assert (found.p99 is None) is (scenario == "server killed")


def test_the_line_that_is_printed_repeats_a_cell_and_chat_lab_check_says_the_same(tmp_path: Path) -> None:
    line = Cell("tcp", "cut").again(7)
    program, *arguments = shlex.split(line)
    assert program == "chat"
    done = chat(*arguments, "--keep", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)
    (outcome,) = cell["outcomes"]
    assert (cell["options"], cell["scenario"], outcome["seed"]) == ("tcp", "cut", 7)
    files = {file.stem.rpartition("-")[2]: file for file in tmp_path.iterdir()}
    assert set(files) == {"0", "7"}, "and somebody else's"
    checked = chat_here("lab", "check", str(files["7"]))
    assert checked.stdout.split(" (")[0] == outcome["verdict"] == "valid"
    assert "1 fault hits" in checked.stdout


async def test_who_is_cancelled_while_a_server_starts_leaves_none(tmp_path: Path) -> None:
    async def serve() -> None:
        async with serving(backends.technique("tcp"), tmp_path, ""):
            await asyncio.Event().wait()

    for number in range(20):
        task = asyncio.create_task(serve())
        await asyncio.sleep(0.001 * number)  # a thread starts it meanwhile
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not servers_in(tmp_path)


def servers_in(folder: Path) -> list[psutil.Process]:
    """The servers whose logs are in a folder."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if "serve" in (words := one.info["cmdline"] or []) and any(str(folder) in word for word in words)
    ]


def test_a_signal_that_ends_it_ends_its_servers(tmp_path: Path) -> None:
    command = [*CHAT, "lab", "faults", "-b", "tcp", "--scenario", "server killed", "--seeds", "1"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) as running:
        while not servers_in(tmp_path):
            time.sleep(0.05)
        running.terminate()
        assert running.wait() == 128 + signal.SIGTERM
    assert not servers_in(tmp_path)
    assert not list(tmp_path.iterdir())
