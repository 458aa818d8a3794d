"""The threat model holds no line without a test, and leaves no technique out."""

from __future__ import annotations

import itertools

import pytest

import backends
from tests.support.threats import THREATS, WIRE, missing

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
