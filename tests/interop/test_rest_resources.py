"""The REST resources over a real connection: verbs, status codes, tags, and what is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from backends.rest.codec import encode
from backends.rest.resources import PAGE_BYTES
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.http_peer import Answer, HttpPeer
from tests.support.kit import Serving

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


class Guest(HttpPeer):
    """A peer with a seat in the room ``lab``."""

    key = ""
    seat = ""

    async def sit(self, nick: str) -> Self:
        took = (await self.ask("POST", "/rooms/lab/seats", {"nick": nick})).json
        self.key, self.seat = took["seat_key"], took["seat"]
        return self

    async def does(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask with the key; the headers are named in Python's way."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask(method, f"/rooms/lab{path}", body, headers={"Seat-Key": self.key, **said})

    async def says(self, text: str, **headers: str) -> Answer:
        return await self.does("POST", "/messages", {"text": text}, **headers)


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def ann(server: Serving) -> AsyncIterator[Guest]:
    async with await Guest.open(server.address) as peer:
        yield await peer.sit("ann")


@pytest.fixture
async def bob(server: Serving, ann: Guest) -> AsyncIterator[Guest]:
    async with await Guest.open(server.address) as peer:
        yield await peer.sit("bob")


# --- rooms and seats -----------------------------------------------------------------------------


async def test_a_room_is_there_when_somebody_has_entered_it(ann: Guest) -> None:
    assert (await ann.ask("GET", "/rooms")).json == {"rooms": ["lab"]}
    room = (await ann.ask("GET", "/rooms/lab")).json
    assert (room["room"], room["head"]) == ("lab", 2)
    nowhere = await ann.ask("GET", "/rooms/nowhere")
    assert (nowhere.status, nowhere.problem["code"]) == (404, "no_such_room")


async def test_a_new_seat_is_created_and_an_old_one_is_given_back(ann: Guest) -> None:
    bob = await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob"})
    assert bob.status == 201
    again = await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob", "seat_key": bob.json["seat_key"]})
    assert again.status == 200
    assert again.json["seat"] == bob.json["seat"]
    assert again.headers["location"] == bob.headers["location"] == f"/rooms/lab/seats/{bob.json['seat']}"


async def test_a_nick_that_is_taken_is_a_conflict_that_may_pass(ann: Guest) -> None:
    taken = await ann.ask("POST", "/rooms/lab/seats", {"nick": "ANN"})
    assert (taken.status, taken.problem["code"]) == (409, "nick_taken")
    assert 0 < taken.problem["retry_after"] <= int(taken.headers["retry-after"]) <= 60


async def test_a_seat_reads_on_from_its_cursor(ann: Guest) -> None:
    cursor = {"seq": 1}
    bob = (await ann.ask("POST", "/rooms/lab/seats", {"nick": "bob", "cursor": cursor})).json
    assert (bob["start"], bob["head"]) == (1, 3)
    stale = await ann.ask("POST", "/rooms/lab/seats", {"nick": "eve", "cursor": {"seq": 1, "epoch": "x"}})
    assert (stale.status, stale.problem["code"]) == (409, "stale_cursor")


async def test_only_its_owner_ends_a_seat_and_only_once(ann: Guest, bob: Guest) -> None:
    assert (await bob.does("DELETE", f"/seats/{ann.seat}")).status == 403
    assert (await ann.does("DELETE", f"/seats/{ann.seat}")).status == 204
    while (await bob.ask("GET", "/rooms/lab")).json["head"] < 4:
        pass
    gone = await ann.does("DELETE", f"/seats/{ann.seat}")
    assert (gone.status, gone.problem["code"]) == (410, "seat_gone")
    assert (await ann.says("still there?")).status == 403


async def test_the_key_of_a_seat_opens_it_in_its_own_room_only(ann: Guest) -> None:
    await ann.ask("POST", "/rooms/other/seats", {"nick": "ann"})
    for method, path, body in (
        ("POST", "/rooms/other/messages", {"text": "hi"}),
        ("GET", "/rooms/other/events?after=0", None),
    ):
        refused = await ann.ask(method, path, body, headers={"Seat-Key": ann.key})
        assert (refused.status, refused.problem["code"]) == (403, "seat_gone")


async def test_members_are_listed_in_the_order_of_their_coming(ann: Guest, bob: Guest) -> None:
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


# --- messages ------------------------------------------------------------------------------------


async def test_what_is_said_is_a_resource(ann: Guest) -> None:
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
async def test_the_same_draft_gives_the_same_answer_and_happens_once(ann: Guest, number: str) -> None:
    first = await ann.says("once", Idempotency_Key=number)
    again = await ann.says("once", Idempotency_Key=number)
    for answer in (first, again):
        del answer.headers["date"]
    assert again == first
    assert first.json["n"] == 7
    texts = [event.get("text") for event in (await ann.does("GET", "/events?after=2")).json["events"]]
    assert texts == ["once"]


async def test_the_same_number_for_another_text_is_refused(ann: Guest) -> None:
    await ann.says("one", Idempotency_Key="7")
    refused = await ann.says("two", Idempotency_Key="7")
    assert (refused.status, refused.problem["code"], refused.problem["n"]) == (422, "draft_conflict", 7)


async def test_an_edit_changes_the_text_and_the_tag(ann: Guest) -> None:
    said = await ann.says("tpyo")
    place = f"/messages/{said.json['id']}"
    edited = await ann.does("PUT", place, {"text": "typo"})
    assert (edited.status, edited.json["id"]) == (200, said.json["id"])
    assert edited.headers["etag"] != said.headers["etag"]
    message = await ann.does("GET", place)
    assert (message.json["text"], message.json["seq"]) == ("typo", edited.json["seq"])
    assert message.json["edited_at"] >= message.json["at"]
    assert message.headers["etag"] == edited.headers["etag"]


async def test_a_deleted_message_is_gone_and_one_that_never_was_is_not_there(ann: Guest) -> None:
    id = (await ann.says("oops")).json["id"]
    assert (await ann.does("DELETE", f"/messages/{id}")).status == 204
    for method, body in (("GET", None), ("PUT", {"text": "x"}), ("DELETE", None)):
        assert (await ann.does(method, f"/messages/{id}", body)).status == 410
        for none in ("0", "1", "99999", "x", "-1", "9" * 30):
            assert (await ann.does(method, f"/messages/{none}", body)).status == 404


async def test_nobody_changes_what_somebody_else_said(ann: Guest, bob: Guest) -> None:
    id = (await ann.says("mine")).json["id"]
    for method, body in (("PUT", {"text": "yours"}), ("DELETE", None)):
        refused = await bob.does(method, f"/messages/{id}", body)
        assert (refused.status, refused.problem["code"]) == (403, "not_yours")


async def test_what_has_changed_in_the_meantime_is_not_changed(ann: Guest) -> None:
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


async def test_of_two_changes_at_once_with_the_same_tag_one_is_made(ann: Guest, server: Serving) -> None:
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


async def test_a_change_that_is_sent_again_is_known_whatever_its_tag_says(ann: Guest) -> None:
    said = await ann.says("one")
    place, tag = f"/messages/{said.json['id']}", said.headers["etag"]
    first = await ann.does("PUT", place, {"text": "two"}, If_Match=tag, Idempotency_Key="9")
    again = await ann.does("PUT", place, {"text": "two"}, If_Match=tag, Idempotency_Key="9")
    assert (again.status, again.json) == (200, first.json)


@pytest.mark.parametrize("limits", [Limits(burst=1, rate=0.5)], ids=[""])
async def test_who_is_too_fast_is_told_when_to_go_on(ann: Guest) -> None:
    await ann.says("one")
    refused = await ann.says("two", Idempotency_Key="2")
    assert (refused.status, refused.problem["code"], refused.problem["n"]) == (429, "too_fast", 2)
    assert 0 < refused.problem["retry_after"] <= int(refused.headers["retry-after"]) <= 2


async def test_an_old_message_is_found_with_its_last_change_and_stays_as_it_is(
    ann: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room.WINDOW", 10)
    monkeypatch.setattr("chat.server.live_room.WINDOW", 10)
    monkeypatch.setattr("chat.server.live_room.TURN", 3)
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


# --- events --------------------------------------------------------------------------------------


async def test_a_poll_brings_what_came_after_and_the_tag_of_the_newest(ann: Guest) -> None:
    await ann.says("hello")
    news = await ann.does("GET", "/events?after=2")
    assert [event["text"] for event in news.json["events"]] == ["hello"]
    assert news.headers["etag"].endswith(f'-{news.json["head"]}"')


async def test_a_poll_with_the_tag_of_the_newest_brings_nothing_at_all(ann: Guest) -> None:
    tag = (await ann.does("GET", "/events?after=2")).headers["etag"]
    for tags in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        same = await ann.does("GET", "/events?after=2", If_None_Match=tags)
        assert (same.status, same.headers["etag"], same.body) == (304, tag, b"")
    assert (await ann.does("GET", "/events?after=2", If_None_Match='"another"')).status == 200
    assert (await ann.does("GET", "/events", If_None_Match=tag)).status == 304


async def test_who_has_not_read_everything_is_never_told_that_nothing_has_changed(ann: Guest) -> None:
    await ann.says("hello")
    page = await ann.does("GET", "/events?after=0&limit=1")
    more = await ann.does("GET", "/events?after=1&limit=1", If_None_Match=page.headers["etag"])
    assert (more.status, len(more.json["events"])) == (200, 1)


async def test_the_tag_of_a_page_names_nothing_that_came_while_it_was_read(
    ann: Guest, bob: Guest, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever has it would be told that nothing has changed."""
    read, reading, may_go_on = hub.log.read, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **more: Any) -> Any:
        found = await read(*arguments, **more)
        reading.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(hub.log, "read", slow)
    asking = asyncio.ensure_future(ann.does("GET", "/events"))
    await reading.wait()
    assert (await bob.says("in between")).status == 201
    may_go_on.set()
    page = await asking
    assert page.json["head"] == page.json["events"][-1]["seq"]
    again = await ann.does("GET", "/events", If_None_Match=page.headers["etag"])
    assert again.json["events"][-1]["text"] == "in between"


