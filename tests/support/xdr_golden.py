"""XDR that C has written, and the values in it."""

from __future__ import annotations

from protos.chat_xdr import (
    chat_cursor,
    chat_direction,
    chat_error,
    chat_event,
    chat_kind,
    chat_limits,
    chat_member,
    chat_place,
    chat_status,
    draft_res,
    fetch_args,
    fetch_ok,
    fetch_res,
    join_args,
    join_ok,
    join_res,
    leave_res,
    members_ok,
    members_res,
    seen_member,
    seen_ok,
    seen_res,
    send_args,
)
from protos.xdr import Message

OK = chat_status.CHAT_OK

# Written by rpcgen 1.4.3's xdr_join_args() and so on with libtirpc 1.3.3, into an xdrmem_create() buffer.
GOLDEN: dict[str, tuple[Message, str]] = {
    "join, with a cursor": (
        join_args("lab", "Zoë", "", "key5_", chat_cursor(17, "ab")),
        "000000036c616200000000045a6fc3ab00000000000000056b6579355f000000"
        "0000000100000000000000110000000261620000",
    ),
    "join, without one": (
        join_args("lab", "bob", "Sesam", "", None),
        "000000036c61620000000003626f620000000005536573616d0000000000000000000000",
    ),
    "joined": (
        join_res(
            OK,
            join_ok(
                *("lab", "bob", "850358367bd6586fd9bf2ccd", "k", "e-1", 1, 17, 3, 9),
                chat_limits(4000, 24, 96, 65536, 50, 10.0, 200, 200, 15.5, 1000, 2000),
            ),
        ),
        "00000000000000036c61620000000003626f6200000000183835303335383336"
        "37626436353836666439626632636364000000016b00000000000003652d3100"
        "0000000000000001000000000000001100000000000000030000000000000009"
        "00000fa0000000180000006000010000000000324024000000000000000000c8"
        "000000c8402f000000000000000003e8000007d0",
    ),
    "too fast": (
        draft_res(chat_status.CHAT_TOO_FAST, chat_error("too fast", 7, 250)),
        "0000000e00000008746f6f20666173740000000000000007000000fa",
    ),
    "send, with the highest number": (
        send_args("k", 2**53 - 1, "🦜 hi"),
        "000000016b000000001fffffffffffff00000007f09fa69c20686900",
    ),
    "fetch before": (
        fetch_args("k", chat_place(chat_direction.CHAT_BEFORE, 5), 10, 0),
        "000000016b0000000000000200000000000000050000000a00000000",
    ),
    "fetch the newest": (
        fetch_args("k", chat_place(chat_direction.CHAT_NEWEST), 2**32 - 1, 0),
        "000000016b00000000000003ffffffff00000000",
    ),
    "fetched": (
        fetch_res(
            OK,
            fetch_ok(
                [
                    chat_event(chat_kind.CHAT_OPENED, 1, 0, 1795393822791, "", "", "", 0, 0, "e-1"),
                    chat_event(
                        chat_kind.CHAT_DELETED, 300, 1, 1795393822999, "ann", "s", "oncrpc", 2, 17, ""
                    ),
                ],
                300,
            ),
        ),
        "0000000000000002000000010000000000000001000000000000000000000"
        "1a205cfa047000000000000000000000000000000000000000000000000000000000000000"
        "3652d310000000007000000000000012c0000000000000001000001a205cfa11700000003"
        "616e6e000000000173000000000000066f6e637270630000000000000000000200000000"
        "0000001100000000000000000000012c",
    ),
    "members": (
        members_res(OK, members_ok([chat_member("s1", "ann", "oncrpc")], True)),
        "0000000000000001000000027331000000000003616e6e00000000066f6e63727063000000000001",
    ),
    "seen": (
        seen_res(
            OK,
            seen_ok(
                [
                    seen_member(chat_member("s1", "ann", "oncrpc"), 17),
                    seen_member(chat_member("s2", "bob", "udp"), None),
                ],
                False,
            ),
        ),
        "0000000000000002000000027331000000000003616e6e00000000066f6e637270630000000000010000000000000011"
        "000000027332000000000003626f620000000003756470000000000000000000",
    ),
    "left": (leave_res(OK), "00000000"),
}
