"""Messages over REST: verbs, status codes, entity tags, and what is sent twice."""

from __future__ import annotations

import pytest

from chat.domain.model import Limits
from tests.support.http_peer import HttpPeer, SeatedPeer
from tests.support.kit import Serving

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


async def test_what_is_said_is_a_resource(ann: SeatedPeer) -> None:
    said = await ann.says("hello")
    assert said.status == 201
    id = said.json["id"]
    assert said.json == {"n": 1, "seq": id, "id": id}
    assert said.headers["location"] == f"/rooms/lab/messages/{id}"
    message = await ann.ask("GET", said.headers["location"])
    assert message.json.items() >= {"id": id, "author": "ann", "text": "hello", "seq": id}.items()
    assert "edited_at" not in message.json
    assert message.headers["etag"] == said.headers["etag"]


@pytest.mark.parametrize("number", ["7", '"7"'])
async def test_the_same_draft_gives_the_same_answer_and_happens_once(ann: SeatedPeer, number: str) -> None:
    first = await ann.says("once", Idempotency_Key=number)
    again = await ann.says("once", Idempotency_Key=number)
    for answer in (first, again):
        del answer.headers["date"]
    assert again == first
    assert first.json["n"] == 7
    texts = [event.get("text") for event in (await ann.does("GET", "/events?after=2")).json["events"]]
    assert texts == ["once"]


async def test_the_same_number_for_another_text_is_refused(ann: SeatedPeer) -> None:
    await ann.says("one", Idempotency_Key="7")
    refused = await ann.says("two", Idempotency_Key="7")
    assert (refused.status, refused.problem["code"], refused.problem["n"]) == (422, "draft_conflict", 7)


async def test_an_edit_changes_the_text_and_the_tag(ann: SeatedPeer) -> None:
    said = await ann.says("tpyo")
    place = f"/messages/{said.json['id']}"
    edited = await ann.does("PUT", place, {"text": "typo"})
    assert (edited.status, edited.json["id"]) == (200, said.json["id"])
    assert edited.headers["etag"] != said.headers["etag"]
    message = await ann.does("GET", place)
    assert (message.json["text"], message.json["seq"]) == ("typo", edited.json["seq"])
    assert message.json["edited_at"] >= message.json["at"]
    assert message.headers["etag"] == edited.headers["etag"]


async def test_a_deleted_message_is_gone_and_one_that_never_was_is_not_there(ann: SeatedPeer) -> None:
    id = (await ann.says("oops")).json["id"]
    assert (await ann.does("DELETE", f"/messages/{id}")).status == 204
    for method, body in (("GET", None), ("PUT", {"text": "x"}), ("DELETE", None)):
        assert (await ann.does(method, f"/messages/{id}", body)).status == 410
        for none in ("0", "1", "99999", "x", "-1", "9" * 30):
            assert (await ann.does(method, f"/messages/{none}", body)).status == 404


async def test_nobody_changes_what_somebody_else_said(ann: SeatedPeer, bob: SeatedPeer) -> None:
    id = (await ann.says("mine")).json["id"]
    for method, body in (("PUT", {"text": "yours"}), ("DELETE", None)):
        refused = await bob.does(method, f"/messages/{id}", body)
        assert (refused.status, refused.problem["code"]) == (403, "not_yours")


async def test_what_has_changed_in_the_meantime_is_not_changed(ann: SeatedPeer) -> None:
    said = await ann.says("one")
    place, old = f"/messages/{said.json['id']}", said.headers["etag"]
    new = (await ann.does("PUT", place, {"text": "two"}, If_Match=old)).headers["etag"]
    for tags in (old, f"W/{new}", "nothing", '"a", "b"'):
        refused = await ann.does("PUT", place, {"text": "three"}, If_Match=tags)
        assert (refused.status, refused.problem["type"]) == (412, "urn:chat:precondition_failed")
        assert refused.headers["etag"] == new
        assert (await ann.does("DELETE", place, If_Match=tags)).status == 412
    assert (await ann.does("PUT", place, {"text": "three"}, If_Match=f'"a", {new}')).status == 200
    assert (await ann.does("DELETE", place, If_Match="*")).status == 204


async def test_of_two_changes_at_once_with_the_same_tag_one_is_made(ann: SeatedPeer, server: Serving) -> None:
    said = await ann.says("one")
    place = f"/rooms/lab/messages/{said.json['id']}"
    headers = {"Seat-Key": ann.key, "If-Match": said.headers["etag"]}
    others = [await HttpPeer.open(server.address) for _ in range(5)]
    for i, other in enumerate(others):
        await other.send(other.request("PUT", place, {"text": f"change {i}"}, headers=headers))
    statuses = sorted([(await other.answer()).status for other in others])
    assert statuses == [200, 412, 412, 412, 412]
    for other in others:
        await other.close()


async def test_a_change_that_is_sent_again_is_known_whatever_its_tag_says(ann: SeatedPeer) -> None:
    said = await ann.says("one")
    place, tag = f"/messages/{said.json['id']}", said.headers["etag"]
    first = await ann.does("PUT", place, {"text": "two"}, If_Match=tag, Idempotency_Key="9")
    again = await ann.does("PUT", place, {"text": "two"}, If_Match=tag, Idempotency_Key="9")
    assert (again.status, again.json) == (200, first.json)


@pytest.mark.parametrize("limits", [Limits(burst=1, rate=0.5)], ids=[""])
async def test_who_is_too_fast_is_told_when_to_go_on(ann: SeatedPeer) -> None:
    await ann.says("one")
    refused = await ann.says("two", Idempotency_Key="2")
    assert (refused.status, refused.problem["code"], refused.problem["n"]) == (429, "too_fast", 2)
    assert 0 < refused.problem["retry_after"] <= int(refused.headers["retry-after"]) <= 2


async def test_an_old_message_is_found_with_its_last_change_and_stays_as_it_is(
    ann: SeatedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room.WINDOW", 10)
    monkeypatch.setattr("chat.server.room_reader.WINDOW", 10)
    monkeypatch.setattr("chat.server.room_reader.SEARCH_PAGE", 3)
    ids = [(await ann.says(text)).json["id"] for text in ("kept", "edited", "deleted")]
    await ann.does("PUT", f"/messages/{ids[1]}", {"text": "changed"})
    await ann.does("DELETE", f"/messages/{ids[2]}")
    for i in range(20):
        await ann.says(f"m{i}")
    assert (await ann.does("GET", f"/messages/{ids[0]}")).json["text"] == "kept"
    assert (await ann.does("GET", f"/messages/{ids[1]}")).json["text"] == "changed"
    assert (await ann.does("GET", f"/messages/{ids[2]}")).status == 410
    late = await ann.does("PUT", f"/messages/{ids[0]}", {"text": "x"})
    assert (late.status, late.problem["code"]) == (409, "no_such_message")
