"""What goes over HTTP, without any: problems, tags, headers, queries, and the contract made from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.rest import TECHNIQUE, read_origins
from backends.rest.codec import (
    STATUS,
    TITLES,
    Problem,
    Refused,
    access_token,
    draft_number,
    encode,
    etag,
    is_json,
    names,
    problem,
    read_headers,
    read_problem,
    read_query,
    wants_json,
)
from backends.rest.openapi import BODIES, FILE, main, text_of
from backends.rest.operations import EXAMPLES, OPERATIONS
from backends.rest.resources import Resources
from backends.rest.server import bare
from chat.domain.errors import ERRORS, BadRequest, ChatError, ConnectionLost, NickTaken, TooFast, Unconfirmed
from chat.domain.model import MAX_NUMBER

TAG = etag("epoch", 17)

# --- problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(ERRORS.values()) - {ConnectionLost, Unconfirmed}, key=str))
def test_every_error_of_the_model_has_a_status_and_comes_back_as_itself(kind: type[ChatError]) -> None:
    status, _, body = problem(kind("what happened", n=7, retry_after=1.5))
    assert status == STATUS[kind]
    told = msgspec.json.decode(body, type=Problem)
    assert (told.status, told.title) == (status, TITLES[kind.code])
    back = read_problem(body)
    assert (type(back), str(back), back.n, back.retry_after) == (kind, "what happened", 7, 1.5)


def test_a_problem_says_when_to_come_back_in_whole_seconds_and_exactly() -> None:
    for seconds, header, exact in ((0.2, b"1", 0.2), (2.34567, b"3", 2.346), (0.0, b"1", 0.001)):
        _, headers, body = problem(TooFast("slow down", retry_after=seconds))
        assert dict(headers)[b"retry-after"] == header
        assert read_problem(body).retry_after == exact
    _, headers, body = problem(NickTaken("taken"))
    assert b"retry-after" not in dict(headers)
    assert read_problem(body).retry_after is None


def test_what_only_http_knows_is_a_bad_request_with_a_type_of_its_own() -> None:
    for status, kind in ((405, "not_allowed"), (412, "precondition_failed"), (413, "too_large")):
        told = msgspec.json.decode(problem(Refused(status, BadRequest("no")))[2], type=Problem)
        assert (told.type, told.code, told.status) == (f"urn:chat:{kind}", "bad_request", status)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"code":1}', b"null"])
def test_what_is_no_problem_is_told_from_one(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_problem(body)


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


@pytest.mark.parametrize("tags", [TAG, b"*", b'"a",' + TAG, TAG + b' , "b"', b" " + TAG + b" "])
def test_a_tag_is_found_in_a_list(tags: bytes) -> None:
    assert names(tags, TAG, weak=False)
    assert names(tags, TAG, weak=True)


@pytest.mark.parametrize("tags", [None, b"", b'"epoch-1"', b"epoch-17", b'"epoch-17', b'"*"'])
def test_another_tag_is_not_it(tags: bytes | None) -> None:
    assert not names(tags, TAG, weak=False)
    assert not names(tags, TAG, weak=True)


def test_a_weak_tag_counts_for_reading_and_not_for_changing() -> None:
    assert names(b"W/" + TAG, TAG, weak=True)
    assert not names(b"W/" + TAG, TAG, weak=False)


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


# --- settings ------------------------------------------------------------------------------------


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


# --- the contract --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contract() -> Any:
    return json.loads(text_of(bare()))


def test_the_file_is_what_the_table_makes(contract: Any) -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == contract
    assert Path(TECHNIQUE.traits.contract).name == FILE.name


def test_a_file_that_is_old_is_told_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr("backends.rest.openapi.FILE", file)
    assert main(["--check"], bare) == 1
    assert "make openapi" in capsys.readouterr().err
    assert main([], bare) == 0
    assert main(["--check"], bare) == 0


def test_every_method_of_a_resource_is_in_the_contract() -> None:
    methods = {name for name in vars(Resources) if not name.startswith("_")}
    assert {operation.name for operation in OPERATIONS} == methods


def test_every_operation_is_told_whole(contract: Any) -> None:
    for path, methods in contract["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["operationId"]
            assert {"400", "401", "406", "503"} <= operation["responses"].keys(), path
            for parameter in operation["parameters"]:
                assert parameter["description"]
                assert "example" in parameter
            for answer in (*operation["responses"].values(), operation.get("requestBody", {})):
                for media in answer.get("content", {}).values():
                    assert "example" in media, path
                    assert "$ref" in media["schema"], path
    assert "HTTPValidationError" not in json.dumps(contract)


def test_the_examples_are_what_the_code_reads_and_writes() -> None:
    kinds = {kind.__name__: kind for kind in BODIES}
    for name, example in EXAMPLES.items():
        kind = kinds[name]
        assert json.loads(encode(msgspec.convert(example, kind))) == example
