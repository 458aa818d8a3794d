"""The options of `chat serve` for its operator: what it tells, and where it can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from chat.interfaces.address import Address, parse_address
from chat.language.translation import translate

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator has chosen."""

    log_level: str
    log_format: str
    admin: Address | None
    """Where the admin port is; None: nowhere."""
    faults: bool
    """The owner may let the wire fail for everybody."""


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
        ]
    ):
        collect = option(collect)
    return collect  # type: ignore[return-value]  # the same command, with more options


def admin_line(address: Address, as_json: bool) -> str:
    """Return the line that says where the admin port is."""
    if as_json:
        return json.dumps({"admin": {"host": address.host, "port": address.port}})
    return f"admin  {translate('ready')}  {address}  http://{address}/healthz  http://{address}/metrics"
