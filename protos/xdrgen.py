"""From XDR's own language to Python: what rpcgen does for C. Developers only; it needs lark and ruff.

A struct becomes a slotted dataclass, a union one with its discriminant and a ``value``, an enum an `IntEnum`,
a typedef another name. A type stands before its use, so nothing can be nested without end.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import TypeAlias, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

GRAMMAR = Path(__file__).with_name("xdr.lark")
LINE_LENGTH = "110"
RESERVED = {"pack", "unpack", "encode", "decode"}  # what every message has

HEAD = '''\
"""Made from {name} by ``python -m protos``: change that, not this."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from protos.xdr import NO_BOUND, Message, Packer, Procedure, Unpacker, XdrError, arm
'''

Node: TypeAlias = "Tree[Token]"


class GenerateError(ValueError):
    """The interface can't be read, or holds what this generator does not make; says in which line."""


@dataclass(frozen=True, slots=True)
class Type:
    """How a type is written, and how a value of it gets in and out."""

    hint: str
    put: str
    """The statement that packs ``{v}``."""
    take: str
    """The expression that unpacks one."""
    kind: str
    """What ``type(value)`` is."""
    message: bool = False
    """It is a struct or a union."""


BASES = {
    "int": Type("int", "p.int32({v})", "u.int32()", "int"),
    "unsigned": Type("int", "p.uint32({v})", "u.uint32()", "int"),
    "unsigned int": Type("int", "p.uint32({v})", "u.uint32()", "int"),
    "hyper": Type("int", "p.int64({v})", "u.int64()", "int"),
    "unsigned hyper": Type("int", "p.uint64({v})", "u.uint64()", "int"),
    "float": Type("float", "p.float32({v})", "u.float32()", "float"),
    "double": Type("float", "p.float64({v})", "u.float64()", "float"),
    "bool": Type("bool", "p.boolean({v})", "u.boolean()", "bool"),
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type


Arm: TypeAlias = tuple[list[str], Field | None]
"""The values of the discriminant, none for the default; and what they bring, None for void."""


def generate(source: str, name: str) -> str:
    """Return the Python module for an interface; ``name`` is its file's. Raises `GenerateError`."""
    parser = Lark(GRAMMAR.read_text(encoding="utf-8"), start="specification", parser="lalr")
    try:
        tree = parser.parse(source)
    except UnexpectedInput as error:
        found = error.get_context(source).strip()
        raise GenerateError(f"{name}:{error.line}: not understood:\n{found}") from None
    return formatted(HEAD.format(name=name) + _Module(name).write(tree))


def formatted(code: str) -> str:
    """Return the code as ruff writes it, without what it does not import in vain."""
    ruff = (sys.executable, "-m", "ruff")
    for command in (
        (*ruff, "check", "--isolated", "--quiet", "--select=F401", "--fix", "-"),
        (*ruff, "format", "--isolated", "--quiet", f"--line-length={LINE_LENGTH}", "-"),
    ):
        done = subprocess.run(command, input=code.encode(), capture_output=True, check=True)
        code = done.stdout.decode()
    return code


class _Module:
    """The interface as it is read, from top to bottom."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._constants = {"TRUE": "True", "FALSE": "False"}  # names of numbers, to how Python says them
        self._types: dict[str, Type] = {}
        self._enums: dict[str, set[str]] = {}
        self._program = ""

    def write(self, tree: Node) -> str:
        writers: dict[str, Callable[[Node], str]] = {
            "constant": self._constant,
            "typedef": self._typedef,
            "enum": self._enum,
            "struct": self._struct,
            "union": self._union,
            "program": self._write_program,
        }
        return "\n".join(writers[node.data](node) for node in _nodes(tree)) + "\n"

    # --- names ---------------------------------------------------------------------------------

    def _fail(self, token: Token, what: str) -> GenerateError:
        return GenerateError(f"{self._source}:{token.line}: {what}")

    def _new(self, token: Token, python: str = "") -> str:
        """Take a name for a number or a type."""
        if iskeyword(token):
            raise self._fail(token, f"{token} is a word of Python's: choose another name")
        if token in self._constants or token in self._types:
            raise self._fail(token, f"{token} is there already")
        if python:
            self._constants[token] = python
        return str(token)

    def _value(self, node: Node) -> str:
        token = _token(node)
        if token.type == "NUMBER":
            return str(_number(token))
        if token not in self._constants:
            raise self._fail(token, f"there is no constant {token} above")
        return self._constants[token]

    def _bound(self, node: Node | Token | None) -> str:
        return self._value(node) if isinstance(node, Tree) else "NO_BOUND"

    def _type(self, node: Node) -> Type:
        token = _token(node)
        if token.type == "BASE":
            return BASES[" ".join(token.split())]
        if token not in self._types:
            raise self._fail(token, f"there is no type {token} above")
        return self._types[token]

    # --- declarations --------------------------------------------------------------------------

    def _declared(self, node: Node) -> Field | None:
        """Return what a declaration declares; None for void."""
        parts = node.children
        if node.data == "nothing":
            return None
        if node.data in ("opaque", "opaque_fixed", "string"):
            method = "fixed" if node.data == "opaque_fixed" else node.data
            kind = "str" if node.data == "string" else "bytes"
            bound = self._bound(parts[1])
            made = Type(kind, f"p.{method}({{v}}, {bound})", f"u.{method}({bound})", kind)
            return Field(str(parts[0]), made)
        inner, name = self._type(cast(Node, parts[0])), str(parts[1])
        put = _function(inner)
        take = inner.take.removesuffix("()") if inner.take.endswith("()") else f"lambda: {inner.take}"
        if node.data == "optional":
            made = Type(f"{inner.hint} | None", f"p.optional({{v}}, {put})", f"u.optional({take})", "")
        elif node.data in ("array", "vector"):
            bound = self._bound(parts[2])
            made = Type(
                f"list[{inner.hint}]",
                f"p.{node.data}({{v}}, {bound}, {put})",
                f"u.{node.data}({bound}, {take})",
                "list",
            )
        else:
            made = inner
        return Field(name, made)

    def _field(self, node: Node, whose: str) -> Field:
        field = self._declared(node)
        if field is None:
            raise GenerateError(f"{self._source}: {whose} has a field of type void")
        if iskeyword(field.name) or field.name in RESERVED:
            raise GenerateError(f"{self._source}: {whose}.{field.name} has another meaning in Python")
        return field

    # --- definitions ---------------------------------------------------------------------------

    def _constant(self, node: Node) -> str:
        name, number = _tokens(node)
        self._new(name, str(name))
        return f"{name} = {_number(number)}"

    def _typedef(self, node: Node) -> str:
        declaration = _nodes(node)[0]
        field = self._field(declaration, "a typedef")
        token = next(part for part in declaration.children if isinstance(part, Token))
        self._new(token)
        # An alias is evaluated when the module is loaded, so its kind is not told by its name.
        self._types[field.name] = Type(
            field.name, field.type.put, field.type.take, field.type.kind, field.type.message
        )
        return f"{field.name} = {field.type.hint}"

    def _enum(self, node: Node) -> str:
        (name,) = _tokens(node)
        self._new(name)
        lines = [f"class {name}(IntEnum):"]
        for item in _nodes(node):
            (member,) = _tokens(item)
            value = self._value(_nodes(item)[0])
            self._new(member, f"{name}.{member}")
            lines.append(f"    {member} = {value}")
        self._enums[name] = {self._constants[_token(item)] for item in _nodes(node)}
        self._types[name] = Type(str(name), "p.int32({v})", f"u.enum({name})", str(name))
        return "\n".join(lines)

    def _struct(self, node: Node) -> str:
        (name,) = _tokens(node)
        self._new(name)
        fields = [self._field(part, name) for part in _nodes(node)]
        self._add(name)
        return "\n".join(
            [
                "@dataclass(slots=True)",
                f"class {name}(Message):",
                *(f"    {field.name}: {field.type.hint}" for field in fields),
                "\n    def pack(self, p: Packer) -> None:",
                *("        " + field.type.put.format(v=f"self.{field.name}") for field in fields),
                "\n    @classmethod\n    def unpack(cls, u: Unpacker) -> Self:",
                f"        return cls({', '.join(field.type.take for field in fields)})",
            ]
        )

    def _union(self, node: Node) -> str:
        (name,) = _tokens(node)
        self._new(name)
        first, *rest = _nodes(node)
        switch = self._field(first, name)
        known = self._enums.get(switch.type.kind)
        arms: list[Arm] = []
        for case in rest:
            *labels, declaration = _nodes(case)
            values = [self._value(label) for label in labels]
            if known is not None and (foreign := [value for value in values if value not in known]):
                raise self._fail(name, f"{name}: {foreign[0]} is no value of {switch.type.hint}")
            field = self._declared(declaration)
            if values and arms and arms[-1][0] and _same(arms[-1][1], field):
                arms[-1][0].extend(values)  # names of arms are for C: here each is the value
            else:
                arms.append((values, field))
        self._add(name)
        hints = list(dict.fromkeys(field.type.hint for _, field in arms if field))
        default = ""
        if any(field is None for _, field in arms):
            hints, default = [*hints, "None"], " = None"
        return "\n".join(
            [
                "@dataclass(slots=True)",
                f"class {name}(Message):",
                f"    {switch.name}: {switch.type.hint}",
                f"    value: {' | '.join(hints)}{default}",
                "\n    def pack(self, p: Packer) -> None:",
                f"        {switch.type.put.format(v=f'self.{switch.name}')}",
                *_put_arms(name, switch.name, arms),
                "\n    @classmethod\n    def unpack(cls, u: Unpacker) -> Self:",
                f"        {switch.name} = {switch.type.take}",
                *_take_arms(name, switch.name, arms),
            ]
        )

    def _add(self, name: Token) -> None:
        self._types[name] = Type(str(name), "{v}.pack(p)", f"u.message({name})", str(name), message=True)

    def _write_program(self, node: Node) -> str:
        name, number = _tokens(node)
        versions = _nodes(node)
        if self._program or len(versions) > 1:
            raise self._fail(name, "one program with one version to a file, please")
        self._program = self._new(name, str(name))
        (version,) = versions
        version_name, version_number = _tokens(version)
        self._new(version_name, str(version_name))
        lines = [f"{name} = {_number(number)}", f"{version_name} = {_number(version_number)}"]
        table = ["PROCEDURES: dict[int, Procedure] = {"]
        for procedure in _nodes(version):
            called, place = _tokens(procedure)
            self._new(called, str(called))
            result, argument = (self._passed(part, called) for part in _nodes(procedure))
            lines.append(f"{called} = {_number(place)}")
            table.append(f'    {called}: Procedure("{called}", {argument}, {result}),')
        return "\n".join([*lines, *table, "}"])

    def _passed(self, node: Node, procedure: Token) -> str:
        """Return what a procedure takes or gives: the name of a struct or a union, or None."""
        if node.data == "nothing":
            return "None"
        made = self._type(_nodes(node)[0])
        if not made.message:
            raise self._fail(procedure, f"{procedure}: only structs, unions and void can be passed")
        return made.hint


# --- how it is written in Python ---------------------------------------------------------------


def _function(inner: Type) -> str:
    """Return what packs one value, as an expression that can be called."""
    if inner.put.endswith("({v})"):
        return inner.put.removesuffix("({v})")
    return f"lambda x: {inner.put.format(v='x')}"


def _same(one: Field | None, other: Field | None) -> bool:
    """Whether two arms bring the same type, or both nothing."""
    return one.type == other.type if one and other else one is other


def _test(switch: str, values: list[str]) -> str:
    return f"{switch} == {values[0]}" if len(values) == 1 else f"{switch} in ({', '.join(values)})"


def _put_arms(union: str, switch: str, arms: list[Arm]) -> list[str]:
    lines = []
    for place, (values, field) in enumerate(arms):
        word = "elif" if place else "if"
        lines.append(f"        {word} {_test(f'self.{switch}', values)}:" if values else "        else:")
        if field is None:
            lines.append("            arm(self.value, type(None))")
        elif not field.type.kind:  # optional: there is nothing to be told apart
            lines.append(f"            {field.type.put.format(v='self.value')}")
        else:
            lines.append(f"            {field.type.put.format(v=f'arm(self.value, {field.type.kind})')}")
    if arms[-1][0]:
        lines += [
            "        else:",
            f'            raise XdrError(f"{union} has no arm for {{self.{switch}!r}}")',
        ]
    return lines


def _take_arms(union: str, switch: str, arms: list[Arm]) -> list[str]:
    lines = []
    for values, field in arms:
        taken = f"return cls({switch}, {field.type.take})" if field else f"return cls({switch})"
        lines += [f"        if {_test(switch, values)}:", f"    {taken}"] if values else [taken]
        lines[-1] = f"        {lines[-1]}"
    if arms[-1][0]:
        lines.append(f'        raise XdrError(f"{union} has no arm for {{{switch}!r}}")')
    return lines


# --- trees -------------------------------------------------------------------------------------


def _nodes(tree: Node) -> list[Node]:
    return [part for part in tree.children if isinstance(part, Tree)]


def _tokens(tree: Node) -> list[Token]:
    return [part for part in tree.children if isinstance(part, Token)]


def _token(tree: Node) -> Token:
    return _tokens(tree)[0]


def _number(token: Token) -> int:
    digits = token.lstrip("-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    value = int(digits, 8) if octal else int(digits, 0)
    return -value if token.startswith("-") else value
