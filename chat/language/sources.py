"""Finds the texts that a person may see, in the code: the sources of the catalogues.

A text is one if it is given to a call of `SHOWN`, to an error of the model, or to `N_`; the help of a command
is one, and what stands in a page of `PAGES`. An f-string becomes a template, ``f"{n} wait for
{self.address}"`` ``{n} wait for {address}``; where a value is one of two texts (``"s" if n > 1 else ""``)
there is a template for each.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from chat.language.pages import page_texts

LAB = ("lab/demo.py", "lab/plain_broker.py", "lab/check/twins.py")
PACKAGES: tuple[str, ...] = ("chat", "tui", "backends", "lab/faults", "lab/wire", *LAB)
PAGES = ("tui/web/pages",)
ERRORS = ast.parse(Path(__file__).parents[1].joinpath("domain", "errors.py").read_text(encoding="utf-8"))
TYPED = ("lab/faults", "lab/wire")
"""Where what a person has typed is read, so that they see a `BadRequest`, too."""
SHOWN = frozenset(
    {node.name for node in ast.walk(ERRORS) if isinstance(node, ast.ClassDef)}
    - {"BadRequest"}  # for those who write a client, who read English anyway
    | {"Refused", "ValueError", "UsageError", "BadParameter", "ClickException"}
    | {
        "N_",
        "translate",
        "Content",
        "Static",
        "Command",
        "Setting",
        "Verb",
        "Technique",
        "Twin",
        "option",
        "argument",
        "command",
        "group",
    }
    | {"fail", "hint", "into", "note", "Refusal", "tell", "Told", "warn"}
)
"""The calls whose texts are shown."""
ONLY = {
    "Technique": (),
    "Verb": (1,),
    "Command": (2,),
    "into": (1,),
    "Setting": (1,),
    "Twin": (4, 5, 6),
    "option": (),
    "argument": (),
    "command": (),
    "group": (),
}
"""Of these calls, which positional arguments are shown; of others all."""
KEYWORDS = frozenset({"help", "short_help", "summary", "text", "epilog", "placeholder", "title"})
"""The keywords, and the attributes in the body of a class, whose texts are shown."""
WORD = re.compile(r"[^\W\d_]{2,}")
OPTION = re.compile(r"-[^\s:]*")


def texts(root: Path) -> Iterator[tuple[str, str, int]]:
    """Yield every text with its file (relative to ``root``, POSIX) and line."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")) or [root / package]:
            where = path.relative_to(root).as_posix()
            shown = SHOWN | {"BadRequest"} if package in TYPED else SHOWN
            for line, text in found(ast.parse(path.read_text(encoding="utf-8")), shown):
                yield text, where, line
    for folder in PAGES:
        for path in sorted((root / folder).glob("*.html")):
            for text in filter(tells, page_texts(path.read_text(encoding="utf-8"))):
                yield text, path.relative_to(root).as_posix(), 0


def found(tree: ast.AST, shown: frozenset[str] = SHOWN) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of everything in a module that a person may see."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for argument in shown_arguments(node, shown):
                yield from ((node.lineno, text) for text in templates(argument) if tells(text))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_command(node):
            if help := ast.get_docstring(node):
                yield node.lineno, inspect.cleandoc(help)
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and _name(line.targets[0]) in KEYWORDS:
                    yield from ((line.lineno, text) for text in templates(line.value) if tells(text))


def shown_arguments(call: ast.Call, shown: frozenset[str]) -> Iterator[ast.expr]:
    name = _name(call.func)
    if name not in shown:
        return
    places = ONLY.get(name, range(len(call.args)))
    yield from (argument for place, argument in enumerate(call.args) if place in places)
    yield from (keyword.value for keyword in call.keywords if keyword.arg in KEYWORDS)


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(one, ast.Call) and _name(one.func) in ("command", "group")
        for one in function.decorator_list
    )


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def tells(text: str) -> bool:
    """Whether a text has a word of its own, so that there is something to translate."""
    return bool(WORD.search(re.sub(r"\{[^{}]*\}", "", text))) and not OPTION.fullmatch(text)


# --- templates ---------------------------------------------------------------------------------


def templates(expression: ast.expr) -> list[str]:
    """Return the templates of a text in the code; none if it is no literal."""
    match expression:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.IfExp():
            return [*templates(expression.body), *templates(expression.orelse)]
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=str() as text)):
            return [text, ""]  # a plural: "s" * (n > 1)
        case ast.BinOp(op=ast.Add()):
            return [
                "".join(pair) for pair in product(templates(expression.left), templates(expression.right))
            ]
        case ast.JoinedStr():
            return _joined(expression)
    return []


def _joined(expression: ast.JoinedStr) -> list[str]:
    """Return a template for each choice of texts that an f-string has in it."""
    used: dict[str, int] = {}
    parts: list[list[str]] = []
    for value in expression.values:
        match value:
            case ast.Constant(value=str() as text):
                parts.append([text.replace("{", "{{").replace("}", "}}")])
            case ast.FormattedValue(value=ast.IfExp() | ast.BinOp() as choice) if (
                len(both := templates(choice)) == 2
            ):
                parts.append(both)
            case ast.FormattedValue():
                name = value_name(value.value)
                used[name] = used.get(name, 0) + 1
                parts.append([f"{{{name}{used[name] if used[name] > 1 else ''}}}"])
    return ["".join(choice) for choice in product(*parts)]


def value_name(value: ast.expr) -> str:
    """Return a name for a value: the last word of what it is taken from."""
    match value:
        case ast.Name():
            name = value.id
        case ast.Attribute():
            name = value.attr
        case ast.Call(args=[first, *_]):
            return value_name(first)
        case ast.Call():
            return value_name(value.func)
        case ast.Subscript():
            return value_name(value.value)
        case ast.Await():
            return value_name(value.value)
        case _:
            name = "value"
    return name.strip("_").lower() or "value"
