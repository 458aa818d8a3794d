"""The benchmarks of the RPC techniques: wires read what they should, and a tiny run finds every fault."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpyc.core import consts

from backends.oncrpc.codec import mark, write_call
from backends.rpyc import codec
from backends.rpyc.codec import Callback, Local, Remote, Request, Returned
from chat.domain.errors import ChatError
from lab.bench import calls, fanout, page, plans, servers
from lab.bench.calls_sink import KEY_BYTES, TEXT_BYTES, null_call, send_call
from lab.bench.checker import DeliveryError
from lab.bench.grpc_wire import (
    ACK,
    ACKS,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEADERS,
    PING,
    SETTINGS,
    WINDOW_UPDATE,
    GrpcWire,
    frame,
)
from lab.bench.report import Report
from lab.bench.rpyc_wire import ON_EVENT, RpycWire
from lab.bench.wires import READY
from protos import chat_pb2 as pb
from protos.chat_xdr import CHAT_NULL, CHAT_PROG, CHAT_SEND, CHAT_V1, send_args

SPEECH = st.lists(st.integers(0), max_size=9)


def text(number: int) -> str:
    return f"{number:010}".ljust(100, ".")


def cut(data: bytes, places: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(place % len(data) for place in places), len(data)])]


# --- gRPC --------------------------------------------------------------------------------------


def carried(*messages: pb.ServerFrame, size: int = 16_384) -> bytes:
    """Return messages of gRPC in frames of HTTP/2, whose bounds are others."""
    data = b""
    for message in messages:
        body = message.SerializeToString()
        data += b"\0" + len(body).to_bytes(4) + body
    return b"".join(frame(DATA, 0, 1, data[i : i + size]) for i in range(0, len(data), size))


def news(*numbers: int) -> pb.ServerFrame:
    events = [pb.Event(kind=pb.Event.SENT, seq=100 + number, text=text(number)) for number in numbers]
    return pb.ServerFrame(events=pb.Events(events=events))


def welcomed(window: int = 0) -> GrpcWire:
    wire = GrpcWire(0)
    assert wire.feed(carried(pb.ServerFrame(welcome=pb.Welcome(window=window)))) == READY
    wire.out.clear()
    return wire


def sent(wire: GrpcWire) -> list[pb.ClientFrame]:
    """Return what the wire has to send, if that is messages and nothing else."""
    data, found = bytes(wire.out), []
    while data:
        size = int.from_bytes(data[:3])
        assert data[3] == DATA
        found.append(pb.ClientFrame.FromString(data[14 : 9 + size]))
        data = data[9 + size :]
    return found


@given(SPEECH, st.integers(1, 400))
def test_messages_of_grpc_are_found_whatever_the_pieces(places: list[int], size: int) -> None:
    wire = welcomed()
    joined = pb.ServerFrame(events=pb.Events(events=[pb.Event(kind=pb.Event.JOINED, seq=1, author="b1")]))
    data = frame(SETTINGS, 0, 0, b"") + carried(news(1), joined, news(2, 3), size=size)
    found = b"".join(wire.feed(piece) for piece in cut(data, places))
    assert found == b"0000000001\n0000000002\n0000000003\n"


def test_events_are_acked_as_the_welcome_asks() -> None:
    wire = welcomed(window=ACKS * 500)
    wire.feed(carried(news(1, 2, 3)))
    assert sent(wire) == []
    wire.feed(carried(news(4, 5)))
    assert sent(wire) == [pb.ClientFrame(ack=pb.EventsAck(seq=105))]


def test_no_acks_go_to_a_server_that_wants_none() -> None:
    wire = welcomed(window=0)
    wire.feed(carried(*(news(number) for number in range(1, 100))))
    assert not wire.out


def test_no_more_is_sent_than_the_servers_window_has_room_for() -> None:
    wire = welcomed()
    for number in range(1000):
        wire.say(text(number).encode())
    before = len(sent(wire))
    assert before < 1000
    assert len(wire.out) - 9 * before <= FIRST_WINDOW
    for stream in (0, 1):
        wire.feed(frame(WINDOW_UPDATE, 0, stream, (1_000_000).to_bytes(4)))
    assert [message.send.text for message in sent(wire)] == [text(number) for number in range(1000)]


def test_a_ping_of_http2_is_answered() -> None:
    wire = welcomed()
    wire.feed(frame(PING, 0, 0, b"12345678"))
    assert wire.out == frame(PING, ACK, 0, b"12345678")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, b"too slow"), "ended the stream.*too slow"),
        (carried(pb.ServerFrame(problem=pb.Problem(text="too long"))), "too long"),
    ],
)
def test_a_refusal_over_grpc_is_an_error(data: bytes, complaint: str) -> None:
    wire = welcomed()
    with pytest.raises(DeliveryError, match=complaint):
        wire.feed(data)


# --- RPyC --------------------------------------------------------------------------------------

FUNCTION = Callback(Remote(ON_EVENT.name))


def let_in() -> RpycWire:
    wire = RpycWire("b0", room="bench")
    wire.feed(codec.returned(1, Local(("chat.ChatService", 1, 1))))
    assert wire.feed(codec.returned(2, (("nick", "b0"),))) == READY
    wire.out.clear()
    return wire


def event(number: int, speech: str) -> bytes:
    return FUNCTION.frame(number, codec.keywords((("kind", "sent"), ("text", speech))))


@given(SPEECH, st.integers(1, 2**40))
def test_callbacks_are_found_and_answered_whatever_the_pieces(places: list[int], first: int) -> None:
    wire = let_in()
    textbooks = codec.request(first + 2, consts.HANDLE_CALL, (Remote(ON_EVENT.name), ("b1", text(2)), ()))
    data = event(first, text(1)) + event(first + 1, "who has come in") + textbooks
    found = b"".join(wire.feed(piece) for piece in cut(data, places))
    assert found == b"0000000001\n0000000002\n"
    answers = [codec.decode(message) for message in codec.Framer().feed(bytes(wire.out))]
    assert answers == [Returned(first + i, None) for i in range(3)]


def test_a_ping_of_rpyc_is_answered() -> None:
    wire = let_in()
    wire.feed(codec.request(7, consts.HANDLE_PING, ("are you there",)))
    assert wire.out == codec.returned(7, "are you there")


def test_a_message_is_a_call_of_send() -> None:
    wire = let_in()
    wire.say(b"hello")
    (data,) = codec.Framer().feed(bytes(wire.out))
    message = codec.decode(data)
    assert isinstance(message, Request)
    assert (message.handler, message.args[1:]) == (consts.HANDLE_CALLATTR, ("send", ("hello",), ()))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (codec.raised(3, "chat", "BadText", "too long"), "BadText: too long"),
        (FUNCTION.frame(9, codec.keywords((("kind", "error"), ("text", "too slow")))), "too slow"),
    ],
)
def test_a_refusal_over_rpyc_is_an_error(data: bytes, complaint: str) -> None:
    wire = let_in()
    with pytest.raises(DeliveryError, match=complaint):
        wire.feed(data)


# --- ONC RPC -----------------------------------------------------------------------------------


def test_calls_that_are_made_from_parts_are_those_of_the_generated_classes() -> None:
    key = "k" * KEY_BYTES
    args = send_args(key, 7, f"{7:010}".ljust(TEXT_BYTES, "."))
    assert send_call(7, key.encode()) == mark(write_call(7, CHAT_PROG, CHAT_V1, CHAT_SEND, args))
    assert null_call(7) == mark(write_call(7, CHAT_PROG, CHAT_V1, CHAT_NULL, None))


# --- tiny runs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["rpyc", "grpc"])
def spread(request: pytest.FixtureRequest) -> Report:
    return fanout.run(10, 0.2, request.param, peers=False, rounds=1)


@pytest.fixture(scope="module")
def called() -> Report:
    return calls.run(0.2, rounds=1)


def complete(report: Report) -> bool:
    return all(
        one.messages > 0 and one.server_cpu > 0 and 0 < one.p50 <= one.p99 <= one.worst
        for series in report.series
        for one in series.rounds
    )


def test_a_tiny_run_measures_both_servers_of_a_technique(spread: Report) -> None:
    assert {(series.server, series.regime) for series in spread.series} == {
        (server, regime) for server in ("textbook", "chat") for regime in ("saturation", "chat")
    }
    assert complete(spread)
    assert spread.logged == spread.sent > 0


def test_a_tiny_run_measures_calls(called: Report) -> None:
    found = {(series.server, series.regime) for series in called.series}
    assert found >= {
        (name, regime) for name in ("echo", "chat", "null") for regime in ("pipelined", "single")
    }
    assert complete(called)


def test_the_page_of_a_technique_tells_its_goals(spread: Report, called: Report) -> None:
    for report in (spread, called):
        for written in (page.as_text(report), page.as_page(report)):
            assert all(str(goal) in written for goal in report.plan.goals)
        assert f" -b {report.backend} " in page.as_page(report)


def test_no_two_plans_write_the_same_section() -> None:
    assert len({plan.section for plan in plans.PLANS.values()}) == len(plans.PLANS)


LOSES_ONE = {
    "grpc": """
