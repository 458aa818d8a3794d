"""The head of an HTTP/1.1 message: its start-line and header fields, and how long its body is (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_plus

from chat.interfaces.frames import MASK, Field
from chat.transport.decoding.secrets import has_credentials, is_secret
from chat.transport.decoding.stream import Undecodable
from chat.transport.decoding.text import one_line

MAX_HEAD = 64 * 1024
"""Bytes of a start-line and the header fields, or of a trailer section."""
MAX_FIELDS = 256
"""Header fields of a message."""
MAX_PARAMETERS = 64
"""Parameters of a query that are shown one by one."""

TCHAR = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
"""A character of a token (RFC 9110, 5.6.2)."""
_REQUEST = re.compile(rb"(%b+) +([^ \t\r\n]+) +(HTTP/[0-9]\.[0-9])[ \t]*" % TCHAR)
_STATUS = re.compile(rb"(HTTP/[0-9]\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?")
_FIELD = re.compile(rb"(%b+)[ \t]*:[ \t]*" % TCHAR)
_LENGTH = re.compile(r"[0-9]{1,16}")
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9-]*) +(.+)", re.DOTALL)
_DELIMIT = ("content-length", "transfer-encoding")

Length = int | Literal["chunked", "close"]
"""Of a body: its bytes; chunks (RFC 9112, 7.1); everything until the connection ends."""


@dataclass(slots=True)
class Head:
    """The start-line and the header fields of a message."""

    fields: list[Field]
    """With their places in the frame."""
    headers: dict[str, str]
    """By their names in lower case; the values of a repeated one are joined (RFC 9110, 5.3)."""
    version: str
    method: str = ""
    target: str = ""
    shown_target: str = ""
    """Without the secrets in its query."""
    parameters: list[Field] | None = None
    """Of the query."""
    status: int = 0
    reason: str = ""


def read_head(data: bytes, at: int, *, answer: bool) -> Head:
    """Return the head of a message.

    Args:
        data: from the start-line to the empty line.
        at: where it begins in the frame.
        answer: it is a response.

    Raises:
        Undecodable: it is no HTTP/1.0 or HTTP/1.1, or larger than our bounds.
    """
    line = data[: data.index(b"\n")].rstrip(b"\r")
    found = (_STATUS if answer else _REQUEST).fullmatch(line)
    if found is None:
        raise Undecodable(f"no {'status-line' if answer else 'request-line'} of HTTP: {one_line(line, 40)}")
    head = _status(found, at) if answer else _request(found, at)
    if head.version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Undecodable(f"{head.version} is not decoded here")
    start = data.index(b"\n") + 1
    fields, head.headers = read_fields(data[start:], at + start)
    head.fields += fields
    return head


def _status(found: re.Match[bytes], at: int) -> Head:
    version, status, reason = (one_line(part or b"") for part in found.groups())
    line = Field("status-line", one_line(found[0]), (at, at + found.end()), "envelope")
    for group, name, value in ((1, "HTTP-version", version), (2, "status-code", status)):
        line.add(name, value, _moved(found.span(group), at))
    if reason:
        line.add("reason-phrase", reason, _moved(found.span(3), at))
    return Head([line], {}, version, status=int(found[2]), reason=reason)


def _request(found: re.Match[bytes], at: int) -> Head:
    method, version = one_line(found[1]), one_line(found[3])
    raw = found[2].decode(errors="replace")
    target = Field("request-target", "", _moved(found.span(2), at), "envelope")
    path, _, query = found[2].partition(b"?")
    _add_query(target, query, at + found.start(2) + len(path) + 1)
    target.value = one_line(path)
    if query:
        target.value += "?" + one_line("&".join(_shown_parameter(one) for one in target.fields))
    line = Field("request-line", f"{method} {target.value} {version}", (at, at + found.end()), "envelope")
    line.add("method", method, _moved(found.span(1), at))
    line.fields.append(target)
    line.add("HTTP-version", version, _moved(found.span(3), at))
    return Head([line], {}, version, method, raw, target.value, target.fields)


def _shown_parameter(field: Field) -> str:
    if field.name == "query":
        return field.value
    return f"{field.name}={field.value}" if field.value else field.name


def _add_query(target: Field, query: bytes, at: int) -> None:
    """Add the parameters of a query, as forms write it."""
    parts = query.split(b"&") if query else []
    if len(parts) > MAX_PARAMETERS:
        secret = any(is_secret(_parameter(part)[0]) for part in parts)
        place = at, at + len(query)
        target.add("query", MASK if secret else one_line(query), place, secret=secret)
        return
    for part in parts:
        name, value = _parameter(part)
        if part:
            field = target.add(one_line(name), one_line(value), (at, at + len(part)))
            if is_secret(name) and value:
                field.value = MASK
                field.add("value", MASK, (at + part.index(b"=") + 1, at + len(part)), secret=True)
        at += len(part) + 1


def _parameter(part: bytes) -> tuple[str, str]:
    name, _, value = part.decode(errors="replace").partition("=")
    return unquote_plus(name, errors="replace"), unquote_plus(value, errors="replace")


def read_fields(data: bytes, at: int) -> tuple[list[Field], dict[str, str]]:
    """Return the header or trailer fields, and their values by their names in lower case.

    Args:
        data: from the first field to the empty line.
        at: where it begins in the frame.

    Raises:
        Undecodable: a line is no field (a folded line is none, either), or there are more than `MAX_FIELDS`.
    """
    fields: list[Field] = []
    headers: dict[str, str] = {}
    start = 0
    while (end := data.index(b"\n", start)) > start and data[start:end] != b"\r":
        line = data[start:end].rstrip(b"\r \t")
        if (found := _FIELD.match(line)) is None:
            raise Undecodable("a header line without a name and a colon")
        if len(fields) == MAX_FIELDS:
            raise Undecodable(f"more than {MAX_FIELDS} header fields")
        name, value = found[1].decode(), line[found.end() :].decode(errors="replace")
        key = name.lower()
        place = at + start, at + start + len(line)
        fields.append(_field(name, value, place, at + start + found.end()))
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
        start = end + 1
    return fields, headers


def _field(name: str, value: str, place: tuple[int, int], begin: int) -> Field:
    """Return a header field, with its credentials masked, but not their scheme (RFC 9110, 11.4).

    ``begin`` is where its value begins.
    """
    part: Literal["framing", "envelope"] = "framing" if name.lower() in _DELIMIT else "envelope"
    field = Field(name, one_line(value), place, part)
    if value and (is_secret(name) or has_credentials(value)):
        field.value = MASK
        scheme = _CREDENTIALS.fullmatch(value)
        if scheme is not None and name.lower().endswith("authorization"):
            field.value = f"{one_line(scheme[1], 40)} {MASK}"
            end = begin + len(scheme[1])
            field.add("auth-scheme", one_line(scheme[1], 40), (begin, end))
            field.add("credentials", MASK, (end, place[1]), secret=True)
        else:
            field.add("value", MASK, (begin, place[1]), secret=True)
    return field


def _moved(span: tuple[int, int], at: int) -> tuple[int, int]:
    return span[0] + at, span[1] + at


# --- how long the body is ----------------------------------------------------------------------


def request_length(head: Head) -> Length:
    """Return the length of a request's body (RFC 9112, 6.3). Raises `Undecodable`."""
    if "transfer-encoding" in head.headers:
        if transfer_codings(head)[-1:] != ["chunked"]:
            raise Undecodable("a request whose last transfer coding is not chunked")
        return "chunked"
    return _content_length(head) or 0


def response_length(head: Head, method: str) -> Length:
    """Return the length of a response's body; ``method`` is that of its request. Raises `Undecodable`."""
    tunnel = method == "CONNECT" and 200 <= head.status < 300
    if method == "HEAD" or head.status < 200 or head.status in (204, 304) or tunnel:
        return 0
    if "transfer-encoding" in head.headers:
        return "chunked" if transfer_codings(head)[-1:] == ["chunked"] else "close"
    length = _content_length(head)
    return "close" if length is None else length


def transfer_codings(head: Head) -> list[str]:
    """Return the transfer codings in the order in which they were applied, without their parameters."""
    return codings(head.headers.get("transfer-encoding", ""))


def codings(value: str) -> list[str]:
    """Return the names in a list of codings, in lower case."""
    names = (one.partition(";")[0].strip().lower() for one in value.split(","))
    return [name for name in names if name and name != "identity"]


def _content_length(head: Head) -> int | None:
    if (said := head.headers.get("content-length")) is None:
        return None
    values = {one.strip() for one in said.split(",")}
    if len(values) != 1 or not _LENGTH.fullmatch(value := values.pop()):
        raise Undecodable(f"a Content-Length of {one_line(said, 40)}")
    return int(value)
