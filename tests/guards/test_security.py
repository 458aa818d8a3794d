"""The threat model holds no line without a test, and leaves no technique out."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

import backends
from tests.support.threats import THREATS, WIRE, missing

ROOT = Path(__file__).parents[2]
ATTACKERS = sorted({threat.who for threat in THREATS})


def test_every_line_names_a_test_that_exists() -> None:
    assert [threat.test for threat in THREATS if missing(threat.test)] == []


@pytest.mark.parametrize(
    "test",
    [
        "guards/test_security.py::test_nobody_wrote_it",
        "guards/nowhere.py::test_x",
        "support/threats.py::missing",
    ],
)
def test_a_test_that_does_not_exist_is_noticed(test: str) -> None:
    assert missing(test)


@pytest.mark.parametrize("who", ATTACKERS)
def test_every_attacker_is_thought_of_for_every_technique(who: str) -> None:
    named = itertools.chain.from_iterable(threat.techniques for threat in THREATS if threat.who == who)
    assert set(named) == set(backends.KNOWN)


def test_what_travels_in_the_clear_is_told_of_every_technique() -> None:
    assert list(WIRE) == list(backends.KNOWN)


def test_no_code_switches_the_verification_of_a_server_off() -> None:
    """But for the handshake that asks for the certificates, in which nothing is sent."""
    unverified = re.compile(r"CERT_NONE|CERT_OPTIONAL|_create_unverified_context|skip_cert_verify")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("chat", "backends", "lab", "tui")
        for path in (ROOT / folder).rglob("*.py")
        if unverified.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["chat/interfaces/tls.py"]
