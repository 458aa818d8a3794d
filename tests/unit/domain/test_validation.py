"""What may be said, and how people may be called: a refusal names the character, only NFC alters a text."""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.errors import BadName, BadText
from chat.domain.validation import LIMITS, clean_nick, clean_room, clean_text, nick_key, printable, seat_name
from tests.support import words

# The Char production of XML 1.0, fifth edition, section 2.2.
XML = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
REFUSED = [
    (0x00, 0x08),
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0x2028, 0x2029),
    (0x202A, 0x202E),
    (0x2066, 0x2069),
    (0xD800, 0xDFFF),
    (0xFFFE, 0xFFFF),
]
ANYTHING = st.text(st.characters())  # lone surrogates included, which st.text() leaves out
NASTY = st.text(
    st.sampled_from(
        "a\u0301\u1100\u1161\u0958\u212b\U0001d160 \t\n\r\x00\x1b\x9b\u2028\u202e\ud800\uffff\U0001f600"
    )
)

# --- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", words.TEXTS)
def test_a_text_of_any_kind_is_allowed_and_becomes_nfc(name: str) -> None:
    assert clean_text(words.TEXTS[name]) == normalize("NFC", words.TEXTS[name])


@pytest.mark.parametrize("code", words.REFUSED_CHARACTERS, ids=lambda code: f"{code:04X}")
def test_the_characters_that_every_technique_is_tried_with_are_refused(code: int) -> None:
    with pytest.raises(BadText, match=rf"U\+{code:04X}"):
        clean_text(f"ok {chr(code)} ok")


@pytest.mark.parametrize(("first", "last"), REFUSED, ids=lambda code: f"{code:04X}")
def test_a_refused_character_is_named_with_its_place(first: int, last: int) -> None:
    for code in range(first, last + 1):
        with pytest.raises(BadText, match=rf"U\+{code:04X} \w.* \(character 3\)"):
            clean_text(f"ab{chr(code)}c")


@pytest.mark.parametrize(("first", "last"), REFUSED, ids=lambda code: f"{code:04X}")
def test_a_refused_character_is_found_among_others_than_ascii(first: int, last: int) -> None:
    for code in (first, last):
        with pytest.raises(BadText, match=rf"U\+{code:04X}"):
            clean_text(f"né{chr(code)}")


@pytest.mark.parametrize(
    ("char", "called"),
    [
        ("\x00", "NULL"),
        ("\x07", "BELL"),
        ("\r", "CARRIAGE RETURN"),
        ("\x1b", "ESCAPE"),
        ("\x7f", "DELETE"),
        ("\x9b", "CONTROL CHARACTER"),
        ("\u2028", "LINE SEPARATOR"),
        ("\u202e", "RIGHT-TO-LEFT OVERRIDE"),
        ("\ud800", "LONE SURROGATE"),
        ("\uffff", "NOT ASSIGNED"),
    ],
)
def test_the_error_calls_the_character_by_its_name(char: str, called: str) -> None:
    with pytest.raises(BadText, match=f"{called} "):
        clean_text(f"a{char}")


@pytest.mark.parametrize(
    "char",
    "\t\n ~\u00a0\u200d\u2027\u202f\u2065\u206a\ufffd\U00010000\U0010ffff",
    ids=lambda char: f"{ord(char):04X}",
)
def test_the_neighbours_of_the_refused_characters_are_allowed(char: str) -> None:
    assert clean_text(f"a{char}b") == f"a{char}b"


@pytest.mark.parametrize("text", [*words.EMPTY_TEXTS, "\u00a0\u2003"])
def test_a_message_needs_something_to_read(text: str) -> None:
    with pytest.raises(BadText, match="at least one character"):
        clean_text(text)


