"""Clients that nobody generated: the chapter's Python, and `nc` with lines typed as the pages say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.node import cannot_run
from tests.support.processes import PATIENCE, chat, serving, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "tcp" / "README.md"


def program() -> str:
    """Return the chapter's client as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(code, str)
    return code


def test_the_chapters_client_runs_as_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(program(), encoding="utf-8")
    with serving("--log", "memory") as (_, address):
        assert chat("send", "--server", address, "--as", "ann", "wörld").returncode == 0
        done = subprocess.run(
            [sys.executable, "-X", "utf8", str(script), *address.split(":"), "me"],
            input="hello\nfrom twenty lines\n\x1b\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=True,
        )
        events = tail("--server", address, "--as", "eve", "--count", "8")
    assert "ann: wörld" in done.stdout.splitlines()
    assert "me: hello" in done.stdout.splitlines()
    assert "error: a message may not hold U+001B ESCAPE (character 1)" in done.stdout.splitlines()
    assert [event["text"] for event in events if event["author"] == "me" and event["kind"] == "sent"] == [
        "hello",
        "from twenty lines",
    ]
    assert len([line for line in program().splitlines() if line and not line.isspace()]) <= 30


NETCATS = {
    "nc": "netcat-openbsd",
    "nc.openbsd": "netcat-openbsd",
    "nc.traditional": "netcat-traditional",
    "ncat": "ncat",
    "socat": "socat",
}
"""Each program, and the Debian package that has it."""


def need(program: str) -> None:
    if shutil.which(program) is None:
        cannot_run(f"{program} is not installed: apt install {NETCATS[program]}")


def test_nc_reads_and_speaks_in_the_same_room() -> None:
    need("nc")
    with serving("--log", "memory") as (_, address):
        with subprocess.Popen(
            ["nc", *address.split(":")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as nc:
            assert nc.stdin is not None
            assert nc.stdout is not None
            nc.stdin.write('{"kind":"hello","nick":"me"}\n')
            nc.stdin.flush()
            heard = [json.loads(nc.stdout.readline())]
            assert chat("send", "--server", address, "--as", "ann", "do you read me?").returncode == 0
            while heard[-1]["kind"] != "sent":
                heard.append(json.loads(nc.stdout.readline()))
            nc.stdin.write('{"kind":"say","text":"typed by hand"}\n{"kind":"leave"}\n')
            nc.stdin.close()
            heard += [json.loads(line) for line in nc.stdout]
        events = tail("--server", address, "--as", "eve", "--count", "7")
    assert heard[0]["kind"] == "welcome"
    said = [(event["author"], event["text"]) for event in events if event["kind"] == "sent"]
    assert said == [("ann", "do you read me?"), ("me", "typed by hand")]
    assert ("ann", "do you read me?") in [(one.get("author"), one.get("text")) for one in heard]


@pytest.mark.parametrize(
    "command",
    [
        "nc.openbsd -N HOST PORT",
        "nc.openbsd -q 1 HOST PORT",
        "nc.traditional -q 1 HOST PORT",
        "ncat HOST PORT",
        "socat - TCP:HOST:PORT",
    ],
)
def test_every_netcat_gets_its_answers_when_its_input_ends(command: str) -> None:
    need(command.split()[0])
    lines = ['{"kind":"hello","nick":"me"}', '{"kind":"say","text":"from a script"}', '{"kind":"leave"}']
    with serving("--log", "memory") as (_, address):
        host, port = address.split(":")
        done = subprocess.run(
            command.replace("HOST", host).replace("PORT", port).split(),
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in heard] == ["welcome", "opened", "joined", "sent", "left"]
