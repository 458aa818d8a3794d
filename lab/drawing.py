"""The shapes of a picture, as SVG. A state is a shape and a colour; the colours are those of Okabe and Ito,
which people with colour blindness can tell apart (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

FONT = "Helvetica, Arial, DejaVu Sans, sans-serif"
INK = "#1a1a1a"
BLUE, VERMILION, ORANGE = "#0072b2", "#d55e00", "#e69f00"
RADIUS = 8


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """Return the picture; it fetches nothing, and has a background of its own."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'role="img" font-family="{FONT}">',
            f"<title>{escape(title)}</title>",
            rectangle(0, 0, width, height, "#ffffff"),
            *parts,
            "</svg>\n",
        ]
    )


def label(x: float, y: float, text: str, *, size: int = 18, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{INK}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def rule(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, *, dashed: bool = False
) -> str:
    dashes = ' stroke-dasharray="6 5"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def circle(x: float, y: float) -> str:
    """All is well."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{BLUE}" stroke="#ffffff"/>'


def cross(x: float, y: float) -> str:
    """It is lost."""
    arms = f"M{x - RADIUS:.1f} {y - RADIUS:.1f}l16 16m0 -16l-16 16"
    return f'<path d="{arms}" stroke="{VERMILION}" stroke-width="5" stroke-linecap="round" fill="none"/>'


def question(x: float, y: float) -> str:
    """Nobody knows."""
    return (
        f'<path d="M{x:.1f} {y - 12:.1f}l12 12l-12 12l-12 -12z" fill="{ORANGE}" stroke="{INK}"/>'
        f'<text x="{x:.1f}" y="{y + 6:.1f}" font-size="17" font-weight="bold" fill="{INK}" '
        'text-anchor="middle">?</text>'
    )


def flag(x: float, y: float) -> str:
    """A moment."""
    return f'<path d="M{x - 7:.1f} {y:.1f}h14l-7 11z" fill="{INK}"/>'
