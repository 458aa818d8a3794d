"""The benchmarks over HTTP: answers are read as they should, and a tiny run finds every fault."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.errors import ChatError
from lab.bench import calls, page, plans, polls
from lab.bench.checker import DeliveryError
from lab.bench.http_wire import POLLED, WEB, Answers, Bare, Polled, Rest, Soap, Web, text
from lab.bench.report import Report

HOST = "127.0.0.1:8000"
KEY = "k" * 22


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ndate: now\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(place % len(data) for place in places), len(data)])]


@given(st.binary(max_size=40), st.lists(st.integers(0), max_size=6))
def test_answers_are_found_whatever_the_pieces(body: bytes, places: list[int]) -> None:
    answers = Answers()
    for status in (200, 404):
        *begun, last = [answers.feed(piece) for piece in cut(answer(body, b"%d X" % status), places) if piece]
        assert (begun, last) == ([None] * len(begun), (status, body))


def test_an_answer_without_a_body_is_found() -> None:
    assert Answers().feed(b"HTTP/1.1 304 Not Modified\r\n\r\n") == (304, b"")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"220 smtp ready\r\n", "is no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "without a Content-Length"),
        (answer(b"one") + b"more", "more than the answer: b'more'"),
        (answer(b"x" * 2_000_000)[:100], "more than the answer"),
        (b"HTTP/1.1 " + b"x" * 2_000_000, "is no HTTP answer"),
    ],
)
def test_what_is_not_one_answer_is_an_error(data: bytes, complaint: str) -> None:
    with pytest.raises(DeliveryError, match=complaint):
        Answers().feed(data)


def read(request: bytes) -> tuple[h11.Request, bytes]:
    """Return a request as a server reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(request)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return head, body


@pytest.mark.parametrize("kind", WEB.values())
def test_a_message_is_a_request_with_its_number_in_the_text(kind: type[Web]) -> None:
    head, body = read(kind(HOST).send(KEY, 3, text(17)))
    assert (head.method, dict(head.headers)[b"host"]) == (b"POST", HOST.encode())
    assert body.count(b"0000000017".ljust(42, b".")) == 1


@pytest.mark.parametrize("kind", POLLED.values())
def test_a_question_is_a_request(kind: type[Polled]) -> None:
    head, body = read(kind(HOST).poll(KEY, 17, 20))
    assert b"17" in head.target + body


def test_what_soap_is_asked_is_an_envelope() -> None:
    _, body = read(Soap(HOST).send(KEY, 3, text(17)))
    (call,) = ElementTree.fromstring(body)[0]
    assert [element.tag for element in (call, *call)] == [
        f"{{urn:chat:v1}}{name}" for name in ("Send", "seatKey", "n", "text")
    ]


@pytest.mark.parametrize(
    ("web", "body"),
    [
        (Bare(HOST), b'{"seq":7}'),
        (Rest(HOST), b'{"n":3,"seq":7,"id":7}'),
        (Soap(HOST), b"<e><b><t:SendResponse><t:n>3</t:n><t:seq>7</t:seq></t:SendResponse></b></e>"),
        (Soap(HOST), b"<e><b><SendResponse><n>3</n><seq>7</seq></SendResponse></b></e>"),
    ],
)
def test_an_answer_tells_the_seq(web: Web, body: bytes) -> None:
    assert web.sent(body, 3) == 7


@pytest.mark.parametrize(
    ("web", "body", "complaint"),
    [
        (Bare(HOST), b"{}", "not the answer"),
        (Rest(HOST), b'{"n":4,"seq":7}', "draft 3 was answered as 4"),
        (Soap(HOST), b"<n>4</n><seq>7</seq>", "draft 3 was answered as 4"),
        (Soap(HOST), b"<faultstring>no</faultstring>", "not the answer"),
    ],
)
def test_another_answer_is_an_error(web: Web, body: bytes, complaint: str) -> None:
    with pytest.raises(DeliveryError, match=complaint):
        web.sent(body, 3)


@pytest.mark.parametrize(
    ("web", "body"),
    [
        (Rest(HOST), b'{"events":[{"seq":7,"kind":"sent","text":"a"},{"seq":9,"kind":"left"}],"head":9}'),
        (
            Soap(HOST),
            b"<head>9</head><event><seq>7</seq><text>a</text></event><event><seq>9</seq><text></text></event>",
        ),
    ],
)
def test_news_are_read_with_their_seqs_and_texts(web: Polled, body: bytes) -> None:
    assert web.heard(body) == [(7, b"a"), (9, b"")]


# --- tiny runs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["rest", "soap"])
def called(request: pytest.FixtureRequest) -> Report:
    return calls.run(0.2, request.param, rounds=1)


@pytest.fixture(scope="module", params=["rest", "soap"])
def polled(request: pytest.FixtureRequest) -> polls.Report:
    return polls.run(request.param, 20, 2)


def test_a_tiny_run_measures_sends_of_one_and_of_sixteen(called: Report) -> None:
    assert {(series.server, series.regime) for series in called.series} == {
        (name, regime) for name in ("bare", "chat", "sqlite") for regime in ("single", "sixteen")
    }
    assert all(
        one.messages > 0 and one.server_cpu > 0 and 0 < one.p50 <= one.p99 <= one.worst
        for series in called.series
        for one in series.rounds
    )


def test_the_page_tells_the_goals(called: Report) -> None:
    for written in (page.as_text(called), page.as_page(called)):
        assert all(str(goal) in written for goal in called.plan.goals)


def test_a_tiny_run_measures_polls(polled: polls.Report) -> None:
    assert polled.threads >= polled.idle_threads > 0
    assert [0 < one.first <= one.median <= one.last for one in polled.rounds] == [True, True]


def test_the_page_of_polls_tells_the_goal_and_what_each_took(polled: polls.Report) -> None:
    for written in (polls.as_text(polled), polls.as_page(polled)):
        assert "within 25 ms" in written
        assert all(title in written for title in polls.FIGURES.values())


BROKEN = """
import sys, uvicorn
from fastapi import HTTPException
from lab.bench import bare_fastapi as bare
async def route(message: bare.Message) -> bare.Stored:
    {route}
bare.app.router.routes.clear()
bare.app.post("/messages", status_code=201)(route)
uvicorn.run(bare.app, port=int(sys.argv[1]), log_level="error")
"""


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ("return bare.Stored(seq=5)", "two messages have seq 5"),
        ("raise HTTPException(429, 'too fast')", "answered with 429.*too fast"),
    ],
)
def test_a_wrong_answer_ends_the_run(route: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plans.find("calls", "rest")
    script = BROKEN.format(route=route)
    broken = replace(plan.yardstick, command=lambda _, port: [sys.executable, "-c", script, str(port)])
    monkeypatch.setitem(plans.PLANS, ("calls", "rest"), replace(plan, yardstick=broken))
    with pytest.raises(ChatError, match=complaint):
        calls.run(0.2, "rest", rounds=1)


def test_a_technique_without_long_polls_is_refused() -> None:
    with pytest.raises(ChatError, match="tcp has no long polls that can be measured: rest, soap"):
        polls.run("tcp")
