"""What is told about a technique: the summary of its chapter, and the code of its client and server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from chat.interfaces.technique import Technique
from chat.language.translation import in_use

EXPLAIN = ("<!-- explain -->", "<!-- /explain -->")


def explain(label: Technique, ports: Mapping[str, int] = MappingProxyType({})) -> str:
    """Return the summary of a chapter, for one screen.

    In English it is the text between the chapter's two markers; in another language it is the file
    ``explain.LANGUAGE.txt`` beside the chapter, if there is one. Where it names the technique's default port,
    it has that of ``ports``.
    """
    folder = files(f"backends.{label.name}")
    other = folder.joinpath(f"explain.{in_use()}.txt")
    if other.is_file():
        screen = other.read_text(encoding="utf-8")
    else:
        begin, end = EXPLAIN
        chapter = folder.joinpath("README.md").read_text(encoding="utf-8")
        screen = chapter.partition(begin)[2].partition(end)[0].strip("\n")
    lines = [line for line in screen.splitlines() if not line.startswith("```")]
    port = str(ports.get(label.name, label.port))
    return "\n".join(_with_port(line, str(label.port), port) for line in lines)


def _with_port(line: str, default: str, port: str) -> str:
    """Return a line with another port; one that gets longer gives up blanks, so that it fits the screen."""
    changed = re.sub(rf"(?<![0-9.]){default}(?![0-9])", port, line)
    for _ in range(len(changed) - len(line)):
        changed = re.sub(r"(?<=\S)(  +)(?= port )", lambda blanks: blanks[1][1:], changed)
    return changed


def source(imported: str) -> tuple[str, str]:
    """Return the code of the module that an import string names, from the installed package; nothing runs.

    Args:
        imported: e.g. ``backends.tcp.client:TcpClient``.

    Returns:
        The name of its file in the package, and its text.
    """
    package, _, module = imported.partition(":")[0].rpartition(".")
    folder = files(package.partition(".")[0])
    for part in package.split(".")[1:]:
        folder = folder.joinpath(part)
    name = f"{package.replace('.', '/')}/{module}.py"
    return name, folder.joinpath(f"{module}.py").read_text(encoding="utf-8")
