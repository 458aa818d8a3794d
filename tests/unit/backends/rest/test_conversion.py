"""Errors as problems, and back."""

from __future__ import annotations

import msgspec
import pytest

from backends.rest.codec import Problem
from backends.rest.conversion import STATUS, TITLES, Refused, problem, read_problem
from chat.domain.errors import ERRORS, BadRequest, ChatError, ConnectionLost, NickTaken, TooFast, Unconfirmed


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
