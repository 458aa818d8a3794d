"""Look for known vulnerabilities in the pinned packages: ``make audit``, and a step of ``.ci/run``.

pip-audit asks PyPI's JSON API about each package of constraints.txt. Where nothing answers, or a mirror that
has no such API, this says so and does not fail: nothing is known then, good or bad.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json")
# --no-deps: every package is pinned in the file; --disable-pip: so nothing has to be resolved or downloaded.
PINS = ("--requirement", str(ROOT / "constraints.txt"), "--no-deps", "--disable-pip")
ACCEPTED: dict[str, str] = {}
"""By id of a vulnerability: why it does not concern the chat, and when that is to be looked at again."""
TIMEOUT = 300.0
"""Seconds for all packages together."""
_UNREACHABLE = re.compile(r"ConnectionError|ProxyError|SSLError|Timeout|ServiceError|Max retries exceeded")


def main(command: Sequence[str] = (*COMMAND, *PINS)) -> int:
    """Run the audit, print what it found, and return 1 if there is something to do."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return said(f"not audited: the service has not answered within {TIMEOUT:.0f} s", 0)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        if _UNREACHABLE.search(done.stderr):
            return said(
                "not audited: the service that knows of vulnerabilities cannot be reached from here", 0
            )
        return said(f"the audit failed: {done.stderr.strip() or f'exit code {done.returncode}'}", 1)
    return told(report["dependencies"])


def told(packages: Sequence[dict[str, Any]]) -> int:
    """Print what was found of each package, and return 1 if one has a vulnerability that is not accepted."""
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    if len(unknown) == len(packages):
        return said("not audited: what answers in PyPI's place here knows nothing of vulnerabilities", 0)
    if unknown:
        said(f"not known there, and not audited: {', '.join(unknown)}", 0)
    found = [(one, hole) for one in packages for hole in one.get("vulns", ())]
    for one, hole in found:
        remedy = ", ".join(hole["fix_versions"]) or "none yet"
        reason = ACCEPTED.get(hole["id"])
        accepted = f"; accepted: {reason}" if reason else ""
        said(f"{one['name']} {one['version']}: {hole['id']}, mended in: {remedy}{accepted}", 0)
    open_ones = sum(hole["id"] not in ACCEPTED for _, hole in found)
    audited = len(packages) - len(unknown)
    return said(f"{audited} packages audited, {open_ones} vulnerabilities to look at", int(open_ones > 0))


def said(line: str, code: int) -> int:
    sys.stdout.write(f"audit: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
