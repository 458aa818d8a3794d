"""The benchmark of the start: ``chat --help``, and the first frame of the screen."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from lab.bench.machine import Machine, machine
from lab.bench.page import about, write_section
from lab.bench.servers import HOST, OURS, environment, running
from lab.bench.terminal import Terminal

RUNS = 9
FIRST_FRAME = b"essage #"
"""Part of the empty composer's text; the cursor is on the first letter."""
FIRST_PAINT = "under 500 ms"
"""The goal for the first frame."""


class Report(msgspec.Struct):
    """Milliseconds of each run."""

    at: str
    machine: Machine
    python: list[float]
    """The interpreter alone."""
    help: list[float]
    first_paint: list[float]


def run(runs: int = RUNS) -> Report:
    """Start each program several times. Raises `ChatError` on a system without pseudo-terminals."""
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as name:
        folder = Path(name)
        chat = [sys.executable, "-m", "chat"]
        with running(OURS, folder / "server", []) as server:
            chatting = [*chat, "--backend", "tcp", "--server", f"{HOST}:{server.port}", "--as", "bench"]
            return Report(
                at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
                machine=machine(folder),
                python=[_run([sys.executable, "-c", "pass"], folder) for _ in range(runs)],
                help=[_run([*chat, "--help"], folder) for _ in range(runs)],
                first_paint=first_paints(chatting, folder, runs),
            )


def first_paints(command: list[str], folder: Path, runs: int) -> list[float]:
    """Return the milliseconds from the start of the screen to its first frame; a run before compiles it."""
    return [_paint(command, folder) for _ in range(runs + 1)][1:]


def _run(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_installed(folder))
    return 1000 * (time.perf_counter() - start)


def _paint(command: list[str], folder: Path) -> float:
    with Terminal(command, _installed(folder)) as terminal:
        return 1000 * (terminal.shows(FIRST_FRAME) - terminal.started)


def _installed(folder: Path) -> dict[str, str]:
    """Return an environment in which our code is compiled once, as where it is installed."""
    kept = environment(folder)
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def main(as_json: bool, write: str | None = None) -> None:
    """Run, print, and write the page if asked to. Raises `ChatError`."""
    report = run()
    rows = [
        ("chat --help", report.help, "under 250 ms"),
        ("first paint of the TUI", report.first_paint, FIRST_PAINT),
        ("the interpreter alone", report.python, ""),
    ]
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        for what, times, goal in rows:
            sys.stdout.write(f"{what:24}{statistics.median(times):7.0f} ms, best {min(times):.0f}  {goal}\n")
    if write:
        table = [
            f"| {what} | {statistics.median(times):.0f} ms | {min(times):.0f} ms | {goal} |"
            for what, times, goal in rows
        ]
        text = [
            "## Start\n",
            f"Made by `chat bench start` on {report.at} UTC: {len(report.help)} runs each.\n",
            *about(report.machine),
            "",
            "| what | median | best | goal, on an idle machine |\n| --- | --- | --- | --- |",
            *table,
        ]
        write_section(Path(write), "start", "\n".join(text) + "\n")
