"""RPyC's bytes: what we write its library reads, what it writes we read, and anything else is refused."""

from __future__ import annotations

import inspect
import itertools
import sys
import zlib
from contextlib import suppress
from typing import Any

import pytest
import rpyc
from hypothesis import given
from hypothesis import strategies as st
from rpyc.core import brine, channel, consts, vinegar
from rpyc.core.protocol import Connection

from backends.rpyc import codec, service
from backends.rpyc.codec import HEADER, Callback, Framer, Local, Raised, Remote, Request, Returned
from backends.rpyc.protocol import RpycProtocol
from chat.domain.errors import ERRORS, BadRequest, NickTaken
from chat.domain.model import Cursor, Delete, Edit, Event, Limits, Member, Say, Welcome

FUNCTION = ("builtins.function", 94862349017504, 140318274112704)
EVENT = Event("sent", 17, 16, 1795393822791, "ann", "8503", "rpyc", 1, 17, "wörld")


def one(frame: bytes) -> codec.Message:
    """Return the one message of a frame."""
    (message,) = Framer().feed(frame)
    return codec.decode(message)


# --- what we rely on in the library --------------------------------------------------------------

WANTED = {
    "brine.dump": brine.dump((1, "x")),
    "brine.TAG_TUP2": brine.TAG_TUP2,
    "channel.Channel.FRAME_HEADER": channel.Channel.FRAME_HEADER.format,
    "channel.Channel.FLUSHER": channel.Channel.FLUSHER,
    "messages": (consts.MSG_REQUEST, consts.MSG_REPLY, consts.MSG_EXCEPTION),
    "labels": (
        consts.LABEL_VALUE,
        consts.LABEL_TUPLE,
        consts.LABEL_LOCAL_REF,
        consts.LABEL_REMOTE_REF,
    ),
    "handlers": (
        consts.HANDLE_PING,
        consts.HANDLE_CLOSE,
        consts.HANDLE_GETROOT,
        consts.HANDLE_GETATTR,
        consts.HANDLE_CALL,
        consts.HANDLE_CALLATTR,
        consts.HANDLE_DEL,
        consts.HANDLE_INSPECT,
    ),
    "consts.EXC_STOP_ITERATION": consts.EXC_STOP_ITERATION,
}
KNOWN = {
    "brine.dump": b"\x11\x51\x08\x0ax",
    "brine.TAG_TUP2": b"\x11",
    "channel.Channel.FRAME_HEADER": "!LB",
    "channel.Channel.FLUSHER": b"\n",
    "messages": (1, 2, 3),
    "labels": (1, 2, 3, 4),
    "handlers": (1, 2, 3, 4, 7, 8, 15, 16),
    "consts.EXC_STOP_ITERATION": 1,
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_library_still_is_what_the_wire_format_was_taken_from(name: str) -> None:
    version = rpyc.version.__version__
    assert WANTED[name] == KNOWN[name], f"RPyC {version} has another {name} than 6.0.2: look at codec.py"


class Wire:
    """A channel for the library's own connection, which keeps what it is given."""

    closed = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True


def test_a_call_is_what_the_library_writes() -> None:
    wire = Wire()
    stock = Connection(rpyc.VoidService(), wire)
    stock._async_request(consts.HANDLE_CALLATTR, ("root", "send", ("hello", 1), ()))
    ours = codec.request(0, consts.HANDLE_CALLATTR, ("root", "send", ("hello", 1), ()))
    assert Framer().feed(ours) == wire.sent
    stock._closed = True


def test_a_callback_is_what_the_library_writes() -> None:
    """Put together from parts, it is still the same bytes."""
    args = (Remote(FUNCTION), (), service.event_pairs(EVENT))
    whole = codec.request(300, consts.HANDLE_CALL, args)
    parts = Callback(Remote(FUNCTION)).frame(300, codec.keywords(service.event_pairs(EVENT)))
    assert parts == whole
    assert one(whole) == Request(300, consts.HANDLE_CALL, (Local(FUNCTION), *args[1:]))


@given(st.integers(0, codec.MAX_ID - 1))
def test_any_number_is_written_as_the_library_writes_it(number: int) -> None:
    whole = codec.request(number, consts.HANDLE_CALL, (Remote(FUNCTION), (), ()))
    assert Callback(Remote(FUNCTION)).frame(number, codec.keywords(())) == whole
    assert one(codec.returned(number, None)) == Returned(number, None)


@pytest.mark.parametrize("digits", [b"\x02300", b"\x04300", b"\x03-12", b"\x14" + 20 * b"9"])
def test_a_reply_with_a_wrong_number_is_refused(digits: bytes) -> None:
    reply = codec.returned(300, None)
    assert b"\x03300" in reply
    with pytest.raises(BadRequest):
        one(codec.frame(reply[HEADER.size : -1].replace(b"\x03300", digits)))


def test_a_callback_with_one_argument_is_what_the_library_writes() -> None:
    args = (Remote(FUNCTION), (service.event_pairs(EVENT),), ())
    callback = Callback(Remote(FUNCTION))
    callback.use_one_argument()
    parts = callback.frame(300, codec.keywords(service.event_pairs(EVENT)))
    assert parts == codec.request(300, consts.HANDLE_CALL, args)


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("send", (Remote(("app.Text", 1, 2)),)),
        ("login", ("ann", "lab", Remote(FUNCTION), "", (Local(FUNCTION), ""))),
    ],
    ids=["text", "within the cursor"],
)
def test_a_reference_in_place_of_a_value_is_told_what_to_do(method: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(BadRequest, match=r"came as a reference.*convert it"):
        service.call(method, args, ())


@pytest.mark.parametrize("callback", [None, "print", Local(FUNCTION)])
def test_what_is_no_function_of_the_clients_is_no_callback(callback: Any) -> None:
    with pytest.raises(BadRequest, match=r"callback is a function of yours.*\*\*event"):
        service.call("login", ("ann", "lab", callback), ())


def test_a_refusal_becomes_an_exception_in_the_library() -> None:
    error = NickTaken("ann is away", n=3, retry_after=7.5)
    frame = codec.raised(5, service.MODULE, "NickTaken", str(error), service.error_pairs(error))
    (message,) = Framer().feed(frame)
    _, content = brine.load(message[1:])
    loaded = vinegar.load(content, False, False, False)
    assert type(loaded).__mro__[1].__name__ == "chat.NickTaken"
    assert loaded.args == ("ann is away",)
    assert (loaded.code, loaded.n, loaded.retry_after) == ("nick_taken", 3, 7.5)


def test_an_exception_of_the_library_is_read_without_making_its_class() -> None:
    for error in (ValueError("no"), KeyError(5), OSError(), StopIteration()):
        content = vinegar.dump(type(error), error, None, True, True)
        raised = one(codec.frame(bytes([consts.MSG_EXCEPTION]) + brine.dump((4, content))))
        assert isinstance(raised, Raised)
        assert (raised.number, raised.name) == (4, type(error).__name__)
        assert raised.text == ("no" if isinstance(error, ValueError) else "")


# --- frames --------------------------------------------------------------------------------------

FRAMES = codec.returned(1, None) + codec.returned(2, 3000 * "x") + codec.returned(3, ("a", 1, None, 2.5))


@given(st.lists(st.integers(0, len(FRAMES)), max_size=8))
def test_any_slicing_gives_the_same_messages(cuts: list[int]) -> None:
    framer, messages = Framer(), []
    places = [0, *sorted(cuts), len(FRAMES)]
    for begin, end in itertools.pairwise(places):
        messages += framer.feed(FRAMES[begin:end])
    assert [codec.decode(message) for message in messages] == [
        Returned(1, None),
        Returned(2, 3000 * "x"),
        Returned(3, ("a", 1, None, 2.5)),
    ]


def test_what_the_library_deflates_is_inflated() -> None:
    message = bytes([consts.MSG_REPLY]) + brine.dump((1, (consts.LABEL_VALUE, 4000 * "x")))
    deflated = zlib.compress(message, 1)
    assert one(HEADER.pack(len(deflated), 1) + deflated + b"\n") == Returned(1, 4000 * "x")


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(65537, 0),
        HEADER.pack(len(large := zlib.compress(65537 * b"\0")), 1) + large + b"\n",
        HEADER.pack(len(half := zlib.compress(100 * b"x")[:-6]), 1) + half + b"\n",
        HEADER.pack(3, 1) + b"xyz\n",
        HEADER.pack(1, 0) + b"xx",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"kind":"hello","nick":"ann"}\n',
    ],
    ids=["too long", "inflates too far", "cut off", "not deflated", "no LF", "HTTP", "JSON"],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(BadRequest):
        codec.decode(*Framer().feed(frame))


