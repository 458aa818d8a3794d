"""The domain as JSON: what goes in comes out, and any bytes give a value or `BadRequest`, nothing else."""

from __future__ import annotations

import json
from random import Random
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from chat.domain import json_codec as codec
from chat.domain import model
from chat.domain.errors import ERRORS, BadRequest, ChatError, Full
from chat.domain.json_codec import (
    ErrorMessage,
    HelloMessage,
    decode_body,
    decode_request,
    decode_response,
    encode,
)
from chat.domain.model import Cursor, Event, Hello, Limits, Member, SeatState, Welcome
from chat.domain.validation import printable

NUMBER = st.integers(0, 2**53 - 1)
SECONDS = st.floats(0, 1e6).map(lambda seconds: round(seconds, 3))
FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBER,
    float: SECONDS,
    int | None: st.none() | NUMBER,
    float | None: st.none() | SECONDS,
}


def values(*kinds: Any) -> st.SearchStrategy[Any]:
    """Any value of these structs, every field filled."""

    def fields(kind: Any) -> dict[str, st.SearchStrategy[Any]]:
        hints = {name: hint for name, hint in get_type_hints(kind).items() if name in kind.__struct_fields__}
        return {name: FIELDS.get(hint, st.from_type(hint)) for name, hint in hints.items()}

    return st.sampled_from(kinds).flatmap(lambda kind: st.builds(kind, **fields(kind)))


# Parts of others, where from_type would count below 0.
for inner in (Cursor, Event, Limits, Member, SeatState):
    st.register_type_strategy(inner, values(inner))

EVENT = values(Event)
BODY = values(*get_args(model.Body))
REQUEST = values(*get_args(codec.Request))
RESPONSE = values(*get_args(codec.Response))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["say", "hello", "sent"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["kind", "n", "text"]), inner)
    ),
    max_leaves=12,
)
DECODERS = (decode_request, decode_response, decode_body)

# --- what goes in comes out --------------------------------------------------------------------


@given(REQUEST)
def test_a_request_comes_back(request_: Struct) -> None:
    assert decode_request(encode(request_)) == request_


@given(RESPONSE)
def test_a_response_comes_back(response: Struct) -> None:
    assert decode_response(encode(response)) == response


@given(BODY)
def test_a_body_of_the_log_comes_back(body: Struct) -> None:
    assert decode_body(encode(body)) == body


@given(st.lists(EVENT))
def test_events_come_back_one_a_line(events: list[Event]) -> None:
    *lines, rest = codec.encode_lines(events).split(b"\n")
    assert rest == b""
    assert [decode_response(line) for line in lines] == events


@given(st.one_of(EVENT, RESPONSE), st.randoms(use_true_random=False))
def test_a_message_of_a_server_is_understood_in_any_order_of_its_fields(
    value: Struct, random: Random
) -> None:
    fields = list(json.loads(encode(value)).items())
    random.shuffle(fields)
    assert decode_response(json.dumps(dict(fields)).encode()) == value


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b' {"kind" : "pong", "ref": 3}', codec.PongMessage),
        (b'{"kind":"p\\u006fng","ref":3}', codec.PongMessage),
        (b'{"kind":"s\\u0065nt","seq":1,"prev":0,"at":0}', Event),
        (b'{"kind":"sent","seq":1,"prev":0,"at":0,"kind":"left"}', Event),
    ],
    ids=["with blanks", "a response, escaped", "an event, escaped", "twice"],
)
def test_a_kind_is_understood_however_it_is_written(line: bytes, kind: type[Struct]) -> None:
    assert type(decode_response(line)) is kind


@given(st.one_of(REQUEST, RESPONSE, BODY))
def test_nothing_on_the_wire_holds_a_newline(value: Struct) -> None:
    assert b"\n" not in encode(value)


@given(values(Hello))
def test_a_hello_comes_back(hello: Hello) -> None:
    message = decode_request(encode(HelloMessage.of(hello)))
    assert isinstance(message, HelloMessage)
    assert message.hello() == hello


@given(values(Welcome))
def test_a_welcome_comes_back(welcome: Welcome) -> None:
    message = decode_response(codec.encode_welcome(welcome))
    assert isinstance(message, codec.WelcomeMessage)
    assert message.welcome() == welcome


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_comes_back_as_what_it_was(code: str) -> None:
    sent = ERRORS[code]("out of luck", n=7, retry_after=1.5)
    message = decode_response(encode(ErrorMessage.of(sent, ref=3)))
    assert isinstance(message, ErrorMessage)
    got = message.error()
    assert (type(got), str(got), got.n, got.retry_after, message.ref) == (
        ERRORS[code],
        "out of luck",
        7,
        1.5,
        3,
    )


