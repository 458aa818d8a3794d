"""House rules that a reader of the files relies on, and what must never get into them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = {".py", ".c", ".h", ".js", ".tcss", ".sh"}
LONGEST = 400

LEAKS = {
    "a home folder": r"/(?:home|Users)/(?!ann/|local/)[a-z]\w*/|/roo[t]/|[A-Z]:\\Users\\",
    "a package index": r"(?:extra-)?index[-_]url|find[-_]links|https?://[^\s\"'`]+/simple\b|pythonhosted\.org",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a token of a service": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10})",
}
GENERATED = re.compile(r"_pb2|_xdr\.py$")
"""Files that a command writes (`python -m protos`)."""


def text_of(path: Path) -> str | None:
    """Return the file's text; None for a picture or another binary file."""
    data = (ROOT / path).read_bytes()
    return None if b"\0" in data else data.decode(errors="replace")


def test_every_text_file_is_utf8(tree: list[Path]) -> None:
    bad = [path for path in tree if (text := text_of(path)) is not None and "\ufffd" in text]
    assert bad == []


def test_no_merge_was_left_half_done(tree: list[Path]) -> None:
    pattern = re.compile(r"^(?:<{7}|>{7}) \S", re.MULTILINE)
    assert [path for path in tree if pattern.search(text_of(path) or "")] == []


@pytest.mark.parametrize("what", LEAKS)
def test_nothing_of_a_machine_or_a_secret_is_in_the_files(tree: list[Path], what: str) -> None:
    pattern = re.compile(LEAKS[what])
    found = [f"{path}: {hit[0]}" for path in tree for hit in pattern.finditer(text_of(path) or "")]
    assert found == []


def test_this_folder_is_named_nowhere(tree: list[Path]) -> None:
    if len(ROOT.parts) < 3:
        pytest.skip(f"{ROOT} is too common a name to look for")
    assert [path for path in tree if str(ROOT) in (text_of(path) or "")] == []


def test_no_file_is_too_long(tree: list[Path]) -> None:
    """A longer one does two things; generated ones are read by nobody."""
    sizes = {
        path.as_posix(): (text_of(path) or "").count("\n")
        for path in tree
        if path.suffix in CODE and not GENERATED.search(path.name)
    }
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}


def test_every_module_says_what_it_is_for(tree: list[Path]) -> None:
    silent = [
        path
        for path in tree
        if path.suffix == ".py" and not GENERATED.search(path.name)
        if (source := (ROOT / path).read_bytes()) and not ast.get_docstring(ast.parse(source))
    ]
    assert silent == []


INTERFACES = sorted((ROOT / "chat" / "interfaces").glob("*.py"))


@pytest.mark.parametrize(
    "module",
    [ROOT / "chat/domain/model.py", ROOT / "chat/domain/errors.py", *INTERFACES],
    ids=lambda path: path.stem,
)
def test_the_values_and_the_interfaces_are_explained(module: Path) -> None:
    """Every public class and function has a docstring; plain records speak through their fields."""
    nodes = ast.parse(module.read_bytes()).body
    silent = [
        node.name
        for node in nodes
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and not ast.get_docstring(node) and not is_record(node)
    ]
    assert silent == []


def is_record(node: ast.AST) -> bool:
    """Say whether this is a class of nothing but fields, or of fields and how they print."""
    return isinstance(node, ast.ClassDef) and all(
        isinstance(part, ast.AnnAssign | ast.Expr) or getattr(part, "name", "") == "__str__"
        for part in node.body
    )