async def test_a_long_poll_waits_for_the_first_event(ann: Guest, bob: Guest) -> None:
    head = (await ann.ask("GET", "/rooms/lab")).json["head"]
    await bob.send(
        bob.request("GET", f"/rooms/lab/events?after={head}&wait=20", headers={"Seat-Key": bob.key})
    )
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def test_one_may_look_without_a_seat_and_wait_for_news(ann: Guest, bob: Guest) -> None:
    head = (await ann.ask("GET", "/rooms/lab")).json["head"]
    await bob.send(bob.request("GET", f"/rooms/lab/events?after={head}&wait=20"))
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def test_pages_go_forward_and_backward(ann: Guest) -> None:
    for i in range(5):
        await ann.says(f"m{i}")

    async def seqs(query: str) -> list[int]:
        return [event["seq"] for event in (await ann.ask("GET", f"/rooms/lab/events{query}")).json["events"]]

    assert await seqs("?after=2&limit=2") == [3, 4]
    assert await seqs("?before=6&limit=2") == [4, 5]
    assert await seqs("?limit=2") == [6, 7]
    assert await seqs("?after=2&before=5") == [3, 4]
    assert await seqs("?%61fter=2&limit=1&unknown=x") == [3]


async def test_a_page_of_long_texts_has_fewer_of_them_and_none_is_left_out(ann: Guest) -> None:
    for i in range(100):
        await ann.says(f"{i}" + '"' * 3900)

    async def page(query: str) -> list[int]:
        answer = await ann.ask("GET", f"/rooms/lab/events?{query}")
        assert len(answer.body) <= PAGE_BYTES
        return [event["seq"] for event in answer.json["events"]]

    forward, backward = [0], [103]
    while forward[-1] < 102:
        forward += await page(f"after={forward[-1]}")
    while backward[0] > 1:
        backward = await page(f"before={backward[0]}") + backward
    assert (forward, backward) == (list(range(103)), list(range(1, 104)))
    assert (await page(""))[-1] == 102


