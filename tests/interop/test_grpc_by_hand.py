"""Clients that know less than ours: the chapter's Python, and one that asks the server what it offers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.processes import PATIENCE, chat, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "grpc" / "README.md"
SERVICE = "chat.v1.ChatService"


@pytest.fixture
def address() -> Iterator[str]:
    with running("serve", "grpc", "--port", "0", "--log", "memory", "--json") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield f"127.0.0.1:{json.loads(line)['port']}"


# --- the chapter's client ------------------------------------------------------------------------


def program() -> str:
    """Return the chapter's client as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(code, str)
    return code


def run(script: Path, *arguments: str, typed: str) -> subprocess.CompletedProcess[str]:
    script.write_text(program(), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-X", "utf8", str(script), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(CHAPTER.parents[2])},
    )


def test_the_chapters_client_runs_as_it_stands(tmp_path: Path, address: str) -> None:
    assert chat("send", "-b", "grpc", "--server", address, "--as", "ann", "wörld").returncode == 0
    done = run(tmp_path / "client.py", *address.split(":"), "me", typed="hello\nfrom twenty lines\n\x1b\n")
    events = tail("-b", "grpc", "--server", address, "--as", "eve", "--count", "8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ann: wörld" in done.stdout.splitlines()
    assert "me: hello" in done.stdout.splitlines()
    assert "error: a message may not hold U+001B ESCAPE (character 1)" in done.stdout.splitlines()
    assert [event["text"] for event in events if event["author"] == "me" and event["kind"] == "sent"] == [
        "hello",
        "from twenty lines",
    ]
    assert len([line for line in program().splitlines() if line and not line.isspace()]) <= 30


def test_the_chapters_client_says_why_it_was_not_let_in(tmp_path: Path, address: str) -> None:
    done = run(tmp_path / "client.py", *address.split(":"), "/me", typed="hello\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "error: a nick may not start with '/'\n"


# --- reflection ----------------------------------------------------------------------------------


def test_who_has_no_stubs_finds_the_service_and_calls_it(address: str) -> None:
    """As grpcurl does: names, types and fields come from the server."""
    assert chat("send", "-b", "grpc", "--server", address, "--as", "ann", "hello").returncode == 0
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert sorted(database.get_services()) == [
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]
        service = DescriptorPool(database).FindServiceByName(SERVICE)
        assert [method.name for method in service.methods] == ["Chat", "History", "Members"]

        def call(name: str, **fields: Any) -> dict[str, Any]:
            method = service.FindMethodByName(name)
            multi = channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            reply = multi(GetMessageClass(method.input_type)(**fields), timeout=PATIENCE)
            return MessageToDict(reply)

        assert call("Members", room="lab") == {}, "nobody is there"
        page = call("History", room="lab", limit=2)["events"]
    assert [(event["kind"], event.get("text")) for event in page] == [("SENT", "hello"), ("LEFT", None)]


def test_the_fields_have_the_types_of_the_contract(address: str) -> None:
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        event = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindMessageTypeByName(
            "chat.v1.Event"
        )
        assert (event.fields_by_name["seq"].number, event.fields_by_name["text"].number) == (2, 10)
        kinds = event.fields_by_name["kind"].enum_type
        assert kinds is not None
        assert kinds.values_by_name["SENT"].number == 5
