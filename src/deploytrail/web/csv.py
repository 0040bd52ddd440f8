"""Events as CSV (RFC 4180), for people who open it with a spreadsheet.

Pure. A cell that a spreadsheet would take for a formula begins with an apostrophe instead
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from deploytrail.actions import summary
from deploytrail.trail import Shown

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def _at(*path: str) -> Callable[[Mapping[str, Any]], Any]:
    def value(event: Mapping[str, Any]) -> Any:
        found: Any = event
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    return value


def _targets(event: Mapping[str, Any]) -> str:
    return " ".join(str(each["id"]) for each in event.get("targets", ()) if "id" in each)


COLUMNS: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "id": _at("id"),
    "time": _at("time"),
    "logged": _at("logged"),
    "action": _at("action"),
    "outcome": _at("outcome"),
    "actor": _at("actor", "id"),
    "actor_name": _at("actor", "name"),
    "actor_type": _at("actor", "type"),
    "on_behalf_of": _at("on_behalf_of", "id"),
    "project": _at("where", "project"),
    "unit": _at("where", "unit"),
    "environment": _at("where", "environment"),
    "targets": _targets,
    "reason": _at("reason", "text"),
    "tool": _at("source", "tool"),
    "connection": _at("source", "instance"),
    "run": _at("links", "run"),
    "commit": _at("links", "commit"),
    "summary": summary,
}
"""By name, in order, behind `index` and `leaf`; they only ever get more, at the end."""


def head() -> bytes:
    return _line(["index", "leaf", *COLUMNS])


def row(one: Shown) -> bytes:
    values = (value(one.event) for value in COLUMNS.values())
    return _line(
        [str(one.index), one.leaf, *("" if each is None else str(each) for each in values)]
    )


def _line(cells: list[str]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode("utf-8", "replace")


def _cell(text: str) -> str:
    if text.startswith(_FORMULA):
        text = f"'{text}"
    if any(one in text for one in ',"\r\n'):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text
