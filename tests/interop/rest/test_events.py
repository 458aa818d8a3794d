"""Events over REST: polls, long polls, entity tags, pages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.rest.codec import encode
from backends.rest.resources import PAGE_BYTES
from chat.server.hub import Hub
from chat.transport.http_server import WebServer
from tests.support.http_peer import SeatedPeer
from tests.support.kit import Serving

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


async def test_a_poll_brings_what_came_after_and_the_tag_of_the_newest(ann: SeatedPeer) -> None:
    await ann.says("hello")
    news = await ann.does("GET", "/events?after=2")
    assert [event["text"] for event in news.json["events"]] == ["hello"]
    assert news.headers["etag"].endswith(f'-{news.json["head"]}"')


async def test_a_poll_with_the_tag_of_the_newest_brings_nothing_at_all(ann: SeatedPeer) -> None:
    tag = (await ann.does("GET", "/events?after=2")).headers["etag"]
    for tags in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        same = await ann.does("GET", "/events?after=2", If_None_Match=tags)
        assert (same.status, same.headers["etag"], same.body) == (304, tag, b"")
    assert (await ann.does("GET", "/events?after=2", If_None_Match='"another"')).status == 200
    assert (await ann.does("GET", "/events", If_None_Match=tag)).status == 304


async def test_who_has_not_read_everything_is_never_told_that_nothing_has_changed(ann: SeatedPeer) -> None:
    await ann.says("hello")
    page = await ann.does("GET", "/events?after=0&limit=1")
    more = await ann.does("GET", "/events?after=1&limit=1", If_None_Match=page.headers["etag"])
    assert (more.status, len(more.json["events"])) == (200, 1)


async def test_the_tag_of_a_page_names_nothing_that_came_while_it_was_read(
    ann: SeatedPeer, bob: SeatedPeer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever has it would be told that nothing has changed."""
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 1)  # so that the page comes from the log
    await ann.says("before")
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


async def test_a_long_poll_waits_for_the_first_event(ann: SeatedPeer, bob: SeatedPeer) -> None:
    head = (await ann.ask("GET", "/rooms/lab")).json["head"]
    await bob.send(
        bob.request("GET", f"/rooms/lab/events?after={head}&wait=20", headers={"Seat-Key": bob.key})
    )
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def waits(server: Serving) -> None:
    """Wait until the server keeps a request open."""
    assert isinstance(server.server, WebServer)
    while not server.server._polls:  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0)


async def test_a_long_poll_without_a_place_waits_for_the_next_event(
    ann: SeatedPeer, bob: SeatedPeer, server: Serving
) -> None:
    await ann.says("before")
    await bob.send(bob.request("GET", "/rooms/lab/events?wait=20", headers={"Seat-Key": bob.key}))
    await waits(server)
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def test_a_long_poll_that_waits_in_vain_brings_an_empty_page(ann: SeatedPeer) -> None:
    page = await ann.does("GET", "/events?wait=1")
    assert (page.status, page.json["events"]) == (200, [])


async def test_a_long_poll_that_knows_an_older_state_is_answered_at_once(
    ann: SeatedPeer, bob: SeatedPeer, server: Serving
) -> None:
    """What came between the two requests is not lost."""
    known = (await bob.does("GET", "/events")).headers["etag"]
    await ann.says("in between")
    page = await bob.does("GET", "/events?wait=20&limit=1", If_None_Match=known)
    assert [event["text"] for event in page.json["events"]] == ["in between"]
    said = {"Seat-Key": bob.key, "If-None-Match": page.headers["etag"]}
    await bob.send(bob.request("GET", "/rooms/lab/events?wait=20", headers=said))
    await waits(server)
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def test_one_may_look_without_a_seat_and_wait_for_news(ann: SeatedPeer, bob: SeatedPeer) -> None:
    head = (await ann.ask("GET", "/rooms/lab")).json["head"]
    await bob.send(bob.request("GET", f"/rooms/lab/events?after={head}&wait=20"))
    await ann.says("news")
    assert [event["text"] for event in (await bob.answer()).json["events"]] == ["news"]


async def test_pages_go_forward_and_backward(ann: SeatedPeer) -> None:
    for i in range(5):
        await ann.says(f"m{i}")

    async def seqs(query: str) -> list[int]:
        return [event["seq"] for event in (await ann.ask("GET", f"/rooms/lab/events{query}")).json["events"]]

    assert await seqs("?after=2&limit=2") == [3, 4]
    assert await seqs("?before=6&limit=2") == [4, 5]
    assert await seqs("?limit=2") == [6, 7]
    assert await seqs("?after=2&before=5") == [3, 4]
    assert await seqs("?%61fter=2&limit=1&unknown=x") == [3]


async def test_a_page_of_long_texts_has_fewer_of_them_and_none_is_left_out(ann: SeatedPeer) -> None:
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
    ann: SeatedPeer, bob: SeatedPeer, monkeypatch: pytest.MonkeyPatch
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
