"""The peers: each technique has some, and the tests play with all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import backends
from tests.interop.peers.catalog import FOLDER, STEPS, Peer, peers


@pytest.mark.parametrize("technique", backends.KNOWN)
def test_a_technique_has_its_test(technique: str) -> None:
    assert f'peers("{technique}")' in (FOLDER / f"test_{technique}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: f"{peer.technique}-{peer.name}")
def test_a_peer_is_complete(peer: Peer) -> None:
    assert peer.technique in backends.KNOWN
    assert all((peer.language, peer.library, peer.version))
    assert bool(peer.apt or peer.pip) != bool(peer.optional), (
        "either it is installed, or it says why it need not be"
    )
    assert all(reason and "\n" not in reason and not reason.endswith(".") for reason in peer.cannot.values())


def test_the_steps_are_those_of_the_page() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [step for step in STEPS if f"| {step} |" not in page] == []


def test_a_lock_file_names_no_registry() -> None:
    locks: list[Path] = sorted(FOLDER.glob("*/*/package-lock.json"))
    assert [str(lock) for lock in locks if '"resolved"' in lock.read_text(encoding="utf-8")] == []
