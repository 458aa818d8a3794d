"""The capture file, read by Wireshark and by scapy: both know nothing of who wrote it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapNgReader

from chat.interfaces.frames import Field, Frame
from lab.wire.capture import Connection
from lab.wire.pcapng import SEGMENT, CaptureFile
from tests.support.frames import DOWN, UP, connection, frame, stream
from tests.support.tshark import Packet, check_packets, dissect

BEGAN = 1_700_000_000.0


def note(kind: str, direction: Any = UP, summary: str = "") -> Frame:
    return frame(protocol="TCP", kind=kind, direction=direction, summary=summary, role="setup")


def written(frames: Sequence[Frame], one: Connection | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    CaptureFile(file, BEGAN, **options).add(frames, {1: one or connection()})
    return file.getvalue()


def judged(data: bytes, folder: Path) -> list[Packet]:
    file = folder / "x.pcapng"
    file.write_bytes(data)
    return dissect(file)


def read(data: bytes) -> list[Any]:
    """Return the packets as scapy reads them; fails if a checksum is not what scapy computes."""
    for packet in as_read_by_scapy(data):
        as_read = bytes(packet)
        for layer in (IP, TCP, UDP):
            if layer in packet:
                del packet[layer].chksum
        assert bytes(packet) == as_read
    return as_read_by_scapy(data)


def as_read_by_scapy(data: bytes) -> list[Any]:
    return list(PcapNgReader(cast(Any, io.BytesIO(data))))


def sent(packets: Sequence[Any], port: int) -> bytes:
    """Return the bytes that a port has sent, by their sequence numbers."""
    first = next(packet[TCP].seq for packet in packets if packet[TCP].sport == port) + 1
    data = bytearray()
    for packet in packets:
        if packet[TCP].sport == port and (payload := bytes(packet[TCP].payload)):
            place = packet[TCP].seq - first
            assert place == len(data), "no gap, and nothing twice"
            data[place:] = payload
    return bytes(data)


CONVERSATION = (
    note("opened"),
    frame(b"question", direction=UP, summary="asks"),
    frame(b"answer", direction=DOWN, summary="answers"),
    frame(b"again", direction=UP),
    note("ended", UP),
    note("ended", DOWN),
    note("closed"),
)


def test_a_conversation_is_read_as_it_was() -> None:
    packets = read(written(stream(*CONVERSATION)))
    assert [str(packet[TCP].flags) for packet in packets] == ["S", "SA", "A", "PA", "PA", "PA", "FA", "FA"]
    assert sent(packets, 40000) == b"questionagain"
    assert sent(packets, 7010) == b"answer"
    assert [packet.comment for packet in packets[3:5]] == [b"test data: asks", b"test data: answers"]
    assert float(packets[3].time) == pytest.approx(BEGAN + 0.002, abs=1e-6)
    assert packets[-1][TCP].ack == packets[-2][TCP].seq + 1, "a FIN takes a number, too"


def test_wireshark_finds_no_fault_in_it(tmp_path: Path) -> None:
    packets = judged(written(stream(*CONVERSATION)), tmp_path)
    check_packets(packets)
    assert [packet.comment for packet in packets[3:]] == [
        *("test data: asks", "test data: answers", "test data", "TCP ended", "TCP ended")
    ]


def test_wireshark_finds_a_fault_where_there_is_one(tmp_path: Path) -> None:
    data = written(stream(*CONVERSATION))
    wrong = data.replace(b"answer", b"answeR", 1)  # the first is in the packet, the next in its comment
    with pytest.raises(AssertionError):
        check_packets(judged(wrong, tmp_path))
    with pytest.raises(AssertionError):
        read(wrong)


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_connection_over_ipv6(tmp_path: Path, direction: Any) -> None:
    over_v6 = connection(client="[::1]:40000", server="[2001:db8::7]:7010")
    data = written(stream(frame(b"hello", direction=direction)), over_v6)
    check_packets(judged(data, tmp_path))
    last = read(data)[-1]
    assert {last[IPv6].src, last[IPv6].dst} == {"::1", "2001:db8::7"}
    assert bytes(last[TCP].payload) == b"hello"


def test_a_server_that_is_known_by_its_name(tmp_path: Path) -> None:
    for client in ("127.0.0.1:40000", "[::1]:40000"):
        named = connection(client=client, server="chat.example:7010")
        data = written(stream(frame(b"hello")), named)
        check_packets(judged(data, tmp_path))
        assert read(data)[-1][TCP].dport == 7010


def test_a_long_frame_is_several_segments(tmp_path: Path) -> None:
    long = bytes(range(256)) * (3 * SEGMENT // 256) + b"end"
    data = written(stream(frame(long, summary="long"), frame(b"short", direction=DOWN), frame(b"after")))
    packets = read(data)
    assert sent(packets, 40000) == long + b"after"
    assert [packet.comment for packet in packets].count(b"test data: long") == 1
    check_packets(judged(data, tmp_path))


def test_datagrams(tmp_path: Path) -> None:
    by_udp = connection(transport="udp")
    data = written(stream(frame(b"ping"), frame(b"pong!", direction=DOWN), note("closed")), by_udp)
    packets = read(data)
    assert [bytes(packet[UDP].payload) for packet in packets] == [b"ping", b"pong!"]
    assert [packet[UDP].sport for packet in packets] == [40000, 7010]
    check_packets(judged(data, tmp_path))


def test_a_checksum_of_zero_is_written_as_ones() -> None:
    """RFC 768: a zero means that there is none."""
    by_udp = connection(transport="udp")
    plain = read(written(stream(frame(b"\0\0")), by_udp))[0]
    data = written(stream(frame(plain[UDP].chksum.to_bytes(2, "big"))), by_udp)
    assert as_read_by_scapy(data)[0][UDP].chksum == 0xFFFF


def test_what_lost_its_beginning_is_whole_from_there_on(tmp_path: Path) -> None:
    frames = stream(
        frame(b"the middle", direction=DOWN, offset=5000),
        frame(b"question", direction=UP, offset=70),
        frame(b"the end", direction=DOWN),
        note("closed"),
    )
    data = written(frames)
    assert sent(read(data), 7010) == b"the middlethe end"
    check_packets(judged(data, tmp_path))


@pytest.mark.parametrize("begin", [0, 5000])
def test_what_was_not_kept_is_a_gap_of_its_size(tmp_path: Path, begin: int) -> None:
    frames = stream(
        frame(b"before", direction=DOWN, offset=begin),
        note("not kept", DOWN, "1000 bytes"),
        frame(b"after", direction=DOWN, offset=begin + 1006, problem="1000 bytes before it were not kept"),
        frame(b"more", direction=DOWN, problem="1000 bytes before it were not kept"),
    )
    data = written(frames)
    before, after, more = read(data)[3:]
    assert after[TCP].seq - before[TCP].seq == len(b"before") + 1000
    assert more[TCP].seq - after[TCP].seq == len(b"after")
    flagged = [packet.all("tcp.analysis.flags") != [] for packet in judged(data, tmp_path)[3:]]
    assert flagged == [False, True, False]


@pytest.mark.parametrize(
    ("notes", "flags"),
    [
        ([note("closed", UP, "cut")], ["RA"]),
        ([note("closed", DOWN, "the server broke it: Connection reset by peer")], ["RA"]),
        ([note("refused", DOWN, "Connection refused")], ["RA"]),
        ([note("ended", DOWN), note("closed", UP)], ["FA", "FA"]),
        ([note("ended", UP), note("closed", DOWN, "the server broke it")], ["FA", "RA"]),
    ],
    ids=["cut", "reset", "refused", "ended", "half closed, then reset"],
)
def test_how_it_ended(tmp_path: Path, notes: list[Frame], flags: list[str]) -> None:
    data = written(stream(frame(b"x"), *notes))
    assert [str(packet[TCP].flags) for packet in read(data)[4:]] == flags
    check_packets(judged(data, tmp_path))


def test_half_closed_the_other_way_goes_on(tmp_path: Path) -> None:
    frames = stream(frame(b"all"), note("ended", UP), frame(b"answer", direction=DOWN), note("ended", DOWN))
    data = written(frames)
    check_packets(judged(data, tmp_path))
    assert sent(read(data), 7010) == b"answer"


def test_secrets_are_masked_unless_they_are_wanted(tmp_path: Path) -> None:
    secret = Field("key", "", (4, 10), secret=True)
    filled = Field("digest", "", (10, 14), secret=True, filler=0xFE)
    frames = stream(frame(b"key=hidden\1\2\3\4!", secret, filled))
    masked = written(frames)
    assert sent(read(masked), 40000) == b"key=******\xfe\xfe\xfe\xfe!"
    assert b"hidden" not in masked
    check_packets(judged(masked, tmp_path))
    assert sent(read(written(frames, secrets=True)), 40000) == b"key=hidden\1\2\3\4!"


def test_the_servers_port_is_one_that_its_protocol_is_known_by(tmp_path: Path) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    data = written(stream(frame(request)), port=80)
    assert read(data)[-1][TCP].dport == 80
    packets = judged(data, tmp_path)
    check_packets(packets)
    assert "http" in packets[-1].protocols


def test_connections_are_forgotten_when_they_end() -> None:
    capture = CaptureFile(io.BytesIO(), BEGAN)
    for _ in range(1000):
        capture.add(stream(frame(b"x"), note("closed")), {1: connection()})
    assert capture.packets == 6 * 1000
    assert not capture._conversations
