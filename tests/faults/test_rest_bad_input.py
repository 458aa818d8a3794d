"""Requests that make no sense, over REST: each is answered with a problem, and the connection goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from chat.domain.model import MAX_NUMBER, Limits
from chat.server.hub import Hub
from tests.support.http_peer import HttpPeer
from tests.support.kit import Serving

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("technique", ["rest"], indirect=True)]


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def peer(server: Serving) -> AsyncIterator[HttpPeer]:
    """A peer; at the end its connection, and the server, must still be good for a request."""
    async with await HttpPeer.open(server.address) as peer:
        yield peer
        assert (await peer.ask("GET", "/rooms")).status == 200


@pytest.fixture
async def key(peer: HttpPeer) -> str:
    return str((await peer.ask("POST", "/rooms/lab/seats", {"nick": "ann"})).json["seat_key"])


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- bodies --------------------------------------------------------------------------------------

NOT_JSON = {
    "nothing": b"",
    "half an object": b'{"text":"hi"',
    "two objects": b'{"text":"a"}{"text":"b"}',
    "a word": b"hello",
    "not UTF-8": b'{"text":"\xff"}',
    "a surrogate": b'{"text":"\\ud800"}',
    "a surrogate in a name that is ignored": b'{"text":"hi","\\udfff":1}',
    "a control character": b'{"text":"a\x07"}',
    "an open end": b'{"text":"hi","x":[[',
    "UTF-16": '{"text":"hi"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"text":"hi"}',
    "NaN": b'{"text":NaN}',
}
WRONG_SHAPE: tuple[object, ...] = (
    [],
    [1],
    "text",
    1,
    None,
    True,
    {},
    {"text": None},
    {"text": 1},
    {"text": ["hi"]},
    {"Text": "x"},
)


@pytest.mark.parametrize("what", NOT_JSON)
async def test_what_is_no_json_is_refused(peer: HttpPeer, key: str, what: str) -> None:
    headers = {"Seat-Key": key, "Content-Type": "application/json"}
    refused = await peer.ask("POST", "/rooms/lab/messages", NOT_JSON[what], headers=headers)
    assert (refused.status, refused.problem["code"]) == (400, "bad_request")


async def test_json_of_another_shape_is_refused(peer: HttpPeer, key: str) -> None:
    for body in WRONG_SHAPE:
        for method, path in (("POST", "/rooms/lab/messages"), ("PUT", "/rooms/lab/messages/3")):
            content = json.dumps(body).encode()
            headers = {"Seat-Key": key, "Content-Type": "application/json"}
            refused = await peer.ask(method, path, content, headers=headers)
            assert (refused.status, refused.problem["code"]) == (400, "bad_request")


async def test_a_question_for_a_seat_of_another_shape_is_refused(peer: HttpPeer) -> None:
    for body in (
        {},
        {"nick": None},
        {"nick": 1},
        {"nick": "a", "cursor": 1},
        {"nick": "a", "cursor": {}},
        {"nick": "a", "cursor": {"seq": -1}},
        {"nick": "a", "cursor": {"seq": 2**53}},
        {"nick": "a", "cursor": {"seq": 2**64}},
        {"nick": "a", "cursor": {"seq": 1.5}},
        {"nick": "a", "cursor": {"seq": "1"}},
        {"nick": "a", "seat_key": 5},
    ):
        refused = await peer.ask("POST", "/rooms/lab/seats", body)
        assert (refused.status, refused.problem["code"]) == (400, "bad_request")


async def test_what_is_no_name_is_refused(peer: HttpPeer) -> None:
    for nick in ("", "a b", "\x1b[1m", "x" * 25, "/x"):
        refused = await peer.ask("POST", "/rooms/lab/seats", {"nick": nick})
        assert (refused.status, refused.problem["code"]) == (422, "bad_name")


async def test_what_may_not_be_said_is_refused(peer: HttpPeer, key: str) -> None:
    for text in ("", " ", "\x1b[2J", "x" * 4001, "\u202e", "\u0000"):
        headers = {"Seat-Key": key, "Idempotency-Key": "7"}
        refused = await peer.ask("POST", "/rooms/lab/messages", {"text": text}, headers=headers)
        assert (refused.status, refused.problem["code"], refused.problem["n"]) == (422, "bad_text", 7)


async def test_only_json_is_read(peer: HttpPeer, key: str) -> None:
    """So no form of a page can post here: what it may send without being asked for is none of it."""
    for kind in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=latin-1",
        "text/json",
    ):
        headers = {"Seat-Key": key, "Content-Type": kind}
        refused = await peer.ask("POST", "/rooms/lab/messages", b'{"text":"hi"}', headers=headers)
        assert (refused.status, refused.problem["type"]) == (415, "urn:chat:unsupported_media_type")


async def test_json_has_many_names(peer: HttpPeer, key: str) -> None:
    for kind in ("application/json", "Application/JSON ; charset=UTF-8", 'application/json;charset="utf-8"'):
        headers = {"Seat-Key": key, "Content-Type": kind}
        assert (
            await peer.ask("POST", "/rooms/lab/messages", b'{"text":"hi"}', headers=headers)
        ).status == 201


async def test_what_is_compressed_is_not_unpacked(peer: HttpPeer, key: str) -> None:
    headers = {"Seat-Key": key, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = await peer.ask("POST", "/rooms/lab/messages", b"\x1f\x8b", headers=headers)
    assert (refused.status, refused.headers["accept-encoding"]) == (415, "identity")


async def test_a_body_that_is_a_byte_too_large_is_refused_before_it_is_sent(peer: HttpPeer, key: str) -> None:
    size = Limits().frame_bytes + 1
    headers = {"Seat-Key": key, "Content-Type": "application/json", "Content-Length": str(size)}
    await peer.send(peer.request("POST", "/rooms/lab/messages", headers=headers))
    refused = await peer.answer()
    assert (refused.status, refused.problem["type"]) == (413, "urn:chat:too_large")
    await peer.send(bytes(size))


async def test_a_body_in_chunks_may_not_be_larger_either(peer: HttpPeer, key: str) -> None:
    headers = {"Seat-Key": key, "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n1\r\n \r\n"
    await peer.send(peer.request("POST", "/rooms/lab/messages", headers=headers) + chunks)
    assert (await peer.answer()).status == 413
    await peer.send(b"0\r\n\r\n")


async def test_a_body_of_the_largest_size_is_read(peer: HttpPeer, key: str) -> None:
    body = b'{"text":"hi"}'.ljust(65_536)
    headers = {"Seat-Key": key, "Content-Type": "application/json"}
    assert (await peer.ask("POST", "/rooms/lab/messages", body, headers=headers)).status == 201


# --- paths and queries ---------------------------------------------------------------------------


async def test_what_is_no_room_is_refused(peer: HttpPeer) -> None:
    for path in (
        "/rooms/Lab",
        "/rooms/-lab/events",
        "/rooms/a%20b/members",
        "/rooms/%2e%2e",
        "/rooms/%00",
        "/rooms/%ff%fe/messages/1",
        "/rooms/%0d%0aX:y",
        "/rooms/" + "x" * 33,
    ):
        refused = await peer.ask("GET", path)
        assert (refused.status, refused.problem["code"]) == (422, "bad_name")


async def test_where_nothing_is_that_is_said(peer: HttpPeer, key: str) -> None:
    for path in (
        "/",
        "//",
        "/rooms/",
        "/rooms//events",
        "/rooms/lab/",
        "/rooms/a%2fb",
        "/rooms/../x",
        "/x",
    ):
        refused = await peer.ask("GET", path)
        assert (refused.status, refused.problem["type"]) == (404, "urn:chat:not_found")


async def test_in_a_room_that_nobody_has_entered_there_is_nothing(peer: HttpPeer, key: str) -> None:
    for path in ("seats", "messages", "messages/1", "events", "members", "seats/x"):
        method = {"seats": "OPTIONS", "messages": "POST", "seats/x": "DELETE"}.get(path, "GET")
        answer = await peer.ask(method, f"/rooms/nowhere/{path}", {"text": "x"}, headers={"Seat-Key": key})
        assert answer.status == (204 if method == "OPTIONS" else 404)
        assert (await peer.ask("GET", "/rooms")).json == {"rooms": ["lab"]}, "and it does not come into being"


@pytest.mark.parametrize("name", ["after", "before", "limit", "wait"])
async def test_what_is_no_number_in_a_query_is_refused(peer: HttpPeer, key: str, name: str) -> None:
    for value in (
        "",
        "-1",
        "x",
        "1.5",
        "1e3",
        "+1",
        "0x1",
        "1_0",
        "%D9%A3",
        "%20",
        "9" * 17,
        str(MAX_NUMBER + 1),
        "NaN",
    ):
        refused = await peer.ask("GET", f"/rooms/lab/events?{name}={value}")
        assert (refused.status, refused.problem["code"]) == (400, "bad_request")
        assert name in refused.problem["detail"]


async def test_nobody_waits_longer_than_a_long_poll_does(peer: HttpPeer, key: str) -> None:
    assert (await peer.ask("GET", "/rooms/lab/events?after=2&wait=21")).status == 400


async def test_two_numbers_of_one_name_are_refused(peer: HttpPeer, key: str) -> None:
    assert (await peer.ask("GET", "/rooms/lab/events?after=1&after=2")).status == 400


async def test_a_place_beyond_the_end_has_no_events(peer: HttpPeer, key: str) -> None:
    for query in (f"after={MAX_NUMBER}", "before=0", f"after=2&limit={MAX_NUMBER}"):
        assert (await peer.ask("GET", f"/rooms/lab/events?{query}")).json["events"] == []


# --- headers -------------------------------------------------------------------------------------


async def test_an_idempotency_key_is_the_number_of_a_draft(peer: HttpPeer, key: str) -> None:
    for number in ("", "0", "-1", "x", '"', '""', '"x"', "1.5", str(MAX_NUMBER + 1), "9" * 17, "1 2"):
        headers = {"Seat-Key": key, "Idempotency-Key": number}
        refused = await peer.ask("POST", "/rooms/lab/messages", {"text": "hi"}, headers=headers)
        assert (refused.status, refused.problem["code"]) == (400, "bad_request")


@pytest.mark.parametrize("name", ["Authorization", "Seat-Key", "Idempotency-Key", "Content-Type"])
async def test_a_header_that_says_two_things_is_refused(
    peer: HttpPeer, key: str, name: str, hub: Hub
) -> None:
    values = {"Authorization": "Bearer x", "Seat-Key": key, "Content-Type": "application/json"}
    line = f"{name}: {values.get(name, '1')}\r\n".encode()
    request = peer.request("POST", "/rooms/lab/messages", {"text": "hi"}, headers={"Seat-Key": key})
    head, body = request.split(b"\r\n\r\n")
    await peer.send(head.replace(b"\r\nHost", b"\r\n" + line + line + b"Host", 1) + b"\r\n\r\n" + body)
    refused = await peer.answer()
    assert (refused.status, refused.problem["code"]) == (400, "bad_request")


async def test_a_key_that_opens_nothing_is_refused(peer: HttpPeer, key: str) -> None:
    for value in ("guessed", "", "\t", "é", "x" * 100, "a'b", "null"):
        headers = {"Seat-Key": value}
        for method, path, body in (
            ("POST", "/rooms/lab/messages", {"text": "hi"}),
            ("PUT", "/rooms/lab/messages/2", {"text": "hi"}),
            ("DELETE", "/rooms/lab/messages/2", None),
            ("GET", "/rooms/lab/events?after=0", None),
        ):
            refused = await peer.ask(method, path, body, headers=headers)
            assert (refused.status, refused.problem["code"]) == (403, "seat_gone")
        assert (await peer.ask("DELETE", f"/rooms/lab/seats/{'0' * 24}", headers=headers)).status == 403


async def test_who_wants_no_json_gets_none(peer: HttpPeer, key: str) -> None:
    for accept in ("text/html", "application/xml", "application/json;q=0", "x", "*/*;q=0.0"):
        refused = await peer.ask("GET", "/rooms", headers={"Accept": accept})
        assert (refused.status, refused.problem["type"]) == (406, "urn:chat:not_acceptable")


async def test_who_takes_json_gets_it(peer: HttpPeer, key: str) -> None:
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.1", "text/html,*/*;q=0.8"):
        assert (await peer.ask("GET", "/rooms", headers={"Accept": accept})).status == 200


async def test_what_a_sender_says_gets_into_no_header(peer: HttpPeer, key: str) -> None:
    refused = await peer.ask("GET", "/rooms/lab%0d%0aSet-Cookie:%20x=y/members")
    assert refused.status == 422
    assert "set-cookie" not in refused.headers


async def test_an_error_of_ours_is_told_as_a_problem_and_logged(
    server: Serving, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Hub, access: str) -> list[str]:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Hub, "rooms", fail)
    async with await HttpPeer.open(server.address) as peer:
        failed = await peer.ask("GET", "/rooms")
    monkeypatch.undo()
    assert (failed.status, failed.problem["code"]) == (500, "error")
    assert b"secret" not in failed.body
    (record,) = caplog.records
    assert record.getMessage() == "GET /rooms failed"
    caplog.clear()
