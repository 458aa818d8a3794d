"""The options of `chat serve` for its operator: what it tells, and where it can be asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

import backends
from chat.interfaces.address import Address, parse_address
from chat.language.translation import translate

F = TypeVar("F", bound=Callable[..., Any])
MAX_WORKERS = 64


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator has chosen."""

    log_level: str
    log_format: str
    admin: Address | None
    """Where the admin port is; None: nowhere."""
    faults: bool
    """The owner may let the wire fail for everybody."""
    workers: int
    """Processes that serve."""

    def check_workers(self, others: Mapping[str, bool]) -> None:
        """Raise UsageError if several workers can't do what was asked for.

        Args:
            others: options of `chat serve` that they do not go with, and whether they are given.
        """
        if self.workers == 1:
            return
        if sys.platform != "linux":
            raise click.UsageError("--workers needs Linux: other systems do not spread connections")
        for option, given in {
            **others,
            "--admin-port": self.admin is not None,
            "--faults": self.faults,
        }.items():
            if given:
                raise click.UsageError(f"--workers and {option} do not go together: leave one of them out")


def _spreading() -> str:
    return ", ".join(label.name for label in backends.techniques() if label.spreads)


def _admin_address(_: click.Context, __: click.Parameter, text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return parse_address(f"127.0.0.1:{text}" if text.isdigit() else text, 0)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write [HOST:]PORT, e.g. 9100") from None


def operator_options(command: F) -> F:
    """Add the options. The command gets them as one `Operator`, ``operator``."""

    @wraps(command)
    def collect(*arguments: Any, **options: Any) -> Any:
        operator = Operator(**{name: options.pop(name) for name in Operator.__slots__})
        return command(*arguments, operator=operator, **options)

    for option in reversed(
        [
            click.option(
                "--log-level",
                default="warning",
                show_default=True,
                type=click.Choice(["debug", "info", "warning", "error"]),
                help="What is written to the standard error; info: also who comes, leaves, is cut, and why.",
            ),
            click.option(
                "--log-format",
                default="text",
                show_default=True,
                type=click.Choice(["text", "json"]),
                help="How; json: one object a line.",
            ),
            click.option(
                "--admin-port",
                "admin",
                metavar="[HOST:]PORT",
                callback=_admin_address,
                help="Answer /healthz and /metrics (Prometheus) there, for programs on this machine.",
            ),
            click.option(
                "--faults",
                is_flag=True,
                help="For a class: in your own chat, /fault all stall 5s lets the wire fail for everybody.",
            ),
            click.option(
                "--workers",
                metavar="N",
                default=1,
                show_default=True,
                type=click.IntRange(1, MAX_WORKERS),
                help="Processes that serve on one log, for several cores (Linux): the connections of "
                f"{_spreading()} are spread over them, and the first one serves the other techniques.",
            ),
        ]
    ):
        collect = option(collect)
    return collect  # type: ignore[return-value]  # the same command, with more options


def admin_line(address: Address, as_json: bool) -> str:
    """Return the line that says where the admin port is."""
    if as_json:
        return json.dumps({"admin": {"host": address.host, "port": address.port}})
    return f"admin  {translate('ready')}  {address}  http://{address}/healthz  http://{address}/metrics"
