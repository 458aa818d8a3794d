"""The import rules of pyproject.toml catch what they are there for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = """
import sys
from importlinter.cli import lint_imports_command
sys.argv = ["lint-imports", "--no-cache"]
lint_imports_command()
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and their rules, without anything that was built."""
    for name in ("chat", "backends", "protos", "lab", "tui"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]


def test_the_code_keeps_them(copy: Path) -> None:
    assert broken_contracts(copy) == []


@pytest.mark.parametrize(
    ("where", "planted", "broken"),
    [
        ("chat/domain/model.py", "import chat.server.hub", "The layers"),
        ("backends/tcp/codec.py", "import chat.client.session", "The layers"),
        ("chat/server/hub.py", "import tui", "The layers"),
        ("backends/planted/__init__.py", "import backends.tcp.codec", "No backend knows another"),
        ("chat/domain/room.py", "import asyncio", "The domain does no input or output"),
        ("chat/client/session.py", "import textual", "Only the TUI draws"),
    ],
    ids=lambda value: value.removeprefix("import "),
)
def test_a_planted_import_breaks_its_contract(copy: Path, where: str, planted: str, broken: str) -> None:
    target = copy / where
    target.parent.mkdir(exist_ok=True)
    with target.open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    assert any(line.startswith(broken) for line in broken_contracts(copy))
