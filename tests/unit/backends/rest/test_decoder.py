"""The decoder of REST: what requests and answers mean, whoever sends them."""

from __future__ import annotations

import gzip
import json

import msgspec
import pytest

from backends.rest.decoder import make_decoder, route
from backends.rest.operations import OPERATIONS
from chat.interfaces.frames import Direction, Frame
from chat.transport.decoding.json_fields import MAX_VALUES
from lab.wire.masking import walk
from tests.support.decoding import DOWN, UP, data_of, everything_shown, field, frames_of
from tests.support.json_judge import check_values

TEXT = "täglich \"zitiert\" & 'mehr' 🙂"
SENT = {"kind": "sent", "seq": 17, "prev": 16, "at": 5, "author": "ann", "n": 3, "id": 17, "text": TEXT}
OPENED = {"kind": "opened", "seq": 1, "prev": 0, "at": 5, "text": "6f0d8ab4-epoch"}


def decode(*said: tuple[Direction, bytes]) -> list[Frame]:
    return frames_of(lambda: make_decoder("tcp"), *said)


def request(method: str, target: str, body: object = None, *headers: str) -> tuple[Direction, bytes]:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1:8000", *headers]
    return UP, message(lines, body)


def answer(status: str, body: object = None, *headers: str) -> tuple[Direction, bytes]:
    return DOWN, message([f"HTTP/1.1 {status}", *headers], body)


def message(lines: list[str], body: object) -> bytes:
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    elif not lines[0].startswith(("GET", "HTTP/1.1 304", "HTTP/1.1 204")):
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode() + content


POST = request("POST", "/rooms/lab/messages", {"text": TEXT}, "Idempotency-Key: 3", "Seat-Key: s3cret")


def test_a_message_goes_up_as_a_call_with_its_arguments() -> None:
    (frame,) = decode(POST)
    assert (frame.kind, frame.role, frame.texts, frame.drafts) == ("POST", "message", [TEXT], {3})
    assert frame.call is not None
    assert frame.call.name == "POST /rooms/lab/messages"
    arguments = {one.name: one for one in frame.call.fields}
    assert arguments["room"].value == "lab"
    assert arguments["Idempotency-Key"].value == "3"
    assert arguments["text"].part == "payload"
    assert "s3cret" not in everything_shown(frame)


def test_exactly_the_text_is_payload() -> None:
    (frame,) = decode(POST)
    (payload,) = [one for one in walk(frame.root) if one.part == "payload"]
    assert payload.span is not None
    token = frame.data[slice(*payload.span)]
    assert json.loads(b'"' + token + b'"') == TEXT


def test_the_answer_has_the_draft_and_the_seq() -> None:
    up, down = decode(POST, answer("201 Created", {"n": 3, "seq": 17, "id": 17}))
    assert (down.drafts, down.seqs, down.role) == ({3}, {17}, "message")
    assert (up.drafts, up.seqs) == ({3}, {17})
    assert up.stream == down.stream
    assert down.call is not None
    assert (down.call.name, down.call.value) == ("POST /rooms/lab/messages", "201 Created")


def test_a_request_gets_the_number_that_the_server_chose() -> None:
    no_number = request("POST", "/rooms/lab/messages", {"text": "hi"})
    up, _ = decode(no_number, answer("201 Created", {"n": 9, "seq": 30, "id": 30}))
    assert (up.drafts, up.seqs) == ({9}, {30})


def test_a_deletion_has_its_seq_in_the_tag() -> None:
    up, down = decode(
        request("DELETE", "/rooms/lab/messages/17", None, 'Idempotency-Key: "4"'),
        answer("204 No Content", None, 'ETag: "6f0d8ab4-x-19"'),
    )
    assert (up.drafts, up.seqs, down.drafts, down.seqs) == ({4}, {19}, {4}, {19})


def test_a_problem_answers_its_draft() -> None:
    body = {"type": "urn:chat:bad_text", "status": 422, "detail": "empty", "code": "bad_text", "n": 3}
    direction, data = answer("422 Unprocessable Content", body)
    data = data.replace(b"application/json", b"application/problem+json")
    up, down = decode(POST, (direction, data))
    assert (down.drafts, down.seqs, up.seqs) == ({3}, set(), set())
    assert 'detail="empty"' in down.summary


def test_polls_and_empty_answers_are_polls_and_events_are_messages() -> None:
    empty, unmodified, news = (
        decode(request("GET", "/rooms/lab/events?after=16&wait=20"), down)
        for down in (
            answer("200 OK", {"events": [], "head": 16}),
            answer("304 Not Modified"),
            answer("200 OK", {"events": [SENT], "head": 17}),
        )
    )
    assert [frame.role for frame in empty + unmodified] == ["poll"] * 4
    assert [frame.role for frame in news] == ["poll", "message"]
    assert (news[1].texts, news[1].seqs, news[0].seqs) == ([TEXT], {17}, {17})
    assert news[1].drafts == set()  # the number of somebody else's draft


