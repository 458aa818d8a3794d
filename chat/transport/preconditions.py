"""Conditional requests: what ``If-Match`` and ``If-None-Match`` say (RFC 9110, 13). No I/O."""

from __future__ import annotations

from collections.abc import Mapping


def failed_precondition(
    headers: Mapping[bytes, bytes], tag: bytes | None, *, reads: bool, exists: bool = True
) -> int:
    """Evaluate the preconditions in the order of RFC 9110, 13.2.2.

    There are no dates of modification here, so ``If-Modified-Since`` and ``If-Unmodified-Since`` are ignored
    (13.1.3, 13.1.4).

    Args:
        headers: the request's, by name.
        tag: names the state of the target; None: it has no entity tag.
        reads: the method is GET or HEAD.
        exists: the target has a state.

    Returns:
        412, or 304 where the client of a GET has this state already; 0: carry the request out.
    """
    match, none_match = headers.get(b"if-match"), headers.get(b"if-none-match")
    if match is not None and not (exists and names(match, tag, weak=False)):
        return 412
    if none_match is not None and exists and names(none_match, tag, weak=True):
        return 304 if reads else 412
    return 0


def names(tags: bytes, tag: bytes | None, *, weak: bool) -> bool:
    """Whether a list of entity tags contains this one, or ``*`` (RFC 9110, 13.1.1 and 13.1.2).

    ``weak``: compare weakly, as ``If-None-Match`` does.
    """
    if tags == tag or tags.strip() == b"*":
        return True
    listed = (one.strip() for one in tags.split(b","))
    return any((one.removeprefix(b"W/") if weak else one) == tag for one in listed)
