"""The access token as clients show it: any text, as it is or percent-encoded; a scheme in any case."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.access_token import bearer_token, is_token

TOKENS = ["sesame-7", "100%25-mine", "50% off", "Sesam, öffne dich", "%", "a+b"]


@pytest.mark.parametrize("token", TOKENS)
def test_it_is_taken_as_it_is_and_percent_encoded(token: str) -> None:
    assert is_token(token, token)
    assert is_token(quote(token, safe=""), token)
    assert is_token(quote(token, safe="").replace("%C3", "%c3"), token)


@pytest.mark.parametrize(
    "shown", ["", "sesame", "Sesame-7", "sesame-77", "sesame%2D", "\ud800", "%FF", "sesame-7%00"]
)
def test_another_text_is_not_the_token(shown: str) -> None:
    assert not is_token(shown, "sesame-7")


def test_it_is_decoded_once() -> None:
    assert not is_token("100%2525-mine", "100%-mine")
    assert not is_token("a+b", "a b")


@given(st.text(), st.text(min_size=1))
def test_any_text_is_compared(shown: str, token: str) -> None:
    try:
        encoded = quote(token, safe="")
    except UnicodeEncodeError:
        return
    assert is_token(encoded, token)
    is_token(shown, token)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("Bearer open sesame", "open sesame"),
        ("Bearer", ""),
        ("Basic abc", ""),
        ("Bearerabc", ""),
        ("", ""),
    ],
)
def test_the_scheme_has_any_case(value: str, shown: str) -> None:
    assert bearer_token(value) == shown