def test_a_look_at_old_events_is_no_poll() -> None:
    up, down = decode(
        request("GET", "/rooms/lab/events?limit=10"), answer("200 OK", {"events": [OPENED, SENT], "head": 17})
    )
    assert (up.role, down.role) == ("message", "message")
    assert down.texts == [TEXT]  # and not the epoch
    assert len([one for one in walk(down.root) if one.part == "payload"]) == 1


def test_a_message_by_itself_has_a_text_and_no_kind() -> None:
    body = {"id": 17, "author": "ann", "text": TEXT, "seq": 18}
    _, down = decode(request("GET", "/rooms/lab/messages/17"), answer("200 OK", body))
    assert (down.texts, down.seqs) == ([TEXT], {18})


def test_taking_and_leaving_a_seat_is_setup_and_its_key_is_masked() -> None:
    taken = {"room": "lab", "nick": "ann", "seat": "85", "seat_key": "s3cret", "start": 0, "n": 0}
    frames = decode(
        request(
            "POST", "/rooms/lab/seats", {"nick": "ann", "seat_key": "s3cret"}, "Authorization: Bearer t0ken"
        ),
        answer("201 Created", taken),
        request("DELETE", "/rooms/lab/seats/85", None, "Seat-Key: s3cret"),
        answer("204 No Content"),
        request("GET", "/openapi.json"),
        answer("200 OK", {"openapi": "3.1.0"}),
    )
    assert [frame.role for frame in frames] == ["setup"] * 6
    for frame in frames:
        assert "s3cret" not in everything_shown(frame)
        assert "t0ken" not in everything_shown(frame)


def test_a_ping_and_a_preflight_are_control() -> None:
    frames = decode(
        request("HEAD", "/rooms/lab"),
        (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"),
        request("OPTIONS", "/rooms/lab/messages", None, "Access-Control-Request-Method: POST"),
        answer("204 No Content"),
    )
    assert {frame.role for frame in frames} == {"control"}


def test_a_request_that_is_not_in_the_contract_is_shown_as_it_is() -> None:
    (frame,) = decode(request("PATCH", "/graphql?x=1", {"query": [1, {"a": None}]}))
    assert (frame.kind, frame.role, frame.problem) == ("PATCH", "message", "")
    assert frame.call is not None
    assert [(one.name, one.value) for one in frame.call.fields] == [("x", "1"), ("query", "")]


@pytest.mark.parametrize("name", ["password", "access_token", "clientSecret", "seat_key"])
@pytest.mark.parametrize("value", ["s3cret", ["s3cret"], {"a": [{"b": "s3cret"}]}])
def test_secrets_in_the_json_of_others_are_masked(name: str, value: object) -> None:
    (frame,) = decode(request("POST", "/login", {"user": "ann", name: value, "n": 5}))
    assert "s3cret" not in everything_shown(frame)
    assert data_of(frame, "n") == b"5"


def test_every_operation_of_the_contract_is_a_route() -> None:
    for operation in OPERATIONS:
        path = operation.path.format(room="lab", seat="85", id=17)
        assert route(operation.method, path + "?after=1")[0] == operation.name
    assert route("POST", "/rooms/lab/nothing") == ("", {})


def test_the_fields_have_the_bytes_of_what_msgspec_reads() -> None:
    body = {"events": [OPENED, SENT], "head": 17, "more": [1, -2.5e3, True, None, {"deep": []}]}
    _, frame = decode(request("GET", "/rooms/lab/events?limit=2"), answer("200 OK", body))
    content = data_of(frame, "message-body")
    check_values(frame.data, field(frame, "message-body"), msgspec.json.decode(content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "JSON nested more than 64 levels deep"),
        (b"[" + b"0," * MAX_VALUES + b"0]", f"JSON with more than {MAX_VALUES} values"),
    ],
)
def test_a_body_that_is_no_json_loses_only_itself(content: bytes, why: str) -> None:
    for coding, body in ((b"identity", content), (b"gzip", gzip.compress(content))):
        head = (
            b"POST /rooms/lab/messages HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: %b\r\n"
            b"Content-Length: %d\r\n\r\n" % (coding, len(body))
        )
        frame, after = make_decoder("tcp").feed(UP, head + body + POST[1])
        assert frame.problem.startswith(why)
        assert (frame.kind, frame.role) == ("POST", "message")
        assert after.texts == [TEXT]


def test_what_axios_and_requests_send_is_read_as_ours_is() -> None:
    body = b'{"text":"hello"}'
    chunked = b"10\r\n" + body + b"\r\n0\r\n\r\n"
    head = b"POST /rooms/lab/messages HTTP/1.1\r\nAccept: application/json, text/plain, */*\r\n"
    typed = b"content-type: application/json; charset=UTF-8\r\n"
    axios = head + typed + b"User-Agent: axios/1.7\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked
    python = head + typed + b"Content-Length: 16\r\n\r\n" + body
    for data in (axios, python):
        (frame,) = decode((UP, data))
        assert frame.texts == ["hello"]
        assert data_of(frame, "text") == b"hello"
