"""The access token in the header of a request: as it is, percent-encoded, and behind a scheme in any case."""

from __future__ import annotations

import pytest

from tests.support.http_peer import HttpPeer
from tests.support.kit import Serving

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


@pytest.mark.parametrize(
    ("access", "shown"),
    [
        ("100%25-mine", "Bearer 100%25-mine"),
        ("100%25-mine", "bearer 100%2525-mine"),
        ("50% off", "BEARER 50% off"),
        ("ä", "bearer %c3%A4"),
    ],
)
async def test_the_token_is_taken_in_each_form(server: Serving, shown: str) -> None:
    async with await HttpPeer.open(server.address) as peer:
        assert (await peer.ask("GET", "/rooms", headers={"Authorization": shown})).status == 200


@pytest.mark.parametrize("access", ["sesame-7"])
@pytest.mark.parametrize("shown", ["Bearer sesame%2D", "Bearer sesame", "Basic sesame-7", "sesame-7"])
async def test_another_text_is_refused(server: Serving, shown: str) -> None:
    async with await HttpPeer.open(server.address) as peer:
        answer = await peer.ask("GET", "/rooms", headers={"Authorization": shown})
        assert (answer.status, answer.json["code"]) == (401, "access_denied")