# --- what peers may send -----------------------------------------------------------------------


def refusal(decode: Any, data: bytes) -> str | None:
    """Return the error's text; None if the bytes were understood. Any other error comes through."""
    try:
        decode(data)
    except BadRequest as error:
        return str(error)
    return None


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_value_or_a_text_for_the_sender(decode: Any, data: bytes) -> None:
    said = refusal(decode, data)
    assert said is None or (said == printable(said) and "\n" not in said and 0 < len(said) < 256)


@given(REQUEST, st.data())
def test_a_damaged_request_gives_a_value_or_a_text_for_the_sender(value: Struct, data: st.DataObject) -> None:
    line = bytearray(encode(value))
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    refusal(decode_request, bytes(line))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not JSON"),
        (b"GET / HTTP/1.1", "not JSON: invalid character (byte 0)"),
        (b'{"kind":"say","text":"hi"', "not JSON: Input data was truncated"),
        (b'{"kind":"say","text":"hi"} x', "not JSON: trailing characters"),
        (b'{"kind":"say","text":"a\x00b"}', "not JSON: invalid character"),
        (b'{"kind":"say","text":"\xff"}', "not UTF-8: byte 0xff"),
        (b'{"kind":"say","text":"\\ud800."}', "or a surrogate"),
        (
            b'{"kind":"say","text":"\\ud800 is no character"}',
            "unexpected end of escaped utf-16 surrogate pair",
        ),
        (b"[" * 50_000, "nested too deeply: 64 levels are allowed"),
        (b'{"kind":"say","x":' + b"[" * 5_000_000, "nested too deeply: 64 levels are allowed"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `kind`"),
        (b'{"kind":"shout"}', "Invalid value 'shout' - at `$.kind`"),
        (b'{"kind":"sh\\u001bout"}', "Invalid value 'sh\\u001bout'"),
        (b'{"kind":"say"}', "missing required field `text`"),
        (b'{"kind":"say","text":5}', "Expected `str`, got `int` - at `$.text`"),
        (b'{"kind":"say","text":"hi","n":-1}', "Expected `int` >= 0 - at `$.n`"),
        (b'{"kind":"say","text":"hi","n":1.5}', "Expected `int`, got `float` - at `$.n`"),
        (b'{"kind":"say","text":"hi","n":9007199254740992}', "Expected `int` <= 9007199254740991"),
        (b'{"kind":"say","text":"hi","n":' + b"9" * 5000 + b"}", "out of range - at `$.n`"),
        (b'{"kind":"sent","seq":1,"prev":0,"at":0}', "Invalid value 'sent'"),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_the_error_says_what_is_wrong_and_where(line: bytes, said: str) -> None:
    assert said in (refusal(decode_request, line) or "")


def test_a_long_value_is_not_sent_back_at_length() -> None:
    said = refusal(decode_request, b'{"kind":"' + b"\\u001b" * 5000 + b'"}')
    assert said is not None
    assert len(said) < 256
    assert said.endswith("at `$.kind`")


def test_a_text_that_is_shortened_joins_nothing_to_what_stands_for_its_middle() -> None:
    assert codec.shorten("ab\u200d" + "c" * 20, 6) == "ab ... ccc"


def test_unknown_fields_are_left_for_newer_peers() -> None:
    assert decode_request(b'{"kind":"say","text":"hi","mood":{"a":[1]}}') == model.Say("hi")


def test_an_unknown_error_is_an_error_still() -> None:
    error = ErrorMessage("brand_new", "no coffee").error()
    assert (type(error), str(error)) == (ChatError, "no coffee")


def test_an_error_from_a_peer_cannot_move_the_terminal() -> None:
    assert str(ErrorMessage("full", "\x1b[2Jgone").error()) == "\\u001b[2Jgone"


def test_the_time_to_try_again_is_told_in_milliseconds() -> None:
    assert ErrorMessage.of(Full("full", retry_after=1.23456)).retry_after == 1.235


# --- for people and scripts --------------------------------------------------------------------


@given(values(Event), st.text(), st.text())
def test_an_event_for_scripts_is_one_line_with_every_field(event: Event, room: str, epoch: str) -> None:
    line = codec.event_json(event, room, epoch)
    fields = {name: getattr(event, name) for name in Event.__struct_fields__}
    assert json.loads(line) == {"room": room, "epoch": epoch, **fields}
    assert "\n" not in line
    assert line == printable(line)
