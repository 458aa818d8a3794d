"""Peers over rabbitmq."""

from __future__ import annotations

import pytest

from tests.interop.peers.catalog import Peer, peers
from tests.interop.peers.conftest import Play


@pytest.mark.usefixtures("vhost")  # before the loop runs: making it blocks
@pytest.mark.parametrize("peer", peers("rabbitmq"), ids=lambda peer: peer.name)
async def test_a_round(peer: Peer, play: Play) -> None:
    await play(peer)
