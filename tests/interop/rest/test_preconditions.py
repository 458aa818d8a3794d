"""Conditional requests on every route and verb (RFC 9110, 13)."""

from __future__ import annotations

import pytest

from tests.support.http_peer import SeatedPeer

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)

READ = [
    "/rooms",
    "/rooms/lab",
    "/rooms/lab/members",
    "/rooms/lab/events",
    "/rooms/lab/events?after=1",
    "/rooms/lab/events?before=3",
    "/rooms/lab/messages/{id}",
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui.css",
]
OTHER = '"another"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", READ)
async def test_a_read_is_carried_out_only_if_its_preconditions_hold(
    ann: SeatedPeer, path: str, method: str
) -> None:
    path = path.format(id=(await ann.says("one")).json["id"])
    plain = await ann.ask(method, path)
    assert plain.status == 200
    tag = plain.headers.get("etag")
    for name, value, status in (
        ("If-Match", "*", 200),
        ("If-Match", OTHER, 412),
        ("If-Match", f"{OTHER}, {tag}", 200 if tag else 412),
        ("If-Match", f"W/{tag}", 412),
        ("If-None-Match", "*", 304),
        ("If-None-Match", OTHER, 200),
        ("If-None-Match", f"{OTHER}, {tag}", 304 if tag else 200),
        ("If-None-Match", f"W/{tag}", 304 if tag else 200),
        ("If-Modified-Since", "Sat, 29 Oct 2044 19:43:31 GMT", 200),
    ):
        answer = await ann.ask(method, path, headers={name: value})
        assert (answer.status, name, value) == (status, name, value)
        assert answer.headers.get("etag") == tag
        if status == 304:
            assert answer.body == b""
    both = await ann.ask(method, path, headers={"If-Match": OTHER, "If-None-Match": "*"})
    assert both.status == 412


async def test_a_poll_with_the_newest_tag_waits_for_news_and_gets_all_of_it(
    ann: SeatedPeer, bob: SeatedPeer
) -> None:
    page = await ann.does("GET", "/events?after=1")
    assert page.json["events"]
    await ann.send(
        ann.request(
            "GET",
            "/rooms/lab/events?after=1&wait=20",
            headers={"Seat-Key": ann.key, "If-None-Match": page.headers["etag"]},
        )
    )
    said = await bob.says("news")
    answer = await ann.answer()
    assert answer.status == 200
    seqs = [event["seq"] for event in answer.json["events"]]
    assert seqs == [*(event["seq"] for event in page.json["events"]), said.json["seq"]]


async def test_a_page_that_does_not_reach_the_end_has_a_tag_of_its_own(ann: SeatedPeer) -> None:
    for text in ("one", "two", "three"):
        await ann.says(text)
    pages = ["?after=0&limit=2", "?after=2&limit=2", "?before=3&limit=1", "?limit=2"]
    tags = [(await ann.does("GET", f"/events{page}")).headers["etag"] for page in pages]
    assert len(set(tags)) == len(pages)
    for page, tag in zip(pages, tags, strict=True):
        for other in tags:
            answer = await ann.does("GET", f"/events{page}", If_None_Match=other)
            assert answer.status == (304 if other == tag else 200)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_change_is_made_only_if_the_state_is_none_of_those_named(
    ann: SeatedPeer, method: str
) -> None:
    said = await ann.says("one")
    place, tag = f"/messages/{said.json['id']}", said.headers["etag"]
    body = {"text": "two"} if method == "PUT" else None
    for tags in ("*", tag, f"W/{tag}", f"{OTHER}, {tag}"):
        refused = await ann.does(method, place, body, If_None_Match=tags)
        assert (refused.status, refused.problem["type"]) == (412, "urn:chat:precondition_failed")
        assert refused.headers["etag"] == tag
    assert (await ann.does(method, place, body, If_None_Match=OTHER)).status in (200, 204)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("condition", [{"If_Match": OTHER}, {"If_None_Match": "*"}], ids=str)
async def test_what_would_be_refused_anyway_is_refused_with_its_own_reason(
    ann: SeatedPeer, bob: SeatedPeer, method: str, condition: dict[str, str]
) -> None:
    body = {"text": "two"} if method == "PUT" else None
    mine = f"/messages/{(await ann.says('mine')).json['id']}"
    assert (await bob.does(method, mine, body, **condition)).status == 403
    assert (await ann.does(method, "/messages/999", body, **condition)).status == 404
    await ann.does("DELETE", mine)
    assert (await ann.does(method, mine, body, **condition)).status == 410


async def test_a_collection_that_only_takes_posts_has_no_state(ann: SeatedPeer) -> None:
    for path, body in (
        ("/messages", {"text": "hello"}),
        ("/seats", {"nick": "carl"}),
    ):
        for tags in ("*", OTHER):
            assert (await ann.does("POST", path, body, If_Match=tags)).status == 412
        assert (await ann.does("POST", path, body, If_None_Match="*")).status == 201
    events = (await ann.does("GET", "/events?after=0")).json["events"]
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["hello"]
    assert [event["author"] for event in events if event["kind"] == "joined"] == ["ann", "carl"]


async def test_a_seat_exists_and_has_no_tag(ann: SeatedPeer) -> None:
    place = f"/seats/{ann.seat}"
    for condition in ({"If_Match": OTHER}, {"If_None_Match": "*"}):
        assert (await ann.does("DELETE", place, **condition)).status == 412
    assert (await ann.does("DELETE", place, If_Match="*")).status == 204


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", ["", "?x=1"])
async def test_a_target_without_a_path_is_the_top(ann: SeatedPeer, method: str, query: str) -> None:
    answer = await ann.ask(method, f"http://{ann.host}{query}")
    status = {"GET": 404, "POST": 405}[method]  # only a browser finds something there
    assert (answer.status, answer.problem["code"]) == (status, "bad_request")
    assert (await ann.ask("GET", f"http://{ann.host}/rooms")).status == 200, "the connection goes on"
