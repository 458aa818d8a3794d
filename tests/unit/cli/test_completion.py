"""``chat completion``: real shells complete what they should, and nothing heavy is loaded for that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat.client.last_used import LastUsed, keep
from tests.guards.test_cold_start import LATE
from tests.support.processes import CHAT, chat_here


def completed(*words: str, **environment: str) -> list[str]:
    """Return what bash would be offered for the last word."""
    done = subprocess.run(
        CHAT,
        env={
            **os.environ,
            "_CHAT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_techniques_rooms_and_themes_complete(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    (config.parent / "themes").mkdir(parents=True)
    (config.parent / "themes" / "lagoon.toml").touch()
    config.write_text("broken = ")  # which must not get into the shell's line
    state = tmp_path / "state"
    state.mkdir()
    keep(state, LastUsed(rooms=("den", "library")))
    here = {"CHAT_CONFIG": str(config), "CHAT_STATE_DIR": str(state)}
    assert completed("chat", "--backend", "r", **here) == ["rpyc", "rabbitmq", "rest"]
    assert completed("chat", "send", "--room", "l", **here) == ["library", "lab"]
    assert completed("chat", "--theme", "l", **here) == ["light", "lagoon"]
    assert completed("chat", "exp", **here) == ["explain", "export"]


def test_nothing_heavy_is_loaded_to_complete() -> None:
    code = (
        "import sys\nfrom chat.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('loaded', *(name for name in {LATE} if name in sys.modules))"
    )
    asked = {"_CHAT_COMPLETE": "bash_complete", "COMP_WORDS": "chat --room l", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_takes(shell: str) -> None:
    done = chat_here("completion", shell)
    assert done.returncode == 0
    assert "_CHAT_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)
