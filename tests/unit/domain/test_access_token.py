"""The access token as clients show it: any text, as it is or percent-encoded; a scheme in any case."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.access_token import bearer_token, is_token, new_words, same_words
from chat.domain.word_list import WORDS

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


# --- four words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "apple-river-moon-stove",
        "Apple River MOON stove",
        "  apple,  river; moon _stove ",
        "apple%20River%20moon-stove",
    ],
)
def test_four_words_are_taken_however_they_are_typed(typed: str) -> None:
    typed = typed.replace("river", "robin").replace("River", "Robin").replace("stove", "storm")
    assert is_token(typed, "apple-robin-moon-storm")
    assert is_token(typed, "Apple Robin moon storm")


@pytest.mark.parametrize(
    "typed", ["apple-robin-moon", "apple-robin-moon-storms", "robin-apple-moon-storm", ""]
)
def test_other_words_are_another_token(typed: str) -> None:
    assert not is_token(typed, "apple-robin-moon-storm")


def test_what_is_not_four_known_words_is_compared_to_the_letter() -> None:
    assert not is_token("apple robin moon xylem", "apple-robin-moon-xylem")
    assert not is_token("Sesame-7", "sesame-7")


def test_the_words_can_be_told_apart_and_are_forty_bits() -> None:
    assert len(set(WORDS)) >= 1024
    assert len({word[:4] for word in WORDS}) == len(WORDS)
    assert all(4 <= len(word) <= 9 and word.isascii() and word.islower() for word in WORDS)
    shorter = {word[:place] + word[place + 1 :]: word for word in WORDS for place in range(len(word))}
    assert not set(shorter) & set(WORDS), "one letter too few makes another word"


def test_a_new_token_is_four_of_them() -> None:
    token = new_words()
    assert len(token.split("-")) == 4
    assert set(token.split("-")) <= set(WORDS)
    assert same_words(token.upper().replace("-", " ")) == token
