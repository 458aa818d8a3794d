"""RPyC's protocol without I/O: who may ask for what, and in how many pieces the answers are sent."""

from __future__ import annotations

from typing import Any

import pytest
from rpyc.core import brine, consts

from backends.rpyc import codec
from backends.rpyc.codec import Framer, Local, Raised, Remote, Request, Returned
from backends.rpyc.protocol import Exposed, NoSuchName, RpycProtocol
from chat.domain.errors import BadRequest

ROOT = Local(("test.Root", 1, 1))
METHOD = Local(("builtins.method", 2, 1))


class Shop(Exposed):
    """Exposes one method, and keeps how it was called."""

    def __init__(self) -> None:
        self.protocol = RpycProtocol(self, codec.MAX_FRAME)
        self.calls: list[tuple[Any, ...]] = []
        self.closed = False

    def root(self) -> Local:
        return ROOT

    def attribute(self, target: Any, name: Any) -> Local:
        if (target, name) == (ROOT, "buy"):
            return METHOD
        raise NoSuchName("only buy")

    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        return (("buy", "Buys."),) if name == ROOT.name else ()

    def hint(self) -> str:
        return "call buy"

    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        if target != METHOD:
            raise BadRequest("not for sale")
        self.calls.append((args, kwargs))
        self.protocol.reply(number, len(self.calls))

    def peer_closes(self) -> None:
        self.closed = True

    def answer(self, handler: int, *args: Any) -> Any:
        """Serve a request; return the one answer."""
        self.protocol.serve(Request(7, handler, args))
        answer = codec.decode(*Framer().feed(b"".join(self.protocol.data_to_send())))
        assert isinstance(answer, Returned | Raised)
        assert answer.number == 7
        return answer


@pytest.mark.parametrize(
    ("handler", "args"),
    [(consts.HANDLE_CALLATTR, (ROOT, "buy", ("tea",))), (consts.HANDLE_CALL, (METHOD, ("tea",)))],
    ids=["by name", "by method"],
)
def test_a_method_is_called_by_its_name_or_as_an_object(handler: int, args: tuple[Any, ...]) -> None:
    shop = Shop()
    assert shop.answer(handler, *args) == Returned(7, 1)
    assert shop.answer(handler, *args, (("sugar", 2),)) == Returned(7, 2)
    assert shop.calls == [(("tea",), ()), (("tea",), (("sugar", 2),))]


def test_a_name_that_is_not_exposed_is_an_attribute_error() -> None:
    for handler, args in ((consts.HANDLE_GETATTR, ()), (consts.HANDLE_CALLATTR, ((),))):
        answer = Shop().answer(handler, ROOT, "steal", *args)
        assert (answer.name, answer.text) == ("AttributeError", "only buy")


@pytest.mark.parametrize(
    ("handler", "args"),
    [
        (consts.HANDLE_CALL, (ROOT, ())),
        (consts.HANDLE_CALL, (METHOD,)),
        (consts.HANDLE_CALL, (METHOD, "no tuple")),
        (consts.HANDLE_CALL, (METHOD, (), "no pairs")),
        (consts.HANDLE_GETATTR, (ROOT,)),
        (consts.HANDLE_DIR, (ROOT,)),
        (1000, ()),
    ],
    ids=[
        "no method",
        "no arguments",
        "wrong arguments",
        "wrong keywords",
        "no name",
        "not served",
        "unknown",
    ],
)
def test_what_is_not_served_is_refused(handler: int, args: tuple[Any, ...]) -> None:
    shop = Shop()
    assert shop.answer(handler, *args).name == "BadRequest"
    assert shop.calls == []


def test_what_is_not_served_is_named_with_what_to_do_instead() -> None:
    assert (
        Shop().answer(consts.HANDLE_REPR, ROOT).text == "request 9 of RPyC (repr) is not supported: call buy"
    )
    assert Shop().answer(1000).text == "request 1000 of RPyC (unknown) is not supported: call buy"


