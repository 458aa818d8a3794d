"""Who may do what: the data of the test of every call, and of the table in docs/security.md."""

from __future__ import annotations

import tomllib
from pathlib import Path

CREDENTIALS = ("no token", "wrong token", "token, no seat", "other room's seat", "other technique's seat")
MATRIX: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    (Path(__file__).parent / "data" / "access.toml").read_text(encoding="utf-8")
)
"""By technique, call and credential: what the call gets."""
