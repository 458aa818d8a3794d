"""Programs that nobody of us needs: the chapter's, in plain pika, as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.processes import PATIENCE, chat, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "rabbitmq" / "README.md"


def program(number: int) -> str:
    """Return one of the chapter's programs as it stands there."""
    codes = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert len(codes) == 2
    return str(codes[number])


def run(script: Path, number: int, *arguments: str, typed: str = "") -> list[str]:
    script.write_text(program(number), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(script), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_two_readers_of_one_queue_share_and_two_queues_at_an_exchange_get_a_copy_each(
    tmp_path: Path, vhost: str
) -> None:
    queue, exchange = run(tmp_path / "program.py", 0, vhost)
    assert queue == "queue: ann job 0, ann job 2, bob job 1, bob job 3"
    items = ", ".join(f"{name} item {number}" for name in ("ann", "bob") for number in range(4))
    assert exchange == f"exchange: {items}"


def test_the_chapters_client_is_in_the_room_of_all(tmp_path: Path, vhost: str) -> None:
    place = ("-b", "rabbitmq", "--server", vhost)
    assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
    lines = run(tmp_path / "client.py", 1, vhost, "me", typed="hello\nfrom some lines\n\x1b\n")
    assert lines == ["ann: wörld", "me: hello", "me: from some lines"]
    events = tail(*place, "--as", "eve", "--count", "9")
    assert [(event["kind"], event["author"], event["text"]) for event in events[1:-1]] == [
        ("joined", "ann", ""),
        ("sent", "ann", "wörld"),
        ("left", "ann", ""),
        ("joined", "me", ""),
        ("sent", "me", "hello"),
        ("sent", "me", "from some lines"),  # what may not be said is passed over by all who know the rules
        ("left", "me", ""),
    ]
    assert len([line for line in program(1).splitlines() if line and not line.isspace()]) <= 40
