"""XML that is malformed or forbidden, over SOAP: each gets a fault of the sender."""

from __future__ import annotations

import pytest

from backends.soap.conversion import TNS
from chat.server.hub import Hub
from tests.support.soap_peer import TYPES, SoapPeer, envelope, last_text, refused, request, text_of

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("technique", ["soap"], indirect=True)]

XSI = "http://www.w3.org/2001/XMLSchema-instance"

# --- not XML, or a document type -----------------------------------------------------------------

DEPTH = 256 - 2
"""Elements that may be nested in a Body: the parser allows 256, and Envelope and Body are two of them."""
NAME = 50_000
"""Bytes of an element's name, at most."""
NOT_XML = {
    "nothing": b"",
    "blanks": b"  \n ",
    "a word": b"hello",
    "JSON": b'{"seatKey": "x"}',
    "half an envelope": envelope("<x/>")[:-12],
    "two documents": envelope("<x/>") * 2,
    "an element that is not closed": envelope("<x>"),
    "a prefix that nobody declared": envelope("<x:y/>"),
    "an attribute twice": envelope('<x a="1" a="2"/>'),
    "one level too deep": envelope("<a>" * (DEPTH + 1) + "</a>" * (DEPTH + 1)),
    "a name that is too long": envelope(f"<{'a' * (NAME + 1)}/>"),
    "an entity that nobody declared": envelope("<x>&other;</x>"),
    "a character reference of zero": envelope("<x>&#0;</x>"),
    "a character reference to a surrogate": envelope("<x>&#xD800;</x>"),
    "a character reference to a control character": envelope("<x>&#7;</x>"),
    "the same in XML 1.1": b'<?xml version="1.1"?>' + envelope("<x>&#7;</x>"),
    "a zero byte": envelope("<x>\0</x>"),
    "not UTF-8": envelope("<x>Q</x>").replace(b"Q", b"\xff\xfe"),
    "half a character of UTF-8": envelope("<x>Q</x>").replace(b"Q", b"\xe2\x82"),
    "U+FFFF": envelope("<x>\uffff</x>"),
}


@pytest.mark.parametrize("what", NOT_XML)
async def test_what_is_no_xml_is_refused(peer: SoapPeer, what: str) -> None:
    assert (await refused(peer, NOT_XML[what])).startswith("not XML: ")


async def test_the_deepest_nesting_is_read(peer: SoapPeer) -> None:
    data = envelope("<a>" * DEPTH + "</a>" * DEPTH, version=peer.version)
    assert "no operation" in await refused(peer, data)


TYPED = {
    "a document type": "<!DOCTYPE x>",
    "one behind all that may precede it": "<?xml version='1.0'?> <!-- <x> --><?y <x> ?>\n<!DOCTYPE x>",
    "an entity": '<!DOCTYPE x [<!ENTITY e "hi">]>',
    "a default of an attribute": '<!DOCTYPE x [<!ATTLIST x y CDATA "z">]>',
}


@pytest.mark.parametrize("what", TYPED)
async def test_a_document_type_is_refused(peer: SoapPeer, key: str, what: str) -> None:
    data = TYPED[what].encode() + text_of(peer, key, "&e;" if what == "an entity" else "hi")
    typed = "a SOAP message has no document type"
    assert await refused(peer, data) == typed
    wide = data.decode().encode("utf-16")
    assert await refused(peer, wide, TYPES[peer.version]) == typed
    assert await refused(peer, b"\xef\xbb\xbf" + data) == typed


async def test_the_words_of_a_document_type_are_a_text_like_any_other(
    peer: SoapPeer, key: str, hub: Hub
) -> None:
    raw = "<![CDATA[<!DOCTYPE x>]]><!-- <!DOCTYPE x> -->"
    assert (await peer.post(text_of(peer, key, raw))).status == 200
    assert (await last_text(hub)) == "<!DOCTYPE x>"


