"""Clients that nobody generated: the chapter's Python, and `nc` with lines typed as the pages say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from chat.server.local_authority import local_identity
from tests.support.node import cannot_run
from tests.support.processes import PATIENCE, chat, running, serving, tail

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
    "openssl": "openssl",
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


ENCRYPTED = [
    "openssl s_client -quiet -verify_return_error -verify_ip 127.0.0.1 -CAfile FILE -connect 127.0.0.1:7010",
    "ncat --ssl --ssl-verify --ssl-trustfile FILE localhost 7010",
]


@pytest.mark.parametrize("command", ENCRYPTED, ids=lambda command: command.split()[0])
def test_the_chapters_lines_speak_tls_and_verify_the_server(command: str, tmp_path: Path) -> None:
    need(command.split()[0])
    assert f"`{command}`" in CHAPTER.read_text(encoding="utf-8")
    other = local_identity(tmp_path, "127.0.0.1").file
    lines = '{"kind":"hello","nick":"me"}\n{"kind":"say","text":"from a script"}\n{"kind":"leave"}\n'
    with running("serve", "tcp", "--port", "0", "--json", "--log", "memory", "--tls", "auto") as server:
        assert server.stdout is not None
        told, offer = json.loads(server.stdout.readline()), json.loads(server.stdout.readline())
        for authority, wanted in (
            (told["authority"], ["welcome", "opened", "joined", "sent", "left"]),
            (other, []),
        ):
            typed = command.replace("FILE", str(authority)).replace("7010", str(offer["port"])).split()
            with subprocess.Popen(
                typed,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as client:
                assert client.stdin is not None
                assert client.stdout is not None
                with suppress(BrokenPipeError):  # it has ended, because it does not trust the server
                    client.stdin.write(lines)
                    client.stdin.flush()  # and stays open, as at a terminal: TLS has no half-close here
                heard = [json.loads(line)["kind"] for line in client.stdout]
                with suppress(BrokenPipeError):
                    client.stdin.close()
            assert heard == wanted
