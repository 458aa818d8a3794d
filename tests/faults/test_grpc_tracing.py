"""``--trace``: a span for every call on both sides, joined into one trace by what goes over the wire."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.support.processes import chat, running

if os.environ.get("CI") != "true":
    pytest.importorskip("opentelemetry.instrumentation.grpc", reason="pip install 'wirechat[trace]'")


def spans(text: str) -> list[dict[str, Any]]:
    """Read the objects that stand one after another in the text, whatever else is said between them."""
    found, decoder, place = [], json.JSONDecoder(), text.find("{")
    while place >= 0:
        span, place = decoder.raw_decode(text, place)
        found.append(span)
        place = text.find("{", place)
    return found


def test_the_spans_of_client_and_server_are_one_trace() -> None:
    serve = ["serve", "grpc", "--port", "0", "--log", "memory", "--json", "--trace", "console"]
    with running(*serve) as server:
        assert server.stdout is not None
        offer = json.loads(server.stdout.readline())
        at = ["--backend", "grpc", "--server", f"{offer['host']}:{offer['port']}"]
        done = chat("send", *at, "--as", "ann", "--trace", "console", "hello")
        assert done.returncode == 0
        assert done.stdout == ""
        server.terminate()
        _, said = server.communicate()
    (ours,), (theirs,) = spans(done.stderr), spans(said)
    assert ours["name"].endswith("chat.v1.ChatService/Chat")
    assert (ours["kind"], theirs["kind"]) == ("SpanKind.CLIENT", "SpanKind.SERVER")
    assert theirs["context"]["trace_id"] == ours["context"]["trace_id"]
    assert theirs["parent_id"] == ours["context"]["span_id"]


def test_without_it_nothing_is_traced() -> None:
    with running("serve", "grpc", "--port", "0", "--log", "memory", "--json") as server:
        assert server.stdout is not None
        offer = json.loads(server.stdout.readline())
        at = ["--backend", "grpc", "--server", f"{offer['host']}:{offer['port']}"]
        assert chat("send", *at, "--as", "ann", "hello").stderr == ""


def test_a_missing_exporter_is_named_with_what_installs_it() -> None:
    served = chat("serve", "grpc", "--port", "0", "--log", "memory", "--trace", "otlp")
    assert served.returncode == 1
    assert "--trace otlp needs opentelemetry.exporter: pip install" in served.stderr


def test_who_is_not_let_in_is_told_so_when_traced_too() -> None:
    serve = ["serve", "grpc", "--port", "0", "--log", "memory", "--json", "--trace", "console"]
    with running(*serve, CHAT_TOKEN="a secret") as server:
        assert server.stdout is not None
        offer = json.loads(server.stdout.readline())
        at = ["--backend", "grpc", "--server", f"{offer['host']}:{offer['port']}"]
        refused = chat("send", *at, "--as", "ann", "hello")
    assert refused.returncode == 1
    assert "this server requires an access token" in refused.stderr
