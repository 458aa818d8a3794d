"""The texts that a person may see are found in the code, and every catalogue fits them."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from chat.language.sources import found


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('raise NickTaken("bob is taken")', ["bob is taken"]),
        ('raise NickTaken(f"{author} is taken")', ["{author} is taken"]),
        ('Refused(f"wait {self.left:.0f} s, {left(other)} more")', ["wait {left} s, {other} more"]),
        ('hint(f"{a.n} of {b.n} here")', ["{n} of {n2} here"]),
        ("hint(f\"{n} line{'s' if n > 1 else ''} here\")", ["{n} lines here", "{n} line here"]),
        ('hint("all is well" if well else "not well")', ["all is well", "not well"]),
        ('hint("braces " + f"{{}} and {n} more")', ["braces {{}} and {n} more"]),
        ('option("--lang", help="The language.")', ["The language."]),
        ('Command("help", "", "commands and keys", run)', ["commands and keys"]),
        ('class Fault:\n  summary = "all is late"\n  name = "slow wire"', ["all is late"]),
        ('@group.command()\ndef go():\n  """Go there."""', ["Go there."]),
        ('raise BadRequest("no JSON here")', []),  # for those who write a client
        ('raise UsageError("--port needs a technique")', ["--port needs a technique"]),
        ('N_("--port")', []),
        ('Refusal(403, "open the page itself")', ["open the page itself"]),
        ('into(language, "the server has ended")', ["the server has ended"]),
        ('@group.command(short_help="Go.")\ndef go():\n  """Go there."""', ["Go there.", "Go."]),
        ('hint(f"{a}: {b}")', []),
        ('print("not shown there")', []),
        ("hint(text)", []),
    ],
)
def test_what_a_person_may_see_is_found(code: str, texts: list[str]) -> None:
    assert [text for _, text in found(ast.parse(code))] == texts


def test_every_text_is_translated_and_every_catalogue_is_compiled() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chat.language", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