@pytest.mark.parametrize(
    ("text", "clean"), [("e\u0301", "\u00e9"), ("\u212b", "\u00c5"), ("\u2460\ufb01", "\u2460\ufb01")]
)
def test_a_message_becomes_nfc_and_never_nfkc(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_the_space_around_a_message_stays() -> None:
    assert clean_text("  def f():\n\t...\n") == "  def f():\n\t...\n"


@pytest.mark.parametrize("letter", ["a", "é", "語", "\U0001f600", "e\u0301"])
def test_the_limit_counts_bytes_after_normalisation(letter: str) -> None:
    size = len(normalize("NFC", letter).encode())
    fits = letter * (LIMITS.text_bytes // size)
    assert clean_text(fits) == normalize("NFC", fits)
    with pytest.raises(BadText, match=f"{LIMITS.text_bytes} are allowed"):
        clean_text(fits + letter)


@pytest.mark.parametrize("text", words.LONG_TEXTS, ids=len)
def test_a_message_that_is_too_long_is_refused_with_its_size(text: str) -> None:
    with pytest.raises(BadText, match=f"has {len(text.encode())} bytes"):
        clean_text(text)


def test_a_server_may_set_another_limit() -> None:
    assert clean_text("ab", limit=2) == "ab"
    with pytest.raises(BadText, match="3 bytes, 2 are allowed"):
        clean_text("abc", limit=2)


@given(ANYTHING | NASTY)
def test_a_text_is_either_refused_or_safe_everywhere(text: str) -> None:
    try:
        clean = clean_text(text)
    except BadText:
        return
    assert clean == normalize("NFC", text)
    assert is_normalized("NFC", clean)
    assert 0 < len(clean.encode("utf-8")) <= LIMITS.text_bytes
    assert XML.fullmatch(clean)
    assert clean_text(clean) == clean


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nick", ["alice", "Ünal", "李雷", "o'neil", "a|b", "name-2", "Zoë_🦊", *words.NICKS])
def test_a_nick_may_come_from_any_script(nick: str) -> None:
    assert clean_nick(nick) == nick


def test_a_nick_becomes_nfc() -> None:
    assert clean_nick("Zoe\u0308") == "Zo\u00eb"


@pytest.mark.parametrize(
    "char",
    " \t\n\x1b\u00a0\u00ad\u200b\u200d\u200e\u202e\u2066\u2800\u3000\u3164\ufe0f\ufeff\ufffd\ud800"
    "\U00013430\U0001bca0\U0001d173\U000e0041\U000e0100",
    ids=lambda char: f"{ord(char):04X}",
)
def test_what_cannot_be_seen_is_no_part_of_a_nick(char: str) -> None:
    with pytest.raises(BadName, match=rf"U\+{ord(char):04X} \w.* \(character 3\)"):
        clean_nick(f"al{char}ice")


@pytest.mark.parametrize("nick", ["/alice", "@alice", "#alice", "\u0301alice", "\u20ddalice"])
def test_a_nick_does_not_begin_with_a_sign_of_commands_or_a_mark(nick: str) -> None:
    with pytest.raises(BadName, match="may not start with"):
        clean_nick(nick)


@pytest.mark.parametrize("nick", words.REFUSED_NICKS)
def test_another_nick_is_refused(nick: str) -> None:
    with pytest.raises(BadName):
        clean_nick(nick)


def test_a_nick_is_not_empty() -> None:
    with pytest.raises(BadName, match="at least one character"):
        clean_nick("")


@pytest.mark.parametrize("letter", ["a", "語", "\U0001f600"])
def test_a_nick_is_limited_in_characters_and_bytes(letter: str) -> None:
    most = min(LIMITS.nick_chars, LIMITS.nick_bytes // len(letter.encode()))
    assert clean_nick(letter * most) == letter * most
    with pytest.raises(BadName, match=f"{LIMITS.nick_chars} and {LIMITS.nick_bytes} are allowed"):
        clean_nick(letter * (most + 1))


@given(ANYTHING | NASTY)
def test_a_nick_is_either_refused_or_safe_everywhere(text: str) -> None:
    try:
        nick = clean_nick(text)
    except BadName as error:
        str(error).encode()
        return
    assert is_normalized("NFC", nick)
    assert len(nick) <= LIMITS.nick_chars
    assert len(nick.encode("utf-8")) <= LIMITS.nick_bytes
    assert XML.fullmatch(nick)
    assert clean_nick(nick) == nick
    assert nick_key(nick_key(nick)) == nick_key(nick)


@pytest.mark.parametrize(
    ("one", "other"), [("Alice", "aLICE"), ("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος")]
)
def test_nicks_that_differ_in_case_alone_are_one(one: str, other: str) -> None:
    assert nick_key(one) == nick_key(other)


@pytest.mark.parametrize("room", ["lab", "0", "a-b_c", "a" * 32])
def test_a_room_name_stays_as_it_is(room: str) -> None:
    assert clean_room(room) == room


@pytest.mark.parametrize("room", [*words.REFUSED_ROOMS, "_a", "é", "lab\n", "a.b", "\u0663"])
def test_another_room_name_is_refused_with_the_rule(room: str) -> None:
    with pytest.raises(BadName, match="1 to 32 of a-z"):
        clean_room(room)


# --- the rest ----------------------------------------------------------------------------------


@given(ANYTHING | NASTY)
def test_printable_leaves_nothing_that_moves_a_terminal(text: str) -> None:
    shown = printable(text)
    assert XML.fullmatch(shown)
    assert not any(first <= ord(char) <= last for char in shown for first, last in REFUSED)


def test_printable_shows_what_it_replaced() -> None:
    assert printable("a\x1b[2Jb\nc") == "a\\u001b[2Jb\nc"


@given(ANYTHING)
def test_a_seat_has_a_name_for_any_key(key: str) -> None:
    assert re.fullmatch("[0-9a-f]{24}", seat_name(key))
