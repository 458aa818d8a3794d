"""What headers, entity tags and queries mean."""

from __future__ import annotations

import pytest

from backends.rest.headers import (
    access_token,
    draft_number,
    etag,
    is_json,
    read_headers,
    read_query,
    wants_json,
)
from chat.domain.errors import BadRequest
from chat.domain.model import MAX_NUMBER
from chat.transport.preconditions import failed_precondition

TAG = etag("epoch", 17)

# --- headers -------------------------------------------------------------------------------------


def test_a_list_may_come_in_two_headers_and_a_single_value_may_not() -> None:
    assert read_headers([(b"if-match", b'"a"'), (b"if-match", b'"b"')])[b"if-match"] == b'"a", "b"'
    for name in (b"authorization", b"seat-key", b"idempotency-key", b"content-type"):
        with pytest.raises(BadRequest, match=name.decode()):
            read_headers([(name, b"x"), (name, b"x")])


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer  abc ", "abc"),
        (b"BEARER 100%25", "100%25"),
        ("Bearer Sesam, öffne dich".encode(), "Sesam, öffne dich"),
        (b"Basic abc", ""),
        (b"Bearer", ""),
        (b"", ""),
        (b"Bearer \xff", "\ufffd"),
    ],
)
def test_the_access_token_is_what_stands_behind_bearer(value: bytes, token: str) -> None:
    assert access_token({b"authorization": value}) == token


@pytest.mark.parametrize(("value", "n"), [(b"1", 1), (b'"1"', 1), (str(MAX_NUMBER).encode(), MAX_NUMBER)])
def test_an_idempotency_key_is_a_number_with_or_without_quotes(value: bytes, n: int) -> None:
    assert draft_number({b"idempotency-key": value}) == n


def test_without_an_idempotency_key_the_server_takes_a_number() -> None:
    assert draft_number({}) == 0


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (b"application/json", True),
        (b"*/*", True),
        (b"application/*;q=0.1", True),
        (b"text/html, */*;q=0.8", True),
        (b"application/problem+json", True),
        (b"text/html", False),
        (b"application/json;q=0, */*", False),
        (b"application/json; q=0.000", False),
        (b"*/*;q=0, application/json", True),
        (b"", False),
        (b",;,", False),
    ],
)
def test_the_closest_range_of_accept_decides(accept: bytes, wanted: bool) -> None:
    assert wants_json(accept) is wanted


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (b"application/json", True),
        (b'Application/JSON; charset="UTF-8"', True),
        (b"application/json; x=y", True),
        (b"application/json; charset=utf-16", False),
        (b"application/problem+json", False),
        (b"text/plain", False),
        (b"", False),
    ],
)
def test_json_is_known_by_its_media_type(kind: bytes, read: bool) -> None:
    assert is_json(kind) is read


# --- tags (RFC 9110, 8.8.3 and 13.1) -------------------------------------------------------------


def test_a_tag_names_the_log_and_the_newest_event() -> None:
    assert TAG == b'"epoch-17"'


def condition(name: bytes, tags: bytes, *, reads: bool, tag: bytes | None = TAG, exists: bool = True) -> int:
    return failed_precondition({name: tags}, tag, reads=reads, exists=exists)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("tags", [TAG, b"*", b'"a",' + TAG, TAG + b' , "b"', b" " + TAG + b" "])
def test_a_tag_is_found_in_a_list(tags: bytes, reads: bool) -> None:
    assert condition(b"if-match", tags, reads=reads) == 0
    assert condition(b"if-none-match", tags, reads=reads) == (304 if reads else 412)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("tags", [b"", b'"epoch-1"', b"epoch-17", b'"epoch-17', b'"*"'])
def test_another_tag_is_not_it(tags: bytes, reads: bool) -> None:
    assert condition(b"if-match", tags, reads=reads) == 412
    assert condition(b"if-none-match", tags, reads=reads) == 0


def test_a_weak_tag_counts_for_if_none_match_only() -> None:
    assert condition(b"if-none-match", b"W/" + TAG, reads=True) == 304
    assert condition(b"if-match", b"W/" + TAG, reads=False) == 412


@pytest.mark.parametrize("reads", [True, False])
def test_a_state_without_a_tag_has_no_name_but_the_star(reads: bool) -> None:
    assert condition(b"if-match", b"*", tag=None, reads=reads) == 0
    assert condition(b"if-match", TAG, tag=None, reads=reads) == 412
    assert condition(b"if-none-match", b"*", tag=None, reads=reads) == (304 if reads else 412)
    assert condition(b"if-none-match", TAG, tag=None, reads=reads) == 0


@pytest.mark.parametrize("tags", [b"*", TAG])
def test_where_there_is_no_state_nothing_matches(tags: bytes) -> None:
    assert condition(b"if-match", tags, tag=None, reads=False, exists=False) == 412
    assert condition(b"if-none-match", tags, tag=None, reads=False, exists=False) == 0


def test_if_match_is_evaluated_first_and_dates_are_ignored() -> None:
    both = {b"if-match": b'"a"', b"if-none-match": TAG}
    assert failed_precondition(both, TAG, reads=True) == 412
    dates = {b"if-modified-since": b"Sat, 29 Oct 2044 19:43:31 GMT", b"if-unmodified-since": b"x"}
    assert failed_precondition(dates, TAG, reads=True) == 0


# --- queries -------------------------------------------------------------------------------------


def test_a_query_holds_numbers_and_what_is_unknown_is_ignored() -> None:
    most = {b"after": MAX_NUMBER, b"wait": 20}
    assert read_query(b"", most) == {}
    assert read_query(b"after=16&x=y&&wait=20&z", most) == {b"after": 16, b"wait": 20}
    assert read_query(b"%61fter=%31", most) == {b"after": 1}


@pytest.mark.parametrize(
    "query", [b"after", b"after=", b"after=-1", b"after=%C2%B2", b"wait=21", b"after=1&after=1"]
)
def test_what_is_no_number_in_a_query_is_refused_by_its_name(query: bytes) -> None:
    with pytest.raises(BadRequest, match=query[:4].decode()):
        read_query(query, {b"after": MAX_NUMBER, b"wait": 20})
