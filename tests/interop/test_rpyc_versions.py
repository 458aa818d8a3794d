"""Stock clients of older RPyC versions: the chapter's program with each; what one that is too old sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.interop.test_rpyc_textbook import program, serving
from tests.support.once import made_once
from tests.support.processes import PATIENCE, chat
from tests.support.rpyc_versions import SERVED, TOO_OLD, install

Run = Callable[..., "subprocess.CompletedProcess[str]"]

EACH = """
import json, rpyc, sys, threading
from rpyc.utils.factory import connect_stream
assert rpyc.__file__.startswith(sys.argv[3]), rpyc.__file__
connection = connect_stream(rpyc.SocketStream.connect(sys.argv[1], int(sys.argv[2]), nodelay=True))
kinds, lefts = [], threading.Event()

def on_event(**event):
    kinds.append(event["kind"])

room = connection.root
told = {}
try:
    room.login("", "lab", on_event)
except Exception as refused:
    told["refused"] = [refused.code, refused.args[0]]
listener = threading.Thread(target=connection.serve_all)
listener.start()
told["nick"] = dict(room.login("eve", "lab", callback=on_event))["nick"]
seq = room.send("ä 漢字\\n&<>", n=1)
room.edit(seq, "edited")
room.delete(seq)
told["members"] = [dict(member)["nick"] for member in room.members()]
told["history"] = [dict(event)["kind"] for event in room.history(after=seq - 1)]
room.leave()
listener.join(30)
print(json.dumps({**told, "heard": kinds[-4:]}))
"""
"""Calls everything."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="session")
def rpyc_version() -> Callable[[str], Path]:
    """Returns the folder with a version of RPyC, which all workers share."""
    environment = dict(os.environ)  # before a test makes the proxies dead: pip may need them

    def find(version: str) -> Path:
        return made_once(f"rpyc-{version}", lambda folder: install(version, folder, environment), version)

    return cache(find)


@pytest.fixture
def run(tmp_path: Path, rpyc_version: Callable[[str], Path], address: str) -> Run:
    """Runs a program with a version of RPyC; its arguments are host, port and some more."""

    def run(version: str, code: str, *more: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        folder = rpyc_version(version)
        script = tmp_path / "client.py"
        script.write_text(code, encoding="utf-8")
        arguments = (*address.split(":"), *(more or (str(folder),)))
        return subprocess.run(
            [sys.executable, "-X", "utf8", str(script), *arguments],
            input=typed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": str(folder)},
            check=False,
        )

    return run


@pytest.mark.parametrize("version", SERVED)
def test_a_client_of_this_version_can_call_everything(run: Run, version: str) -> None:
    done = run(version, EACH)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "refused": ["bad_name", "a nick needs at least one character"],
        "nick": "eve",
        "members": ["eve"],
        "history": ["sent", "edited", "deleted"],
        "heard": ["sent", "edited", "deleted", "left"],
    }


@pytest.mark.parametrize("version", SERVED)
def test_the_chapters_client_runs_on_this_version(run: Run, address: str, version: str) -> None:
    ours = ("-b", "rpyc", "--server", address)
    assert chat("send", *ours, "--as", "ann", "wörld").returncode == 0
    done = run(version, program(), "me", typed=f"from {version}\n\x1b\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ann: wörld" in done.stdout.splitlines()
    assert f"me: from {version}" in done.stdout.splitlines()
    assert "error: a message may not hold U+001B ESCAPE (character 1)" in done.stdout.splitlines()


def test_a_client_before_4_1_is_told_what_to_install(run: Run) -> None:
    done = run(TOO_OLD, program(), "me")
    assert done.returncode == 1
    assert "pip install 'rpyc>=4.1'" in done.stderr
    assert "EOFError" not in done.stderr
