"""The audit of the pinned packages: what is found fails it, and what can't be asked does not."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AUDIT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / ".ci" / "audit.py"))
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "..."}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "1.0", "vulns": [HOLE]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited"}

Audit = Callable[..., tuple[int, str]]


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Audit:
    """Return what runs the audit with a stand-in for pip-audit, and tells exit code and output."""

    def audit(report: object, stderr: str = "", code: int = 0) -> tuple[int, str]:
        stand_in = tmp_path / "pip_audit.py"
        printed = report if isinstance(report, str) else json.dumps({"dependencies": report, "fixes": []})
        stand_in.write_text(
            f"import sys\nprint({printed!r})\nprint({stderr!r}, file=sys.stderr)\nsys.exit({code})\n"
        )
        ended = AUDIT["main"]([sys.executable, str(stand_in)])
        return ended, capsys.readouterr().out

    return audit


def test_without_a_vulnerability_it_says_how_many_were_audited(audit: Audit) -> None:
    assert audit([SOUND, SOUND]) == (0, "audit: 2 packages audited, 0 vulnerabilities to look at\n")


def test_a_vulnerability_fails_it_and_is_named_with_the_version_that_mends_it(audit: Audit) -> None:
    code, said = audit([SOUND, WEAK, UNKNOWN], code=1)
    assert code == 1
    assert said.splitlines() == [
        "audit: not known there, and not audited: unknown",
        "audit: weak 1.0: PYSEC-2026-1, mended in: 1.1",
        "audit: 2 packages audited, 1 vulnerabilities to look at",
    ]


def test_one_that_was_looked_at_does_not_fail_it(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUDIT["told"].__globals__["ACCEPTED"], "PYSEC-2026-1", "it is not called here")
    code, said = audit([WEAK], code=1)
    assert code == 0
    assert "accepted: it is not called here" in said


def test_where_nothing_is_known_it_says_so_and_does_not_fail(audit: Audit) -> None:
    code, said = audit([UNKNOWN, UNKNOWN])
    assert code == 0
    assert said.startswith("audit: not audited: what answers in PyPI's place here knows nothing")


def test_where_nothing_answers_it_says_so_and_does_not_fail(audit: Audit) -> None:
    code, said = audit("", "requests.exceptions.ConnectionError: Max retries exceeded", 1)
    assert code == 0
    assert (
        said == "audit: not audited: the service that knows of vulnerabilities cannot be reached from here\n"
    )


def test_a_fault_of_the_audit_itself_fails_it(audit: Audit) -> None:
    code, said = audit("", "ERROR: requirement file contains invalid specifier at line 1", 1)
    assert code == 1
    assert "the audit failed: ERROR: requirement file contains invalid specifier at line 1" in said
