"""What of a request reaches the XML parser, and in which encoding."""

from __future__ import annotations

import pytest

from backends.soap import xml_reader
from backends.soap.xml_reader import Refused, parse

TYPED = b'<!DOCTYPE x [<!ENTITY e "hi">]><x>&e;</x>'


@pytest.mark.parametrize(
    "data", [TYPED, b"\xef\xbb\xbf" + TYPED, TYPED.decode().encode("utf-16"), b"<!-- --> <?x ?>" + TYPED]
)
def test_a_document_type_is_refused_before_anything_is_parsed(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser could open what it names."""
    monkeypatch.setattr(xml_reader, "etree", None)
    with pytest.raises(Refused, match="no document type"):
        parse(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf_8_and_utf_16_are_read(encoding: str) -> None:
    assert parse("<x>wörld</x>".encode(encoding)).text == "wörld"


def test_another_encoding_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match="encoding koi8-r is not supported: send UTF-8"):
        parse(b'<?xml version="1.0" encoding="koi8-r"?><x/>')
