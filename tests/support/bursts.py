"""What somebody does at a terminal, and whether all of it was kept. `burst_app` is the other end."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import socket
import struct
import sys
import termios
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.bench.terminal import Terminal
from tests.support.processes import PATIENCE

TOKEN = re.compile(r"k\d{6}k")
ALLOWED = re.compile(r"\s|/(?:find|help|who|edit \S*)?|@?(?:ann|bob|zed|zoe|b|z)|@|漢字|\u200d|\u3000")
"""What may stand between the tokens: what the sequences type besides, and what a completion writes."""


KEYS = ["\r", "\r", "\r", " ", " ", "\n", "\x1b\r", "\x1b[13;2u", "\t", "漢字", "\u3000", "\x1b[?1;2c"]
ARRIVALS = [("says", "hello"), ("joins", "zed"), ("leaves", "zed"), ("joins", "zoe")]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    keys: str = ""
    tokens: tuple[str, ...] = ()
    """Words that are typed or pasted here, each unique."""
    may_go: bool = False
    """Whether the words may be gone: in a paste that must be refused, or in what Escape throws away."""
    refused: bool = False
    """Whether a paste must be refused with a hint."""
    arrives: tuple[tuple[str, str], ...] = ()
    size: tuple[int, int] | None = None
    pause: float = 0


def sequence(seed: int) -> list[Step]:
    """Return the steps of a seed."""
    dice = random.Random(seed)
    count = 0

    def word() -> str:
        nonlocal count
        count += 1
        return f"k{(seed * 100 + count) % 1_000_000:06d}k"

    def paste(lines: int, bad: bool) -> Step:
        words = tuple(word() for _ in range(lines))
        text = ("\x1b[31m\r" if bad else "\r").join(words) + ("\x1b" if bad else "")
        long = lines > 3
        return Step(f"\x1b[200~{text}\x1b[201~", words, may_go=bad or (long and escapes), refused=bad)

    def step() -> Step:
        match dice.choices(
            ["word", "key", "paste", "complete", "find", "recall", "size", "arrival", "pause", "escape"],
            [30, 22, 8, 8, 4, 4, 4, 10, 6, 2 if escapes else 0],
        )[0]:
            case "word":
                return Step(written := word(), (written,))
            case "key":
                return Step(dice.choice(KEYS))
            case "paste":
                return paste(dice.choice([1, 2, 3, 5]), dice.random() < 0.3)
            case "complete":
                return Step(dice.choice([" @", " @b", "/", " @z"]), pause=dice.choice([0, 0.05]))
            case "find":
                searched = word()
                if escapes and dice.random() < 0.5:
                    return Step(f"\x06{searched}\x1b", (searched,), may_go=True, pause=0.25)
                return Step(f"\x06{searched}\r", (searched,), may_go=escapes)
            case "recall":
                return Step("\x1b[A\x1b[B")
            case "size":
                return Step(size=(dice.choice([4, 24, 30, 60, 80, 120]), dice.choice([2, 8, 24, 40])))
            case "arrival":
                return Step(arrives=(dice.choice(ARRIVALS),))
            case "escape":
                return Step("\x1b", pause=0.25)
            case _:
                return Step(pause=0.03)

    escapes = dice.random() < 0.3
    return [step() for _ in range(dice.randint(3, 20))]


class Bench:
    """Runs the screen in a pseudo-terminal, and plays sequences on it."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._terminal = Terminal(
            [sys.executable, "-m", "tests.support.burst_app", str(path)], dict(os.environ)
        )
        self._shown = b""
        threading.Thread(target=self._drain, daemon=True).start()
        self._listener.settimeout(PATIENCE)
        self._peer, _ = self._listener.accept()
        self._peer.settimeout(PATIENCE)
        self._lines = self._peer.makefile()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._peer.close()
        self._listener.close()
        self._terminal.__exit__(kind, error, trace)

    def _drain(self) -> None:
        try:
            while data := os.read(self._terminal.fd, 65536):
                self._shown = (self._shown + data)[-2000:]
        except OSError:
            pass

    def _ask(self, do: str, **fields: Any) -> None:
        self._peer.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")

    def _report(self) -> dict[str, Any]:
        os.write(self._terminal.fd, b"\x1b[24~")
        line = self._lines.readline()
        assert line, f"the screen has ended: {self._shown.decode(errors='replace')}"
        report: dict[str, Any] = json.loads(line)
        return report

    def play(self, steps: list[Step]) -> list[str]:
        """Play the steps, those without a pause as one burst; return what is wrong afterwards."""
        burst = ""
        for step in steps:
            burst += step.keys
            if step.pause or step.arrives or step.size:
                self._type(burst)
                burst = ""
            for do, what in step.arrives:
                self._ask(do, **{"text" if do == "says" else "nick": what})
            if step.size:
                width, height = step.size
                fcntl.ioctl(self._terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
                self._terminal.process.send_signal(28)  # SIGWINCH: it is not this terminal's own session
            time.sleep(step.pause)
        self._type(burst)
        time.sleep(0.15 if burst.endswith("\x1b") else 0)
        wrong = judge(steps, self._report())
        self._ask("reset")
        self._report()
        return wrong

    def _type(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._terminal.fd, data[:512]) :]


def judge(steps: list[Step], report: dict[str, Any]) -> list[str]:
    """Return what is wrong with a report."""
    sent, drafts = "\n".join(report["said"]), "\n".join(report["drafts"])
    hints = "\n".join(report["hints"])  # a text that /find does not find is named there
    recalls = any("\x1b[A" in step.keys for step in steps)
    wrong = []
    if recalls:  # Up and Down move the cursor as well, and then a word may stand within another
        wanted = Counter("".join(token for step in steps if not step.may_go for token in step.tokens))
        cancels = any(step.keys.endswith("\x1b") for step in steps)  # Up began an edit, and Esc threw it away
        if not cancels and (lost := wanted - Counter(sent + drafts + hints)):
            wrong.append(f"{lost} is lost")
    for step in steps if not recalls else []:
        for token in step.tokens:
            times = sent.count(token) + drafts.count(token)
            if times == 0 and not step.may_go and token not in hints:
                wrong.append(f"{token} is lost")
            elif times > 1:
                wrong.append(f"{token} is there {times} times")
        if step.refused and not any(hint.startswith("nothing was pasted") for hint in report["hints"]):
            wrong.append("a paste was refused without a word")
    known = {token for step in steps for token in step.tokens}
    if not recalls:
        wrong += [f"{token} was never typed" for token in TOKEN.findall(sent + drafts) if token not in known]
    rest = "" if recalls else ALLOWED.sub("", TOKEN.sub("", sent + drafts))
    if rest:
        wrong.append(f"{rest!r} was never typed")
    return [f"{what}; {report}" for what in wrong]
