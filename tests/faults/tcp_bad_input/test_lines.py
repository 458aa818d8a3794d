"""Bad lines over TCP: lines that mean nothing, and lines that are refused."""

import pytest

from tests.support.raw import Line, RawPeer, ended, still_there

pytestmark = pytest.mark.both_loops

# --- lines that mean nothing ---------------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:7010\r\nOrigin: http://evil.example\r\n\r\n"
FORM = b'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n{"kind":"hello","nick":"eve"}\r\n'
TLS = bytes.fromhex("16030100f8010000f40303") + b"\n" + bytes(range(200))
DEEP = b'{"x":' + 30_000 * b"[" + 30_000 * b"]" + b',"kind":"shout"}'
"""Too deep for a Python that counts; one that has stack enough, from 3.14 on, comes to the unknown kind."""

NONSENSE = {
    "an HTTP request": (HTTP, "not JSON"),
    "a web page's POST with a hello in it": (FORM, "not JSON"),
    "a TLS handshake": (TLS, "not JSON"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "not JSON"),
    "invalid UTF-8": (b'{"kind":"say","text":"\xc3("}\n', "not UTF-8: byte 0xc3"),
    "UTF-16": ('{"kind":"ping"}\n'.encode("utf-16"), "not JSON"),
    "a byte order mark": (b'\xef\xbb\xbf{"kind":"ping"}\n', "not JSON"),
    "no JSON": (b"hello, is anybody there?\n", "not JSON"),
    "JSON cut in two": (b'{"kind":"say","te\nxt":"hi"}\n', "not JSON"),
    "two values on a line": (b'{"kind":"ping"}{"kind":"ping"}\n', "not JSON"),
    "NUL": (b'{"kind":"say","text":"a\x00b"}\n', "not JSON"),
    "NULs only": (100 * b"\x00" + b"\n", "not JSON"),
    "control characters": (b"\x1b[2J\x07\x08\n", "not JSON"),
    "a list": (b"[]\n", "Expected `object`, got `array`"),
    "a number": (b"5\n", "Expected `object`, got `int`"),
    "no kind": (b'{"text":"hi"}\n', "required field `kind`"),
    "a kind that is no text": (b'{"kind":{}}\n', "`$.kind`"),
    "an unknown kind": (b'{"kind":"shout","text":"hi"}\n', "Invalid value 'shout'"),
    "the server's own kinds": (
        b'{"kind":"sent","seq":1,"prev":0,"at":0,"text":"hi"}\n',
        "Invalid value 'sent'",
    ),
    "a missing field": (b'{"kind":"say"}\n', "required field `text`"),
    "a text that is a number": (b'{"kind":"say","text":5}\n', "Expected `str`, got `int` - at `$.text`"),
    "a text that is null": (b'{"kind":"say","text":null}\n', "required field `text`"),
    "a number that is a text": (b'{"kind":"say","text":"x","n":"1"}\n', "Expected `int`, got `str`"),
    "a fraction": (b'{"kind":"say","text":"x","n":1.5}\n', "Expected `int`, got `float`"),
    "a negative number": (b'{"kind":"say","text":"x","n":-1}\n', "Expected `int` >= 0"),
    "a number over 2^53": (b'{"kind":"say","text":"x","n":9007199254740992}\n', "Expected `int` <= 9007"),
    "a number of 60,000 digits": (b'{"kind":"delete","id":' + 60_000 * b"9" + b"}\n", "wrong shape"),
    "deep nesting": (DEEP + b"\n", ""),
    "half a surrogate pair": (b'{"kind":"say","text":"\\ud800"}\n', "not JSON"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_before_the_hello_nonsense_ends_the_connection_with_the_reason(
    peer: RawPeer, name: str
) -> None:
    data, reason = NONSENSE[name]
    await peer.send(data)
    last = await ended(peer)
    assert (last["kind"], last["code"]) == ("error", "bad_request")
    assert reason in last["text"]
    assert len(last["text"]) < 400
    assert last["text"].isprintable()
    assert len(peer.lines) == 1, "only the first line counts"


@pytest.mark.parametrize("name", NONSENSE)
async def test_after_the_hello_nonsense_is_answered_and_the_connection_stays(
    peer: RawPeer, name: str
) -> None:
    data, reason = NONSENSE[name]
    await peer.enter("eve")
    await peer.send(data + b"\n")
    assert reason in (await peer.until("error", code="bad_request"))["text"]
    await still_there(peer)


# --- lines that are refused ----------------------------------------------------------------------


async def refused(peer: RawPeer, code: str, **message: object) -> Line:
    await peer.say(**message)
    error = await peer.until("error")
    assert (error["code"], error.get("n", 0)) == (code, message.get("n", 0))
    await still_there(peer)
    return error


@pytest.mark.parametrize(
    "text", ["a\0b", "\x1b[2J", "bell\a", "back\b", "c1 \x9b", "bidi \u202e", "line \u2028"]
)
async def test_a_character_that_could_act_is_refused_by_its_name(peer: RawPeer, text: str) -> None:
    await peer.enter("eve")
    error = await refused(peer, "bad_text", kind="say", text=text, n=3)
    bad = next(char for char in text if not char.isprintable())
    assert f"U+{ord(bad):04X}" in error["text"]


async def test_a_text_that_is_too_long_is_refused_with_its_size(peer: RawPeer) -> None:
    await peer.enter("eve")
    error = await refused(peer, "bad_text", kind="say", text="é" * 2001, n=1)
    assert "4002" in error["text"]
    assert "4000" in error["text"]


async def test_a_second_hello_is_refused_and_changes_nothing(peer: RawPeer) -> None:
    await peer.enter("eve")
    await refused(peer, "bad_request", kind="hello", nick="mallory")
    await peer.say(kind="say", text="still me")
    assert (await peer.until("sent"))["author"] == "eve"


@pytest.mark.parametrize("kind", ["say", "edit", "delete", "history", "members", "ping", "leave"])
async def test_a_line_before_the_hello_ends_the_connection(peer: RawPeer, kind: str) -> None:
    await peer.say(kind=kind, text="hi", id=1)
    last = await ended(peer)
    assert last["code"] == "bad_request"
    assert "hello" in last["text"]


async def test_a_number_used_twice_with_another_text_is_refused(peer: RawPeer) -> None:
    await peer.enter("eve")
    await peer.say(kind="say", text="one", n=1)
    await peer.until("sent", n=1)
    await refused(peer, "draft_conflict", kind="say", text="two", n=1)
