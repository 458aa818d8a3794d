"""The hour of docs/operating.md: its commands are run, with a stand-in for systemd; its unit is verified."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import backends
from tests.support.ports import own_port
from tests.support.processes import PATIENCE, chat
from tests.support.service import Service, read_unit

if sys.platform != "linux":
    pytest.skip("systemd is Linux' alone", allow_module_level=True)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operating.md"
UNIT = ROOT / "docs" / "systemd" / "chat.service"
TECHNIQUES = [label.name for label in backends.techniques() if label.server]
OURS = f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m"


def needed(program: str) -> None:
    if shutil.which(program) is None:
        reason = f"{program} is not installed: apt install {program}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


# --- the unit ----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("command", ["verify", "security --offline=true --threshold=20"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, command: str) -> None:
    """Only the program is another, because it must exist. The exposure is at most 2.0 of 10."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/chat/bin/chat", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", *command.split(), str(unit)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_the_unit_is_ready_when_the_server_is() -> None:
    unit = read_unit(UNIT.read_text(encoding="utf-8"))
    assert unit["Type"] == ["notify"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


# --- the page ----------------------------------------------------------------------------------


def commands(title: str) -> str:
    """Return what a section has the operator type."""
    page = PAGE.read_text(encoding="utf-8")
    (part,) = re.findall(rf"^## {title}$.*?(?=^## |\Z)", page, re.DOTALL | re.M)
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    lines = "".join(blocks).splitlines()
    return "\n".join(line.removeprefix("# ").removeprefix("$ ") for line in lines)


class Machine:
    """A folder that is the machine of the page: its paths, its users' programs and its port are replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.admin, self.tcp = own_port(), own_port()
        for name in ("bin", "etc", "state", "backups"):
            (folder / name).mkdir()
        stand_in = f"{OURS} tests.support.service"
        self._program("systemctl", f'{stand_in} systemctl "$@"')
        self._program("journalctl", f'{stand_in} journalctl "$@"')
        for nothing in ("useradd", "chgrp", "chown"):
            self._program(nothing, "#!/bin/sh")
        self._program("runuser", '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"')
        self._program("chat", f'{OURS} chat "$@"')
        self.fingerprint = ""

    def _program(self, name: str, text: str) -> None:
        file = self._folder / "bin" / name
        file.write_text(f"{text}\n")
        file.chmod(0o755)

    def mine(self, text: str) -> str:
        """Return commands, or a unit, for this folder."""
        ports = " ".join(f"--port-of {name}={self.tcp if name == 'tcp' else 0}" for name in TECHNIQUES)
        for here, there in (
            ("/opt/chat/bin", f"{self._folder}/bin"),
            ("/etc/systemd/system", str(self._folder)),
            ("/etc/chat", f"{self._folder}/etc"),
            ("/var/lib/chat", f"{self._folder}/state"),
            ("/var/backups/chat", f"{self._folder}/backups"),
            ("--host 0.0.0.0", f"--host 127.0.0.1 {ports}"),
            ("9100", str(self.admin)),
            ("7010", str(self.tcp)),
        ):
            text = text.replace(here, there)
        return text

    def types(self, text: str) -> str:
        """Run commands as a shell does; return what they print. Each must succeed."""
        done = subprocess.run(
            ["bash", "-ceuo", "pipefail", self.mine(text)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
            env={
                **os.environ,
                "PATH": f"{self._folder}/bin:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "STAND_IN": str(self._folder),
                "CHAT_STATE_DIR": str(self._folder / "state"),
                "no_proxy": "127.0.0.1",
            },
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self) -> None:
        """Do what the page's first step does to the machine, except for what it downloads."""
        (self._folder / "docs" / "systemd").mkdir(parents=True)
        (self._folder / "docs" / "systemd" / UNIT.name).write_text(
            self.mine(UNIT.read_text(encoding="utf-8"))
        )

    def token(self) -> str:
        return (self._folder / "etc" / "token").read_text().strip()

    def send(self, text: str, token: str) -> int:
        """Say something as somebody with this token."""
        me = ("--server", f"127.0.0.1:{self.tcp}", "--as", "ann", "--fingerprint", self.fingerprint)
        return chat("send", *me, text, CHAT_TOKEN=token).returncode


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for program in ("jq", "curl", "bash", "openssl"):
        needed(program)
    made = Machine(tmp_path)
    made.install()
    yield made
    if (tmp_path / "pid").exists():
        Service(tmp_path).stop()


def test_an_hour_of_an_operator_by_the_page_alone(machine: Machine) -> None:
    machine.fingerprint = machine.types(commands("Start")).splitlines()[-1]
    first = machine.token()
    assert len(first) >= 22
    assert machine.send("before the backup", first) == 0

    shown = machine.types(commands("Health and metrics"))
    assert "ready" in shown
    assert 'chat_joins_total{technique="tcp"} 1.0' in shown

    shown = machine.types(commands("Another token, another certificate"))
    assert '"record": "reloaded", "what": "the token, the certificate"' in shown
    assert machine.send("with the earlier token", first) != 0
    assert machine.send("with the new one", machine.token()) == 0

    shown = machine.types(commands("Who came, who was cut, who guesses"))
    assert "\tjoined\tann\t127.0.0.1\n" in shown
    assert shown.splitlines()[-1].split() == ["1", "127.0.0.1"], "one has guessed"

    shown = machine.types(commands("Back up and restore"))
    events = machine.types("chat log export /var/lib/chat/chat.sqlite3")
    texts = [event["text"] for event in map(json.loads, events.splitlines()) if event["kind"] == "sent"]
    assert texts == ["before the backup", "with the new one"]
    assert machine.send("after the restore", machine.token()) == 0
