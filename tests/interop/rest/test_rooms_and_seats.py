"""Rooms, seats and members over REST: verbs and status codes."""

from __future__ import annotations

import pytest

from tests.support.http_peer import HttpPeer, SeatedPeer
from tests.support.kit import Serving

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


async def test_a_room_is_there_when_somebody_has_entered_it(ann: SeatedPeer) -> None:
    assert (await ann.ask("GET", "/rooms")).json == {"rooms": ["lab"]}
    room = (await ann.ask("GET", "/rooms/lab")).json
    assert (room["room"], room["head"]) == ("lab", 2)
    nowhere = await ann.ask("GET", "/rooms/nowhere")
    assert (nowhere.status, nowhere.problem["code"]) == (404, "no_such_room")


async def test_a_new_seat_is_created_and_an_old_one_is_given_back(ann: SeatedPeer) -> None:
    bob = await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob"})
    assert bob.status == 201
    again = await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob", "seat_key": bob.json["seat_key"]})
    assert again.status == 200
    assert again.json["seat"] == bob.json["seat"]
    assert again.headers["location"] == bob.headers["location"] == f"/rooms/lab/seats/{bob.json['seat']}"


async def test_whoever_has_no_key_and_no_cursor_may_say_null(ann: SeatedPeer) -> None:
    body = {"nick": "bob", "seat_key": None, "cursor": None}
    assert (await ann.ask("POST", "/rooms/lab/seats", body)).status == 201


async def test_a_nick_that_is_taken_is_a_conflict(ann: SeatedPeer) -> None:
    taken = await ann.ask("POST", "/rooms/lab/seats", {"nick": "ANN"})
    assert (taken.status, taken.problem["code"]) == (409, "nick_taken")
    assert not taken.problem.get("retry_after"), "the owner is there"
    assert "retry-after" not in taken.headers


async def test_a_nick_whose_owner_is_away_is_a_conflict_that_may_pass(
    ann: SeatedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.seat.POLL_AWAY", 0)
    assert (await ann.does("GET", "/events")).status == 200
    taken = await ann.ask("POST", "/rooms/lab/seats", {"nick": "ANN"})
    assert (taken.status, taken.problem["code"]) == (409, "nick_taken")
    assert 0 < taken.problem["retry_after"] <= int(taken.headers["retry-after"]) <= 60


async def test_a_seat_reads_on_from_its_cursor(ann: SeatedPeer) -> None:
    cursor = {"seq": 1}
    bob = (await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob", "cursor": cursor})).json
    assert (bob["start"], bob["head"]) == (1, 3)
    stale = await ann.ask("POST", "/rooms/lab/seats", {"nick": "eve", "cursor": {"seq": 1, "epoch": "x"}})
    assert (stale.status, stale.problem["code"]) == (409, "stale_cursor")


async def test_only_its_owner_ends_a_seat_and_only_once(ann: SeatedPeer, bob: SeatedPeer) -> None:
    assert (await bob.does("DELETE", f"/seats/{ann.seat}")).status == 403
    assert (await ann.does("DELETE", f"/seats/{ann.seat}")).status == 204
    while (await bob.ask("GET", "/rooms/lab")).json["head"] < 4:
        pass
    gone = await ann.does("DELETE", f"/seats/{ann.seat}")
    assert (gone.status, gone.problem["code"]) == (410, "seat_gone")
    assert (await ann.says("still there?")).status == 403


async def test_the_key_of_a_seat_opens_it_in_its_own_room_only(ann: SeatedPeer) -> None:
    await ann.ask("POST", "/rooms/other/seats", {"nick": "ann"})
    for method, path, body in (
        ("POST", "/rooms/other/messages", {"text": "hi"}),
        ("GET", "/rooms/other/events?after=0", None),
    ):
        refused = await ann.ask(method, path, body, headers={"Seat-Key": ann.key})
        assert (refused.status, refused.problem["code"]) == (403, "seat_gone")


async def test_members_are_listed_in_the_order_of_their_coming(ann: SeatedPeer, bob: SeatedPeer) -> None:
    members = (await ann.ask("GET", "/rooms/lab/members")).json["members"]
    assert members == [
        {"seat": ann.seat, "nick": "ann", "technique": "rest"},
        {"seat": bob.seat, "nick": "bob", "technique": "rest"},
    ]


@pytest.mark.parametrize("access", ["Sesam, öffne dich"])
async def test_the_access_token_is_asked_for_on_every_request(server: Serving, access: str) -> None:
    async with await HttpPeer.open(server.address) as peer:
        for method, path, body in (
            ("GET", "/rooms", None),
            ("POST", "/rooms/lab/seats", {"nick": "ann"}),
            ("GET", "/rooms/lab/events", None),
            ("POST", "/rooms/lab/messages", {"text": "x"}),
            ("DELETE", "/rooms/lab/messages/1", None),
        ):
            denied = await peer.ask(method, path, body, headers={"Authorization": "Bearer guessed"})
            assert (denied.status, denied.problem["code"]) == (401, "access_denied")
            assert denied.headers["www-authenticate"].startswith("Bearer")
        token = f"bearer {access}".encode().decode("latin-1")
        await peer.send(peer.request("GET", "/rooms", headers={"X": "y"})[:-2])
        await peer.send(b"Authorization: " + token.encode("latin-1") + b"\r\n\r\n")
        assert (await peer.answer()).status == 200
