"""Events as CSV (RFC 4180), for people who open it with a spreadsheet.

Pure. A cell that a spreadsheet would take for a formula begins with an apostrophe instead
(https://owasp.org/www-community/attacks/CSV_Injection). So does what would be a cell where the
spreadsheet splits elsewhere than at commas: there quotes in the middle of a line mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from unicodedata import category, normalize

from deploytrail.actions import summary
from deploytrail.trail import Shown

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
# From one place where a cell may begin only to the next: a text of nothing but tabs is read once.
_SIGN: Final = r'[\x00-\x08\x0b\x0c\x0e-\x20\x7f"]*[=+\-@]'
_FORMULA: Final = re.compile(rf"[\t\r\n]|{_SIGN}")
_FORMULA_BEHIND: Final = re.compile(rf"[;\t\r\n](?={_SIGN})")
_QUOTED: Final = re.compile('[,;"\t\r\n]')
_MINUS: Final = "\N{MINUS SIGN}"


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
    seen = text if text.isascii() else "".join(map(_seen, text))
    begins = [0] if _FORMULA.match(seen) else []
    begins += [match.end() for match in _FORMULA_BEHIND.finditer(seen)]
    if begins:
        text = "'".join(text[at:until] for at, until in pairwise([0, *begins, len(text)]))
    if _QUOTED.search(seen) is None:
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


@lru_cache(maxsize=4096)
def _seen(character: str) -> str:
    """What a spreadsheet may take it for: a sign that it folds to; a blank where unseen."""
    if character == _MINUS:
        return "-"
    folded = (one for one in normalize("NFKC", character) if one in "\t\r\n" or _is_visible(one))
    return next(folded, " ")


def _is_visible(character: str) -> bool:
    """Not a blank, a control or format character, or a mark on what is before it."""
    return category(character)[0] not in "ZCM"
