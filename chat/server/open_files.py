"""How many files and connections a process may have open: the soft limit is often 1,024."""

from __future__ import annotations

import sys
from contextlib import suppress


def allow_open_files(wanted: int) -> int:
    """Raise the soft limit of open files as far as the hard one allows; return how many there may be now.

    Windows has no such limit: there nothing is done, and ``wanted`` is returned.
    """
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft != infinite and soft < wanted:
        more = wanted if hard == infinite else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == infinite else soft
