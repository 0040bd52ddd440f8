"""`deploytrail actions`: the names that an event may bear, and what each stands for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from deploytrail.cli.columns import GAP, wrapped
from deploytrail.cli.opening import JsonOption
from deploytrail.cli.terminal import is_terminal, say, say_json, styled, width
from deploytrail.errors import NotFound

_ROOM_MIN: Final = 28
"""Columns in which a meaning can be read beside its name."""


def actions(
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help="Only names that begin so, e.g. deployment.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """List the actions that an event may name.

    Columns: name, severity, meaning, with tabs between them unless on a terminal. With --json, a
    JSON document per line. Those of the trail itself (audit.…) can't be recorded by others.
    """
    from deploytrail.actions import CATALOGUE, outcome

    found = [each for name, each in CATALOGUE.items() if name.startswith(prefix)]
    if not found:
        families = ", ".join(dict.fromkeys(each.family for each in CATALOGUE.values()))
        raise NotFound(
            f"PREFIX: expected the beginning of an action's name, found {prefix[:60]!r}; "
            f"the families are {families}"
        )
    names, severities = max(len(each.name) for each in found), len("critical")
    indent = names + severities + 2 * GAP
    for each in found:
        if json:
            say_json(
                {
                    "name": each.name,
                    "meaning": each.meaning,
                    "severity": each.severity,
                    "outcome": outcome(each.name),
                    "blocks": each.blocks,
                    "successor": each.successor,
                }
            )
        elif is_terminal(sys.stdout):
            head = f"{each.name.ljust(names + GAP)}{each.severity.ljust(severities + GAP)}"
            for line in _lines(styled(head, "cyan"), each.meaning, indent):
                say(line)
        else:
            say(f"{each.name}\t{each.severity}\t{each.meaning}")


def _lines(head: str, meaning: str, indent: int) -> Iterator[str]:
    """The meaning beside what stands before it, or below where there is no room."""
    room = width() - indent
    if room < _ROOM_MIN:
        yield head.rstrip()
        yield from (f"  {line}" for line in wrapped(meaning, width() - 2, lines_max=9))
        return
    first, *rest = wrapped(meaning, room, lines_max=9)
    yield f"{head}{first}"
    yield from (" " * indent + line for line in rest)
