"""What `chat serve --lan` shows the teacher, on a terminal of 80 columns and 24 lines."""

from __future__ import annotations

from pathlib import Path

from chat.cli.serve_lan import Board, broken, port_options
from chat.interfaces.tls import Fingerprint

BOARD = Board(
    "192.168.1.5",
    "talent-shuttle-carbon-patient",
    Fingerprint.parse("SHA256:" + "ab" * 32),
    {"tcp": 7020, "rest": 8000, "grpc": 50052},
    {},
)


def test_the_line_for_the_board_is_the_last_and_no_option_of_it_is_torn_apart(tmp_path: Path) -> None:
    said = "\n".join(BOARD.lines(tmp_path, 80)).split("\n")
    assert said[-4:] == [
        "",
        "  chat join 192.168.1.5 --words talent-shuttle-carbon-patient",
        "      --check abab-abab-abab --port-of tcp=7020 --port-of grpc=50052",
        "",
    ]


def test_where_there_is_no_terminal_the_command_is_one_line() -> None:
    assert broken(BOARD.join, 0) == [f"  {BOARD.join}"]


def test_a_port_is_named_if_it_is_not_the_usual_one() -> None:
    assert port_options(BOARD.ports) == " --port-of tcp=7020 --port-of grpc=50052"
    assert port_options({"tcp": 7010}) == ""
