"""The settings of REST."""

from __future__ import annotations

import pytest

from backends.rest import read_origins


def test_origins_are_read_as_browsers_write_them() -> None:
    assert read_origins("") == frozenset()
    assert read_origins(" http://Localhost:5173 ,https://chat.example") == {
        "http://localhost:5173",
        "https://chat.example",
    }


@pytest.mark.parametrize(
    "text", ["*", "null", "localhost:5173", "http://a/", "http://a/b", "ftp://a", "http://", "a,b"]
)
def test_what_is_no_origin_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write http://HOST\[:PORT\]"):
        read_origins(text)