import asyncio, sys
from lab.bench import textbook_grpc
class Lossy(asyncio.Queue):
    first = None
    def put_nowait(self, frame):
        Lossy.first = Lossy.first or self
        if self is not Lossy.first or not frame.events.events[0:] \
                or not frame.events.events[0].text.startswith("0000000005"):
            super().put_nowait(frame)
asyncio.Queue = Lossy
asyncio.run(textbook_grpc.main(int(sys.argv[1])))
""",
    "rpyc": """
import rpyc, runpy
asynchronous, people = rpyc.async_, []
def lossy(callback):
    call = asynchronous(callback)
    people.append(call)
    if call is not people[0]:
        return call
    return lambda nick, text: None if text.startswith("0000000005") else call(nick, text)
rpyc.async_ = lossy
runpy.run_module("lab.bench.textbook_rpyc", run_name="__main__")
""",
}


def yardstick(monkeypatch: pytest.MonkeyPatch, benchmark: str, backend: str, script: str) -> None:
    """Let a program in the place of the yardstick."""
    plan = plans.find(benchmark, backend)
    broken = replace(plan.yardstick, command=lambda _, port: [sys.executable, "-c", script, str(port)])
    monkeypatch.setitem(plans.PLANS, (benchmark, backend), replace(plan, yardstick=broken))


@pytest.mark.parametrize("backend", LOSES_ONE)
def test_a_message_that_one_receiver_does_not_get_ends_the_run(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    yardstick(monkeypatch, "fanout", backend, LOSES_ONE[backend])
    with pytest.raises(ChatError, match="receiver 0: message 6 came where 5 was due"):
        fanout.run(3, 0.2, backend, peers=False, rounds=1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("answer + answer", "was answered twice"),
        ("answer[:-1] + b'x'", "was answered with"),
    ],
)
def test_a_wrong_answer_to_a_call_ends_the_run(
    change: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
import asyncio, sys
from lab.bench import echo
class Writer:
    def __init__(self, writer):
        self.write = lambda answer: writer.write({change})
        self.drain, self.close = writer.drain, writer.close
honest = echo.serve
echo.serve = lambda reader, writer: honest(reader, Writer(writer))
asyncio.run(echo.main(int(sys.argv[1])))
"""
    yardstick(monkeypatch, "calls", "oncrpc", script)
    with pytest.raises(ChatError, match=complaint):
        calls.run(0.2, rounds=1)


def test_each_benchmark_says_what_it_can_measure() -> None:
    with pytest.raises(ChatError, match="can measure tcp, udp, rpyc, grpc"):
        fanout.run(2, 0.1, "oncrpc")
    with pytest.raises(ChatError, match="can measure oncrpc, rest, soap"):
        calls.run(0.1, "tcp")


def test_what_is_not_installed_is_not_measured() -> None:
    assert not replace(servers.ECHO, module="no_such_module").here()
    assert servers.ECHO.here()
