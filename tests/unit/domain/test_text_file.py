"""Text files from any editor on any system: byte order marks (RFC 3629, section 6; RFC 2781, section 3.2)."""

from __future__ import annotations

import pytest

from chat.domain.text_file import decoded, has_mark

TEXT = "größe = 1\r\n"


@pytest.mark.parametrize("mark", ["", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_says_what_the_encoding_is(mark: str) -> None:
    data = {
        "": TEXT.encode(),
        "utf-8-sig": TEXT.encode("utf-8-sig"),
        "utf-16-le": b"\xff\xfe" + TEXT.encode("utf-16-le"),
        "utf-16-be": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    }[mark]
    assert decoded(data) == TEXT
    assert has_mark(data) == bool(mark)


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea", b"\xef\xbb\xbf\xff"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(data)
