"""What compilers for other languages make of `protos/chat.proto`: into which package the classes go."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import cannot_run

ROOT = Path(__file__).parents[2]
MADE = {
    "cpp": ("protos/chat.pb.h", "namespace v1 {"),
    "csharp": ("Chat.cs", "namespace Chat.V1 {"),
    "go": ("chat/v1/chat.pb.go", "package chatv1\n"),
    "java": ("chat/v1/Hello.java", "package chat.v1;"),
    "kotlin": ("chat/v1/HelloKt.kt", "package chat.v1;"),
    "objc": ("protos/Chat.pbobjc.h", "@interface CHTHello "),
    "php": ("Chat/V1/Hello.php", "namespace Chat\\V1;"),
    "ruby": ("protos/chat_pb.rb", "module Chat\n  module V1\n"),
}
"""By the language's name for protoc: a file, and what stands in it."""


@pytest.mark.parametrize("language", MADE)
def test_the_contract_compiles_into_a_package_of_its_own(language: str, tmp_path: Path) -> None:
    protoc = shutil.which("protoc")
    if protoc is None:
        cannot_run("protoc is not installed: apt install protobuf-compiler")
    if language == "go" and shutil.which("protoc-gen-go") is None:
        cannot_run("the plugin for Go is not installed: apt install protoc-gen-go")
    command = [protoc, f"--proto_path={ROOT}", f"--{language}_out={tmp_path}", "protos/chat.proto"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    name, part = MADE[language]
    assert part in (tmp_path / name).read_text(encoding="utf-8")
