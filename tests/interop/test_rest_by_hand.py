"""A client that nobody wrote: the commands with curl in its chapter, as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE, chat, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "rest" / "README.md"
PLACE = "CHAT=http://127.0.0.1:8000"
CI = os.environ.get("CI") == "true"


def page_of_curl() -> str:
    """Return the lines; skipped where there is no curl for them, but not in CI."""
    (page,) = re.findall(r"```sh\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert page.startswith(PLACE)
    curl = shutil.which("curl")
    if curl is None or "--json" not in subprocess.check_output([curl, "--help", "all"], text=True):
        reason = "curl 7.82 or newer is missing: apt install curl"
        if CI:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return str(page)


def test_the_page_of_curl_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of_curl()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running("serve", "rest", "--port", "0", "--json", "--log", "memory") as process:
        assert process.stdout is not None
        address = re.findall(r'"port": (\d+)', process.stdout.readline())[0]
        place = ("--backend", "rest", "--server", f"127.0.0.1:{address}")
        assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
        done = subprocess.run(
            ["sh", "-eu"],
            input=page.replace(PLACE, f"CHAT=http://127.0.0.1:{address}"),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        events = tail(*place, "--as", "eve", "--count", "9")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    statuses = re.findall(r"HTTP/1.1 (\d+) ", done.stdout)
    assert statuses == ["201", "412", "204", "410", "304", "204"], done.stdout
    assert '"text":"hello"' in done.stdout
    assert '"rooms":["lab"]' in done.stdout
    mine = [(event["kind"], event["text"]) for event in events if event["author"] == "me"]
    assert mine == [("joined", ""), ("sent", "helo"), ("edited", "hello"), ("deleted", ""), ("left", "")]
    up, down = map(int, re.findall(r"(\d+) up, (\d+) down\n$", done.stdout)[0])
    assert up + down <= 350
