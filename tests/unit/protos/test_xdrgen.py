"""The generator: what every piece of XDR's language becomes, and what it refuses, with the line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from protos.xdr import XdrError
from protos.xdrgen import GenerateError, generate

EVERYTHING = """
/* All that the language has, and the generator makes. */
%#include "for rpcgen only"
const TEN = 10;
const OCTAL = 010;
const HEX = 0x1F;
const BELOW = -3;
enum colour { RED = 0, BLUE = BELOW };
typedef opaque digest[5];
typedef string word<TEN>;
typedef hyper pair[2];
typedef unsigned small<3>;
struct point { int x; unsigned int y; };
struct all {
    hyper h; unsigned hyper uh; float f; double d; bool b;
    digest fixed; opaque data<>; word w; string free<>;
    colour c; enum colour d2; struct point p; point *maybe; int *number;
    point points<2>; word words[2]; pair two; small few; point corners[2];
};
union choice switch (colour which) { case RED: point p; case BLUE: void; };
union counted switch (unsigned n) { case 1: case 2: string s<4>; default: word w; };
union sure switch (bool yes) { case TRUE: small some; case FALSE: int *none; };
program P {
    version V {
        void NOTHING(void) = 0;
        choice ASK(all) = 1;
    } = 7;
} = 0x20000001;
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module, loaded."""
    file = tmp_path_factory.mktemp("made") / "made_xdr.py"
    file.write_text(generate(EVERYTHING, "made.x"), encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = module_from_spec(spec)  # a dataclass looks its module up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[file.stem]


def test_numbers_are_written_in_three_ways(made: Any) -> None:
    assert (made.TEN, made.OCTAL, made.HEX, made.BELOW) == (10, 8, 31, -3)
    assert (made.colour.RED, made.colour.BLUE) == (0, -3)
    assert (made.P, made.V, made.NOTHING, made.ASK) == (0x20000001, 7, 0, 1)


def test_a_struct_of_everything_comes_back(made: Any) -> None:
    point = made.point(-1, 2)
    value = made.all(
        *(-(2**40), 2**63, 0.5, 0.1, True, b"12345", b"abc", "wörd", "free", made.colour.BLUE),
        *(made.colour.RED, point, point, None, [point], ["a", "b"], [1, -1], [1, 2, 3], [point, point]),
    )
    wire = value.encode()
    assert made.all.decode(wire) == value
    assert wire[:8] == (-(2**40)).to_bytes(8, "big", signed=True)


def test_the_bounds_are_kept(made: Any) -> None:
    for wrong in (made.counted(1, "fives"), made.counted(3, "eleven char"), made.sure(True, [1, 2, 3, 4])):
        with pytest.raises(XdrError):
            wrong.encode()


def test_a_union_has_the_arm_of_its_discriminant(made: Any) -> None:
    unions = [
        made.choice(made.colour.RED, made.point(1, 2)),
        made.choice(made.colour.BLUE),
        made.counted(2, "four"),
        made.counted(99, "default"),
        made.sure(True, [1, 2]),
        made.sure(False, 5),
        made.sure(False, None),
    ]
    assert [type(union).decode(union.encode()) for union in unions] == unions
    with pytest.raises(XdrError, match="no value 1"):
        made.choice.decode(bytes([0, 0, 0, 1]))
    with pytest.raises(XdrError, match="choice has no arm for 1"):
        made.choice(1).encode()


def test_the_table_of_procedures_has_their_types(made: Any) -> None:
    assert list(made.PROCEDURES) == [0, 1]
    assert made.PROCEDURES[0] == ("NOTHING", None, None)
    assert made.PROCEDURES[1] == ("ASK", made.all, made.choice)


WRONG = {
    "no semicolon": ("const A = 1\nconst B = 2;", 2, "not understood"),
    "an end too soon": ("struct s { int x;", 1, "not understood"),
    "a nested body": ("struct s {\n  struct { int x; } y;\n};", 2, "not understood"),
    "an unknown type": ("\nstruct s { place p; };", 2, "there is no type place above"),
    "a type that stands below": ("struct a { b *x; };\nstruct b { int y; };", 1, "no type b above"),
    "a type within itself": ("struct a { a *next; };", 1, "no type a above"),
    "an unknown constant": ("\n\ntypedef string s<MAX>;", 3, "there is no constant MAX above"),
    "a name twice": ("const A = 1;\nenum A { B = 1 };", 2, "A is there already"),
    "an enumerator twice": ("enum a { X = 1 };\nenum b { X = 2 };", 2, "X is there already"),
    "a word of Python's": ("const class = 1;", 1, "class is a word of Python's"),
    "a case that is none": (
        "enum a { X = 1 };\nconst Y = 2;\nunion u switch (a k) { case Y: int x; };",
        3,
        "u: Y is no value of a",
    ),
    "a number passed": (
        "program P { version V { void F(int) = 1; } = 1; } = 1;",
        1,
        "F: only structs, unions and void",
    ),
    "two versions": (
        "program P { version V { void F(void) = 0; } = 1; version W { void G(void) = 0; } = 2; } = 1;",
        1,
        "one program with one version",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_it_does_not_make_is_refused_with_the_line(name: str) -> None:
    source, line, reason = WRONG[name]
    with pytest.raises(GenerateError, match=reason) as refused:
        generate(source, "wrong.x")
    assert str(refused.value).startswith(f"wrong.x:{line}: ")


@pytest.mark.parametrize("field", ["pack", "decode", "from"])
def test_a_field_may_not_be_called_like_something_of_pythons(field: str) -> None:
    with pytest.raises(GenerateError, match=f"s.{field} has another meaning"):
        generate(f"struct s {{ int {field}; }};", "wrong.x")