def test_an_rpyc_before_4_1_is_told_so_when_it_asks_for_an_object_by_its_number() -> None:
    assert "pip install 'rpyc>=4.1'" in Shop().answer(consts.HANDLE_INSPECT, "test.Root").text
    assert Shop().answer(consts.HANDLE_INSPECT, ROOT.name) == Returned(7, (("buy", "Buys."),))


# --- older peers ---------------------------------------------------------------------------------


def older(frame: bytes) -> bytes:
    """Return a frame of RPyC 6 as RPyC 5 writes it: its own code dumps one tuple of three."""
    (message,) = Framer().feed(frame)
    return codec.frame(brine.dump((message[0], *brine.load(message[1:]))))


def test_a_peer_that_begins_in_the_older_form_is_answered_in_it() -> None:
    shop = Shop()
    shop.protocol = RpycProtocol(shop, codec.MAX_FRAME, serves_older=True)
    ask = codec.request(7, consts.HANDLE_CALLATTR, (Remote(ROOT.name), "buy", ("tea",), ()))
    (message,) = shop.protocol.receive_data(older(ask))
    request = shop.protocol.decode(message)
    assert isinstance(request, Request)
    shop.protocol.serve(request)
    shop.protocol.request(consts.HANDLE_PING, "")
    shop.protocol.refuse(8, BadRequest("sold out"))
    refusal = codec.raised(8, "chat", "BadRequest", "sold out", (("code", "bad_request"),))
    ours = (codec.returned(7, 1), codec.request(1, consts.HANDLE_PING, ("",)), refusal)
    assert shop.protocol.data_to_send() == [b"".join(map(older, ours))]


def test_a_side_that_serves_no_older_peer_refuses_its_messages() -> None:
    shop = Shop()
    (message,) = shop.protocol.receive_data(older(codec.request(7, consts.HANDLE_PING, ("",))))
    with pytest.raises(BadRequest, match="not a message of RPyC 6"):
        shop.protocol.decode(message)


def test_it_tells_its_root_and_its_methods() -> None:
    shop = Shop()
    assert shop.answer(consts.HANDLE_PING, "x") == Returned(7, "x")
    assert shop.answer(consts.HANDLE_GETROOT).value == codec.Remote(ROOT.name)
    assert shop.answer(consts.HANDLE_INSPECT, ROOT.name).value == (("buy", "Buys."),)
    assert shop.answer(consts.HANDLE_DEL, ROOT, 1) == Returned(7, None)


def test_a_close_has_no_answer() -> None:
    shop = Shop()
    shop.protocol.serve(Request(7, consts.HANDLE_CLOSE, ()))
    assert shop.closed
    assert shop.protocol.data_to_send() == []


def test_what_is_collected_is_sent_in_one_piece_and_over_tls_in_frames() -> None:
    frames = [codec.returned(1, None), codec.returned(2, "x")]
    for separate, wanted in ((False, [b"".join(frames)]), (True, frames)):
        protocol = Shop().protocol
        protocol.separate = separate
        for frame in frames:
            protocol.send(frame)
        assert protocol.bytes_to_send == sum(map(len, frames))
        assert protocol.data_to_send() == wanted
        assert (protocol.data_to_send(), protocol.bytes_to_send) == ([], 0)


def test_own_requests_are_numbered_and_a_text_without_bytes_takes_no_number() -> None:
    protocol = Shop().protocol
    assert protocol.request(consts.HANDLE_PING, "") == 1
    with pytest.raises(UnicodeEncodeError):
        protocol.request(consts.HANDLE_PING, "\ud800")
    assert protocol.request(consts.HANDLE_PING, "") == 2


def test_after_bytes_that_are_no_frame_nothing_is_kept() -> None:
    protocol = Shop().protocol
    with pytest.raises(BadRequest):
        protocol.receive_data(codec.HEADER.pack(codec.MAX_FRAME + 1, 0) + 100 * b"x")
    assert protocol._framer._rest == b""
