"""Many clients over every technique live, and suffer faults: nothing is lost, nothing is left.

`make soak` does the same for 30 minutes; here it takes some seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from backends.rabbitmq.private import programs
from tests.support.processes import CHAT

SECONDS, CLIENTS = 10, 40
BOUND = 270
"""Seconds for all of it: everybody comes and goes once before, and is judged afterwards."""

if sys.platform == "win32":
    pytest.skip("the bounds were measured on Linux", allow_module_level=True)


@pytest.mark.soak
@pytest.mark.timeout(BOUND + 20)
def test_every_view_equals_the_log_and_nothing_is_left(request: pytest.FixtureRequest) -> None:
    environment = dict(os.environ)
    if programs():
        environment["CHAT_AMQP_URL"] = request.getfixturevalue("vhost")
    done = subprocess.run(
        [*CHAT, "lab", "soak", "--seconds", str(SECONDS), "--clients", str(CLIENTS)],
        capture_output=True,
        text=True,
        timeout=BOUND,
        env=environment,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "all is well" in said
    assert "MiB a minute" in said
    assert "udp: " in said