@pytest.mark.parametrize("prolog", [b"<!-- -->", b"<?x ?>", b"<!--", b"<?x ", b" "])
async def test_what_precedes_the_root_is_read_once(peer: SoapPeer, prolog: bytes) -> None:
    """A pattern that tried every way to read it would not come to an end, even for a hundred pieces."""
    answer = await peer.post(prolog * 100 + envelope(request("Ping"), version=peer.version))
    assert answer.status in (200, 400, 500)


async def test_a_place_that_a_document_names_is_not_looked_up(peer: SoapPeer, key: str) -> None:
    include = '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="nowhere.xml"/>'
    await refused(peer, text_of(peer, key, include))
    located = f'<Ping xmlns="{TNS}" xmlns:i="{XSI}" i:schemaLocation="{TNS} nowhere.xsd"/>'
    styled = b'<?xml-stylesheet href="nowhere.css"?>' + envelope(located, version=peer.version)
    assert (await peer.post(styled)).status == 200


GOOD = {
    "a comment": ("he<!-- <b> -->llo", "hello"),
    "a processing instruction": ("he<?boom now?>llo", "hello"),
    "a section of character data": ("<![CDATA[</text> & <b>]]>", "</text> & <b>"),
    "references": ("&lt;&#104;&#x65;llo&gt; &amp;", "<hello> &"),
    "blanks": ("  a\tb\n", "  a\tb\n"),
    "a line end of Windows": ("a\r\nb", "a\nb"),
}


@pytest.mark.parametrize("what", GOOD)
async def test_a_text_is_what_xml_says_it_is(peer: SoapPeer, key: str, hub: Hub, what: str) -> None:
    raw, text = GOOD[what]
    assert (await peer.post(text_of(peer, key, raw))).status == 200
    assert (await last_text(hub)) == text


@pytest.mark.parametrize("n", ["0" * 4300 + "1", "+" + "0" * 4300 + "1", "\n 01 ", "+1"])
async def test_a_number_is_what_xml_says_it_is(peer: SoapPeer, key: str, n: str) -> None:
    """Python's `int` takes 4,300 digits."""
    assert (await peer.call("Send", seatKey=key, n=n, text="hi")).findtext(f"{{{TNS}}}n") == "1"


async def test_a_number_below_zero_by_its_sign_only_is_zero(peer: SoapPeer, key: str) -> None:
    assert (await peer.call("Fetch", seatKey=key, after="-0", limit=1, wait=0)) is not None


# --- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "us-ascii"])
async def test_a_message_may_come_in_utf_8_and_utf_16(
    peer: SoapPeer, key: str, hub: Hub, encoding: str
) -> None:
    declared = {"utf-8-sig": "utf-8", "us-ascii": "us-ascii"}.get(encoding, "utf-16")
    text = "hello" if encoding == "us-ascii" else "wörld 🦜"
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    document = f'{mark}<?xml version="1.0" encoding="{declared}"?>{text_of(peer, key, text).decode()}'
    answer = await peer.post(document.encode(encoding), TYPES[peer.version])
    assert (answer.status, await last_text(hub)) == (200, text)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "koi8-r", "klingon", "utf-32", "utf-7"])
async def test_other_encodings_are_refused(peer: SoapPeer, key: str, encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + text_of(peer, key, "hi")
    await refused(peer, document, TYPES[peer.version])


async def test_an_encoding_that_the_bytes_have_not_is_refused(peer: SoapPeer, key: str) -> None:
    document = b'<?xml version="1.0" encoding="UTF-16"?>' + text_of(peer, key, "hi")
    await refused(peer, document, TYPES[peer.version])


async def test_a_byte_order_mark_tells_more_than_the_content_type(peer: SoapPeer, key: str) -> None:
    """RFC 7303, section 3.3."""
    data = text_of(peer, key, "hi").decode().encode("utf-16")
    assert (await peer.post(data, f"{TYPES[peer.version]}; charset=utf-8")).status == 200
