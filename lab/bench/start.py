"""The benchmark of the start: ``chat --help``, and the first frame of the screen."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from lab.bench.goals import Bound
from lab.bench.machine import Machine, machine
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import HOST, OURS, environment, running
from lab.bench.terminal import Terminal

RUNS = 9
FIRST_FRAME = b"essage #"
"""Part of the empty composer's text; the cursor is on the first letter."""
FIRST_PAINT = Bound(500, " ms")
"""The goal for the first frame."""
HELP = Bound(250, " ms")


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


def first_paints(command: list[str], folder: Path, runs: int, tree: Path | None = None) -> list[float]:
    """Return the milliseconds from the start of the screen to its first frame; a run before compiles it.

    Args:
        command: starts the screen.
        folder: for its state.
        runs: how many.
        tree: the checkout whose screen it is; None: this one.
    """
    return [_paint(command, folder, tree) for _ in range(runs + 1)][1:]


def _run(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_installed(folder))
    return 1000 * (time.perf_counter() - start)


def _paint(command: list[str], folder: Path, tree: Path | None) -> float:
    with Terminal(command, _installed(folder, tree)) as terminal:
        return 1000 * (terminal.shows(FIRST_FRAME) - terminal.started)


def _installed(folder: Path, tree: Path | None = None) -> dict[str, str]:
    """Return an environment in which our code is compiled once, as where it is installed."""
    kept = environment(folder, tree)
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    verdicts = [
        HELP.judge("chat --help", report.help),
        FIRST_PAINT.judge("first paint of the TUI", report.first_paint),
    ]
    rows = [
        [what, f"{statistics.median(times):.0f} ms", f"{min(times):.0f} ms", goal]
        for what, times, goal in (
            ("chat --help", report.help, str(HELP)),
            ("first paint of the TUI", report.first_paint, str(FIRST_PAINT)),
            ("the interpreter alone", report.python, ""),
        )
    ]
    head = ["what", "median", "best", "goal, on an idle machine"]
    page = [
        "## Start\n",
        f"Made by `chat bench start` on {report.at} UTC: {len(report.help)} runs each.\n",
        *about(report.machine),
        "",
        *table(head, rows),
        "",
    ]
    encoded = msgspec.json.encode(report).decode()
    return Section("start", "\n".join(aligned(head, rows)), "\n".join(page), encoded, verdicts)
