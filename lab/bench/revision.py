"""Our server as it was at another revision, to measure this build beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from chat.domain.errors import ChatError
from lab.bench.servers import Candidate

NAME = "before"
_HERE = Path(__file__).parents[2]


@contextmanager
def at(revision: str, ours: Candidate, folder: Path) -> Iterator[Candidate]:
    """Check a revision out into a new folder, and remove it afterwards.

    Args:
        revision: what git knows: a commit, a branch, a tag.
        ours: the server of this build.
        folder: where the new one is made.

    Yields:
        The same server of that revision. It uses the libraries of this build.

    Raises:
        ChatError: git can't do it.
    """
    tree = folder / NAME / "tree"
    tree.parent.mkdir(parents=True)
    commit = _git("rev-parse", "--short", f"{revision}^{{commit}}")
    _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
    try:
        yield replace(ours, name=NAME, title=f"{ours.title} at {commit}", tree=tree)
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_HERE), *arguments], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise ChatError("another revision is measured from a git checkout: git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise ChatError(f"git can't check it out: {said[-1] if said else 'it says nothing'}") from None
    return done.stdout.strip()