def test_a_deflated_message_is_inflated_only_when_it_is_read() -> None:
    """Many may wait for their turn, and each may be much longer when it is inflated."""
    small = zlib.compress(1000 * b"x")
    messages = Framer().feed(3 * (HEADER.pack(len(small), 1) + small + b"\n"))
    assert sum(map(len, messages)) == 3 * len(small)


def test_a_frame_may_be_as_long_as_the_limit() -> None:
    assert Framer().feed(codec.frame(65536 * b"x")) == [65536 * b"x"]


# --- messages ------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_of_any_bytes_comes_a_message_or_a_refusal(data: bytes) -> None:
    with suppress(BadRequest):
        codec.decode(data)


@given(st.integers(1, 3), st.recursive(st.integers(-50, 200) | st.text(max_size=3), st.tuples))
def test_of_any_brine_comes_a_message_or_a_refusal(kind: int, content: Any) -> None:
    with suppress(BadRequest):
        codec.decode(bytes([kind]) + brine.dump((1, content)))


@pytest.mark.parametrize(
    "box",
    [
        (consts.LABEL_LOCAL_REF, "x"),
        (consts.LABEL_LOCAL_REF, (1, 2, 3)),
        (consts.LABEL_REMOTE_REF, ("x" * 257, 2, 3)),
        (consts.LABEL_REMOTE_REF, ("x", 2**64, 3)),
        (consts.LABEL_REMOTE_REF, ("x", 2, True)),
        (consts.LABEL_TUPLE, "xy"),
        (5, None),
    ],
)
def test_a_box_of_no_shape_is_refused(box: Any) -> None:
    with pytest.raises(BadRequest):
        codec.decode(bytes([consts.MSG_REPLY]) + brine.dump((1, box)))


