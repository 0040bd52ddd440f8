"""The tables of docs/performance.md, and the plot beside them: written from what was measured.

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`; what was not measured this time
stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from bench import plot
from bench.figure import QUESTIONS, TARGETS, Figure

_PAGE: Final = Path("docs/performance.md")
_PLOT: Final = Path("docs/performance-growth.svg")
_TABLE: Final = "<!-- figures: {name} -->\n.*?<!-- end -->"
_QUESTION: Final = re.compile(r"search\.(?P<size>[0-9.]+)m\.(?P<question>\w+)\.p95_ms")
_INTAKE: Final = ("source.translate.", "import.", "server.start_s")
_SERVER: Final = ("http.", "search.fresh", "tail.fresh", "checkpoint.fresh", "server.rss")


def write(found: Iterable[Figure]) -> None:
    """Put what was measured into the page."""
    figures = {figure.name: figure for figure in found}
    text = _PAGE.read_text(encoding="utf-8")
    for name, table in _TABLES.items():
        rows = table(figures)
        if rows:
            pattern = re.compile(_TABLE.format(name=re.escape(name)), re.DOTALL)
            made = f"<!-- figures: {name} -->\n" + "\n".join(rows) + "\n<!-- end -->"
            text = made.join(pattern.split(text))
    _PAGE.write_text(text, encoding="utf-8")
    growth = _grown(figures)
    if len(_sizes(growth)) > 1:
        _PLOT.write_text(plot.svg(growth), encoding="utf-8")


def _server(figures: dict[str, Figure]) -> list[str]:
    rows = [figure for figure in figures.values() if figure.name.startswith(_SERVER)]
    if not rows:
        return []
    return [
        "| Figure | Target | Found | | Circumstances |",
        "|---|---|---|---|---|",
        *(f"| `{one.name}` | {_bound(one)} | {_value(one)} | {_verdict(one)} | {one.note} |"
          for one in rows),
    ]  # fmt: skip


def _index(figures: dict[str, Figure]) -> list[str]:
    rows = [figure for figure in figures.values() if figure.name.startswith("index.")]
    if not rows:
        return []
    return [
        "| Figure | Target | Found | | Beside it |",
        "|---|---|---|---|---|",
        *(f"| `{one.name}` ({one.n:,}) | {_bound(one)} | {_value(one)} | {_verdict(one)} "
          f"| {_peers(one)} |"
          for one in rows),
    ]  # fmt: skip


def _intake(figures: dict[str, Figure]) -> list[str]:
    rows = [figure for figure in figures.values() if figure.name.startswith(_INTAKE)]
    if not rows:
        return []
    return [
        "| Figure | Target | Found | | Beside it | Circumstances |",
        "|---|---|---|---|---|---|",
        *(f"| `{one.name}` | {_bound(one)} | {_value(one)} | {_verdict(one)} | {_peers(one)} "
          f"| {one.note} |"
          for one in rows),
    ]  # fmt: skip


def _search(figures: dict[str, Figure]) -> list[str]:
    rows = []
    peers = list(
        dict.fromkeys(peer for one in figures.values() if ".10m." in one.name for peer in one.peers)
    )
    for question in QUESTIONS:
        warm = figures.get(f"search.10m.{question}.p95_ms")
        cold = figures.get(f"search_cold.10m.{question}.p95_ms")
        if warm is None or cold is None:
            continue
        cells = [f"{warm.value:,g}", *(_ms(warm.peers.get(peer)) for peer in peers)]
        cells += [f"{cold.value:,g}", *(_ms(cold.peers.get(peer)) for peer in peers)]
        verdict = "reached" if _is_met(warm) and _is_met(cold) else "missed"
        rows.append(f"| `{question}` | {' | '.join(cells)} | {verdict} |")
    if not rows:
        return []
    heads = [f"{state}: {who}" for state in ("warm", "cold") for who in ("ours", *peers)]
    return [
        f"| p95 in ms, 10 M events | {' | '.join(heads)} | |",
        f"|{'---|' * (len(heads) + 2)}",
        *rows,
    ]


def _growth(figures: dict[str, Figure]) -> list[str]:
    growth = _grown(figures)
    sizes = _sizes(growth)
    if len(sizes) < 2:
        return []
    return [
        f"| warm p95 in ms | {' | '.join(f'{size:g} M' for size in sizes)} |",
        f"|{'---|' * (len(sizes) + 1)}",
        *(f"| `{question}` | {' | '.join(_ms(of.get(size)) for size in sizes)} |"
          for question, of in growth.items()),
    ]  # fmt: skip


def _grown(figures: dict[str, Figure]) -> dict[str, dict[float, float]]:
    """By question, milliseconds by millions of events."""
    growth: dict[str, dict[float, float]] = {}
    for figure in figures.values():
        if found := _QUESTION.fullmatch(figure.name):
            growth.setdefault(found["question"], {})[float(found["size"])] = figure.value
    return {name: dict(sorted(growth[name].items())) for name in QUESTIONS if name in growth}


def _sizes(growth: dict[str, dict[float, float]]) -> Sequence[float]:
    return sorted({size for of in growth.values() for size in of})


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,g}"


def _bound(figure: Figure) -> str:
    target = TARGETS[figure.name]
    return f"{'≥' if target.is_least else '≤'} {target.bound:,g}"


def _value(figure: Figure) -> str:
    return f"{figure.value:,g} {figure.unit}"


def _is_met(figure: Figure) -> bool:
    return TARGETS[figure.name].is_met(figure.value)


def _verdict(figure: Figure) -> str:
    return "reached" if _is_met(figure) else "missed"


def _peers(figure: Figure) -> str:
    return ", ".join(f"{name}: {value:,g}" for name, value in figure.peers.items())


_TABLES: Final[dict[str, Callable[[dict[str, Figure]], list[str]]]] = {
    "server": _server,
    "intake": _intake,
    "index": _index,
    "search": _search,
    "growth": _growth,
}
