"""A plot as SVG: one line for each question, both axes logarithmic. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

_WIDTH: Final = 760
_HEIGHT: Final = 420
_LEFT: Final = 60
_RIGHT: Final = 580
_TOP: Final = 20
_BOTTOM: Final = 370
_TARGET_MS: Final = 50
_COLOURS: Final = (
    "#1b6ca8", "#d1495b", "#3c8d5a", "#8a5fb0", "#c77d1a", "#2a9d8f", "#6c757d", "#b5179e",
    "#7f5539", "#457b9d", "#222222",
)  # fmt: skip


def svg(lines: Mapping[str, Mapping[float, float]]) -> str:
    """`lines` have milliseconds by millions of events."""
    points = [point for line in lines.values() for point in line.items()]
    sizes = sorted({size for size, _ in points})
    low = 10 ** math.floor(math.log10(min(value for _, value in points)))
    high = 10 ** math.ceil(math.log10(max(_TARGET_MS, *(value for _, value in points))))

    def x(size: float) -> float:
        whole = math.log(sizes[-1] / sizes[0])
        return _LEFT + (_RIGHT - _LEFT) * math.log(size / sizes[0]) / whole

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * math.log(value / low) / math.log(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    decade = low
    while decade <= high:
        parts += _rule(y(decade), f"{decade:g} ms", "#dddddd")
        decade *= 10
    parts += _rule(y(_TARGET_MS), f"{_TARGET_MS} ms", "#e0a0a0")
    for size in sizes:
        parts.append(_text(x(size), _BOTTOM + 20, f"{size:g} M", "middle"))
    parts.append(_text((_LEFT + _RIGHT) / 2, _HEIGHT - 8, "events", "middle"))
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in line.items())
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(_RIGHT + 30, _TOP + 20 + 20 * number, name, "start", colour))
    return "\n".join([*parts, "</svg>", ""])


def _rule(y: float, text: str, colour: str) -> Iterator[str]:
    yield f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
    yield _text(_LEFT - 6, y + 4, text, "end")


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
