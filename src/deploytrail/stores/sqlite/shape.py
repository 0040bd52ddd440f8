"""What a database must be: its mark, its version and its tables, to the letter; and what reads it.

Read from a connection that somebody else opened. Knows no table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import apsw

from deploytrail.errors import Malformed, Misconfigured, Tampered
from deploytrail.sentence import counted

_FOUND_SCHEMA: Final = (
    "SELECT type, name, sql FROM sqlite_schema "
    "WHERE sql IS NOT NULL OR name NOT LIKE 'sqlite_autoindex_%'"
)


SQLITE_MIN: Final = (3, 51, 3)


class Shape(NamedTuple):
    """What a database must be: its mark, the newest version that we know, and its tables."""

    application_id: int
    version: int
    schema: str

    @property
    def statements(self) -> list[str]:
        """Those that make its tables, as SQLite keeps them."""
        return [one.strip() for one in self.schema.split(";") if one.strip()]


def refuse_foreign(connection: apsw.Connection, shape: Shape, path: Path) -> None:
    """Raise Malformed for another's file, Misconfigured for a newer version, Tampered for tables.

    A table, trigger, view or index that is not ours could drop or invent rows unseen.
    """
    mark, version = connection.pragma("application_id"), connection.pragma("user_version")
    if mark != shape.application_id:
        raise Malformed(f"{path}: expected a database of Deploytrail, found another's")
    if not isinstance(version, int) or version > shape.version:
        raise Misconfigured(
            f"{path}: expected version {shape.version} or older, found {version}; "
            "a newer Deploytrail wrote it, use that one"
        )
    found = list(connection.execute(_FOUND_SCHEMA))
    for kind, name, made_by in found:
        if made_by not in shape.statements:
            raise Tampered(
                f"{path.name}: expected our tables and nothing else, found the {kind} "
                f"{name!r:.80}, which somebody planted or changed; restore it from a backup"
            )
    there = {made_by for _, _, made_by in found}
    gone = [_name(one) for one in shape.statements if one not in there]
    if gone:
        raise Tampered(
            f"{path.name}: expected {counted(len(shape.statements), 'table')}, found none that is "
            f"called {' or '.join(gone)}; restore it from a backup"
        )


def _name(statement: str) -> str:
    """Of the table that a statement makes."""
    return statement.removeprefix("CREATE TABLE ").partition("(")[0]


def refuse_sqlite(version: str) -> None:
    """Raise Misconfigured for an SQLite that may lose its write-ahead log (3.7.0 to 3.51.2).

    apsw brings its own, unless somebody linked it to the system's.
    """
    if tuple(map(int, version.split("."))) < SQLITE_MIN:
        least = ".".join(map(str, SQLITE_MIN))
        raise Misconfigured(
            f"SQLite: expected {least} or newer, found {version}, which may lose what was "
            "committed; install apsw from its own wheel"
        )
