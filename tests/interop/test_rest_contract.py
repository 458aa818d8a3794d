"""What tools of others say of the contract of REST, and what they make of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from backends.rest.pages import CONTRACT
from tests.support.node import install_folder
from tests.support.once import made_once
from tests.support.processes import PATIENCE

SOURCE = Path(__file__).parent / "rest_contract"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder in which the tools are installed; all workers share it."""
    environment = dict(os.environ)  # before a test makes the proxies dead: npm may need them
    return made_once("rest-contract", lambda folder: install_folder(SOURCE, folder, environment), SOURCE)


def run(tools: Path, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools / "node_modules" / ".bin" / name, *map(str, arguments)],
        cwd=tools,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **QUIET},
        check=False,
    )


def test_redocly_finds_nothing_to_mend(tools: Path) -> None:
    done = run(tools, "redocly", "lint", "--format=json", "--extends=recommended", CONTRACT)
    told = json.loads(done.stdout)
    assert (done.returncode, told["problems"]) == (0, []), done.stdout


def test_redocly_would_find_something(tools: Path, tmp_path: Path) -> None:
    broken = tmp_path / "openapi.json"
    broken.write_text(CONTRACT.read_text(encoding="utf-8").replace('"openapi"', '"opened"'), encoding="utf-8")
    assert run(tools, "redocly", "lint", "--format=json", "--extends=recommended", broken).returncode == 1


def test_spectral_finds_nothing_to_mend(tools: Path) -> None:
    """Without the rules that ``spectral.yaml`` switches off, with the reason."""
    command = ("lint", "--quiet", "--ruleset", "spectral.yaml", "--fail-severity", "hint", "--format", "json")
    done = run(tools, "spectral", *command, CONTRACT)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stdout + done.stderr


def test_what_typescript_knows_of_the_contract_is_true(tools: Path) -> None:
    """``uses.ts`` compiles, and each of its lines that must not compile does not."""
    made = run(tools, "openapi-typescript", CONTRACT, "--output", "schema.d.ts")
    assert made.returncode == 0, made.stdout + made.stderr
    done = run(tools, "tsc", "--project", "tsconfig.json")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