@pytest.mark.parametrize("number", [-1, 2**64, "1", None, True])
def test_a_message_needs_a_number(number: Any) -> None:
    with pytest.raises(BadRequest):
        codec.decode(bytes([consts.MSG_REPLY]) + brine.dump((number, (consts.LABEL_VALUE, None))))


def test_nesting_beyond_the_stack_is_refused() -> None:
    """200 levels, and a stack that holds fewer of them."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        with pytest.raises(BadRequest):
            codec.decode(bytes([consts.MSG_REPLY]) + 200 * brine.TAG_TUP1 + brine.dump(None))
    finally:
        sys.setrecursionlimit(limit)


def test_what_is_mine_here_is_the_peers_there() -> None:
    value = (Local(("a", 1, 2)), ("by value", Remote(("b", 3, 4))), 5)
    assert one(codec.returned(1, value)) == Returned(
        1, (Remote(("a", 1, 2)), ("by value", Local(("b", 3, 4))), 5)
    )


# --- the service ---------------------------------------------------------------------------------


def test_arguments_come_by_place_or_by_name() -> None:
    for args, kwargs in (((3, "x", 7), ()), ((3,), (("n", 7), ("text", "x")))):
        assert service.call("edit", args, kwargs) == Edit(3, "x", 7)
    assert service.call("send", ("x",), ()) == Say("x")
    assert service.call("delete", (3,), ()) == Delete(3)


@pytest.mark.parametrize(
    ("cursor", "wanted"), [(None, None), (5, Cursor(5)), ((5, "epoch"), Cursor(5, "epoch"))]
)
def test_a_cursor_is_a_seq_or_a_seq_and_an_epoch(cursor: Any, wanted: Cursor | None) -> None:
    login = service.call("login", ("ann", "lab", Remote(FUNCTION)), (("cursor", cursor),))
    assert isinstance(login, service.Login)
    assert login.hello().cursor == wanted


@pytest.mark.parametrize(
    ("method", "args", "kwargs"),
    [
        ("send", (), ()),
        ("send", (5,), ()),
        ("send", ("x", True), ()),
        ("send", ("x", -1), ()),
        ("send", ("x", 2**53), ()),
        ("send", ("x", 1, 2), ()),
        ("send", ("x",), (("text", "y"),)),
        ("send", ("x",), (("loud", 1),)),
        ("send", ("x",), ((5, 1),)),
        ("send", ("x",), ("n",)),
        ("send", (Remote(("builtins.str", 1, 2)),), ()),
        ("members", (1,), ()),
        ("login", ("ann", "lab", None), ()),
        ("login", ("ann", "lab", Local(FUNCTION)), ()),
        ("login", ("ann", "lab", Remote(FUNCTION)), (("cursor", (1, 2)),)),
        ("login", ("ann", "lab", Remote(FUNCTION)), (("cursor", "1"),)),
        ("history", (), (("limit", None),)),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(method: str, args: Any, kwargs: Any) -> None:
    with pytest.raises(BadRequest, match=method):
        service.call(method, args, kwargs)


def test_values_come_back_as_they_were() -> None:
    def over(value: Any) -> Any:
        message = one(codec.returned(1, value))
        assert isinstance(message, Returned)
        return message.value

    members = (Member("8503", "ann", "rpyc"), Member("77", "bob", "tcp"))
    welcome = Welcome("lab", "ann", "8503", "key", "epoch", 1, 17, 4, members, Limits())
    for _ in range(2):
        reply = one(codec.returned_brine(7, service.welcome_brine(welcome)))
        assert isinstance(reply, Returned)
        assert reply.number == 7
        assert service.welcome_of(reply.value) == welcome
    assert service.members_of(over(service.member_pairs(members))) == list(members)
    opened = Event("opened", 1, 0, 5, text="epoch")
    assert service.events_of(over((service.event_pairs(EVENT), service.event_pairs(opened)))) == [
        EVENT,
        opened,
    ]


@pytest.mark.parametrize("page", [5, "x", (5,), ((("kind", "sent"),),), ((("kind", 5),),)])
def test_a_server_that_returns_something_else_is_no_chat_server(page: Any) -> None:
    with pytest.raises(BadRequest):
        service.events_of(page)


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_comes_back_as_itself(code: str) -> None:
    kind = ERRORS[code]
    error = kind("it is so", n=3, retry_after=2.0)
    raised = one(codec.raised(1, service.MODULE, kind.__name__, str(error), service.error_pairs(error)))
    assert isinstance(raised, Raised)
    for back in (service.error_of(raised), service.reason_of(dict(service.last_words(error)))):
        assert (type(back), str(back), back.retry_after) == (kind, "it is so", 2.0)


def test_an_error_that_nobody_knows_is_told_by_its_name() -> None:
    error = service.error_of(Raised(1, "Zero\x1bDivision", "by zero", {}))
    assert str(error) == "the server raised Zero\\u001bDivision: by zero"


def test_eight_requests_are_served_and_no_others() -> None:
    """Whoever adds one makes reachable what RPyC does by it."""
    served = {name for name in RpycProtocol._serve.__code__.co_names if name.startswith("HANDLE_")}
    eight = ("CALL", "CALLATTR", "CLOSE", "DEL", "GETATTR", "GETROOT", "INSPECT", "PING")
    assert served == {f"HANDLE_{name}" for name in eight}