async def test_many_who_ask_for_the_same_page_get_the_same_bytes(
    ann: Guest, bob: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ann.says("hello")
    encoded: list[object] = []

    def spy(page: object) -> bytes:
        encoded.append(page)
        return encode(page)

    monkeypatch.setattr("backends.rest.resources.encode", spy)
    pages = [await guest.does("GET", "/events?after=0") for guest in (ann, bob, ann)]
    assert len({page.body for page in pages}) == 1
    assert len(encoded) == 1


# --- what every resource does --------------------------------------------------------------------

PATHS = {
    "/rooms": "GET, HEAD, OPTIONS",
    "/rooms/lab": "GET, HEAD, OPTIONS",
    "/rooms/lab/members": "GET, HEAD, OPTIONS",
    "/rooms/lab/seats": "OPTIONS, POST",
    "/rooms/lab/seats/x": "DELETE, OPTIONS",
    "/rooms/lab/events": "GET, HEAD, OPTIONS",
    "/rooms/lab/messages": "OPTIONS, POST",
    "/rooms/lab/messages/3": "DELETE, GET, HEAD, OPTIONS, PUT",
    "/docs": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
async def test_every_resource_tells_its_methods(ann: Guest, path: str) -> None:
    told = await ann.ask("OPTIONS", path)
    assert (told.status, told.headers["allow"]) == (204, PATHS[path])
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"} - set(PATHS[path].split(", ")):
        refused = await ann.ask(method, path)
        assert (refused.status, refused.headers["allow"]) == (405, PATHS[path])
        assert refused.problem["type"] == "urn:chat:not_allowed"


@pytest.mark.parametrize("path", [path for path, allowed in PATHS.items() if "GET" in allowed])
async def test_head_is_get_without_the_body(ann: Guest, path: str) -> None:
    await ann.says("hello")
    whole, head = await ann.ask("GET", path), await ann.ask("HEAD", path)
    for answer in (whole, head):
        del answer.headers["date"]
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")
    assert (await ann.ask("GET", "/rooms")).status == 200, "the connection goes on"


async def test_the_docs_come_from_here_alone(ann: Guest) -> None:
    page = await ann.ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert b"://" not in page.body
    for part in page.body.split(b'"'):
        if part.startswith(b"/docs/"):
            assert (await ann.ask("GET", part.decode())).status == 200
    assert (await ann.ask("GET", "/openapi.json")).json["openapi"].startswith("3.0")


# --- pages of other origins ----------------------------------------------------------------------


@pytest.fixture
async def shared(hub: Hub, technique: Technique) -> AsyncIterator[HttpPeer]:
    """A server that pages of one other origin may call."""
    options = ServerOptions(settings={"cors": "http://localhost:5173, https://chat.example"})
    server = technique.load_server()(hub, Address("127.0.0.1", 0), options)
    async with await HttpPeer.open(await server.start()) as peer:
        yield peer
    await server.stop()


async def test_a_page_that_may_call_is_told_so_beforehand(shared: HttpPeer) -> None:
    told = await shared.ask(
        "OPTIONS",
        "/rooms/lab/messages",
        headers={
            "Origin": "http://localhost:5173",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,seat-key,idempotency-key,if-match,authorization",
        },
    )
    assert told.status == 200
    assert told.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "POST" in told.headers["access-control-allow-methods"]


async def test_a_page_that_may_call_may_read_the_headers_that_it_needs(shared: HttpPeer) -> None:
    for origin in ("http://localhost:5173", "https://chat.example"):
        told = await shared.ask("GET", "/rooms", headers={"Origin": origin})
        assert told.headers["access-control-allow-origin"] == origin
        assert told.headers["access-control-expose-headers"] == "ETag, Location, Retry-After"
        assert told.headers["vary"] == "Origin"


async def test_other_pages_may_not_call(shared: HttpPeer, ann: Guest) -> None:
    for peer in (shared, ann):
        refused = await peer.ask("GET", "/rooms", headers={"Origin": "http://evil.example"})
        assert (refused.status, refused.problem["type"]) == (403, "urn:chat:strange_page")
        assert "access-control-allow-origin" not in refused.headers
