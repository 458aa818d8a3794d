"""A client that nobody generated: the chapter's Python, with nothing but sockets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import PATIENCE, chat, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "udp" / "README.md"


def program() -> str:
    """Return the chapter's client as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(code, str)
    return code


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run ``chat serve udp`` on a free port; yield its ``HOST:PORT``."""
    with running("serve", "udp", "--port", "0", "--json", "--log", "memory", *arguments) as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        yield f"{offer['host']}:{offer['port']}"


def by_hand(script: Path, address: str, nick: str, typed: str) -> list[str]:
    script.write_text(program(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(script), *address.split(":"), nick],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_the_chapters_client_runs_as_it_stands(tmp_path: Path) -> None:
    with serving() as address:
        place = ("--backend", "udp", "--server", address)
        assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
        lines = by_hand(tmp_path / "client.py", address, "me", "hello\nfrom some lines\n\x1b\n")
        events = tail(*place, "--as", "eve", "--count", "8")
    assert "ann: wörld" in lines
    assert "me: hello" in lines
    assert "error: a message may not hold U+001B ESCAPE (character 1)" in lines
    assert lines[-1] == "end: the seat has ended"
    assert [event["text"] for event in events if event["author"] == "me" and event["kind"] == "sent"] == [
        "hello",
        "from some lines",
    ]
    assert len([line for line in program().splitlines() if line and not line.isspace()]) <= 45


def test_a_name_that_is_none_is_said_and_nothing_else_happens(tmp_path: Path) -> None:
    with serving() as address:
        lines = by_hand(tmp_path / "client.py", address, "no name", "")
    assert lines[0].startswith("end: a nick may not hold U+0020 SPACE")
