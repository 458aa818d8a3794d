"""schemathesis reads the contract and tries the server on it: whatever it makes up is answered as written.

It runs as its users run it, against a server of its own, with all its checks; what it makes up is the same
each time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from backends.rest.operations import OPERATIONS
from backends.rest.pages import CONTRACT
from tests.support.processes import running

SECONDS = 110
TOKEN = "sesame-7"
ACCESS = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = """
[parameters]
wait = 0  # or it would wait for up to 20 seconds, again and again

[checks]
# What a room may refuse although JSON Schema could not say so: a text of too many bytes, a tag of before.
positive_data_acceptance.expected-statuses = [
    "2xx", "3xx", "403", "404", "409", "410", "412", "422", "429",
]
# Some nonsense meets a message that is gone, before it is looked at.
negative_data_rejection.expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "429",
]
"""


def post(url: str, body: dict[str, str], **headers: str) -> dict[str, str]:
    content = json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json", **ACCESS, **headers})
    with urlopen(request) as answer:
        told: dict[str, str] = json.load(answer)
        return told


def test_the_server_answers_as_its_contract_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    command = ("serve", "rest", "--port", "0", "--json", "--log", "memory", "--rate", "off")
    with running(*command, CHAT_TOKEN=TOKEN) as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        base = f"http://{offer['host']}:{offer['port']}"
        key = post(f"{base}/rooms/lab/seats", {"nick": "ann"})["seat_key"]
        for n in range(3, 18):  # the message of the examples is the 17th entry
            post(f"{base}/rooms/lab/messages", {"text": f"entry {n}"}, **{"Seat-Key": key})
        program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "--no-color"]
        run = ["run", str(CONTRACT), "--url", base]
        for name, value in {**ACCESS, "Seat-Key": key}.items():
            run += ["--header", f"{name}: {value}"]
        amount = ["--max-examples", "20", "--generation-deterministic", "--suppress-health-check", "all"]
        done = subprocess.run(
            [*program, *run, *amount],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Tested: {len(OPERATIONS)}" in done.stdout, done.stdout
        assert process.poll() is None, "the server is still there"
        process.terminate()
        lines = process.communicate()[1].splitlines()
        unexpected = [line for line in lines if not line.startswith("a wrong access token came from")]
        assert unexpected == [], "and wrote nothing else about it"
