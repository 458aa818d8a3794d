"""Clients that offer HTTP/2 with their first request, as their libraries do unasked: curl, and Java."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import cannot_run, serving
from tests.support.processes import PATIENCE
from tests.support.soap_peer import envelope, request

JAVA = Path(__file__).parent / "http" / "Post.java"
BODIES = {
    "rest": ("/rooms/lab/seats", "application/json", b'{"nick":"ann"}'),
    "soap": ("/soap", "text/xml; charset=utf-8", envelope(request("Join", room="lab", nick="ann"))),
}


def with_curl(url: str, kind: str, body: bytes) -> str:
    """Return what curl prints: all headers it sends and gets, and the body of the answer."""
    curl = shutil.which("curl")
    if curl is None or "HTTP2" not in subprocess.check_output([curl, "--version"], text=True):
        cannot_run("a curl with HTTP/2 is missing: apt install curl")
    options = ["--http2", "--noproxy", "*", "--silent", "--verbose", "--data-binary", "@-"]
    return run([curl, *options, "--header", f"Content-Type: {kind}", url], body)


def with_java(url: str, kind: str, body: bytes) -> str:
    """Return the status and the body of the answer, as Java prints them."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("a JDK is missing: apt install default-jdk-headless")
    return run([java, str(JAVA), url, kind], body)


def run(command: list[str], body: bytes) -> str:
    done = subprocess.run(
        command, input=body, capture_output=True, timeout=PATIENCE, check=False, env=dict(os.environ)
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed.decode()


@pytest.mark.parametrize("name", BODIES)
def test_curl_that_offers_http2_joins(name: str) -> None:
    path, kind, body = BODIES[name]
    with serving({name: 0}, "--log", "memory") as (_, addresses):
        told = with_curl(f"http://{addresses[name]}{path}", kind, body)
    assert "> Upgrade: h2c" in told
    assert f"< HTTP/1.1 {201 if name == 'rest' else 200} " in told
    assert "seat_key" in told or "seatKey" in told


@pytest.mark.parametrize("name", BODIES)
def test_java_that_offers_http2_joins(name: str) -> None:
    path, kind, body = BODIES[name]
    with serving({name: 0}, "--log", "memory") as (_, addresses):
        status, answer = with_java(f"http://{addresses[name]}{path}", kind, body).split("\n", 1)
    assert status == ("201" if name == "rest" else "200"), answer
    assert "seat_key" in answer or "seatKey" in answer
