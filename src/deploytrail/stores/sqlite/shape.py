"""What a database must be: its mark, its version and its tables, to the letter; and what reads it.

By way of a connection that somebody else opened. Knows no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
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
    """What a database must be: its mark, the newest version that we know, and its tables.

    `schema` makes the oldest version that was ever shipped; `steps` has by version what makes it
    from the one before. A new database goes through all of them, too.
    """

    application_id: int
    version: int
    schema: str
    steps: Mapping[int, str] = MappingProxyType({})

    @property
    def oldest(self) -> int:
        return min(self.steps, default=self.version + 1) - 1

    def statements(self, version: int) -> list[str]:
        """Those that make its tables in a version, as SQLite keeps them."""
        made = [self.schema, *(self.steps[at] for at in sorted(self.steps) if at <= version)]
        return [one.strip() for one in ";".join(made).split(";") if one.strip()]

    def step(self, version: int) -> list[str]:
        """Those that make a version from the one before."""
        return [one.strip() for one in self.steps[version].split(";") if one.strip()]


def refuse_foreign(connection: apsw.Connection, shape: Shape, path: Path) -> int:
    """The version that it has.

    Raises Malformed for another's file, Misconfigured for a newer version, Tampered for its tables.

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
    if version < shape.oldest:
        raise Tampered(
            f"{path.name}: expected version {shape.oldest} to {shape.version}, found {version}, "
            "which nobody ever wrote; restore it from a backup"
        )
    statements = shape.statements(version)
    found = list(connection.execute(_FOUND_SCHEMA))
    for kind, name, made_by in found:
        if made_by not in statements:
            raise Tampered(
                f"{path.name}: expected our tables and nothing else, found the {kind} "
                f"{name!r:.80}, which somebody planted or changed; restore it from a backup"
            )
    there = {made_by for _, _, made_by in found}
    gone = [_name(one) for one in statements if one not in there]
    if gone:
        raise Tampered(
            f"{path.name}: expected {counted(len(statements), 'table')}, found none that is "
            f"called {' or '.join(gone)}; restore it from a backup"
        )
    return version


def step_forward(connection: apsw.Connection, shape: Shape, path: Path) -> int:
    """Make the newest version of an older one: all steps or none, durable on return."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it meanwhile.
        version = refuse_foreign(connection, shape, path)
        for at in range(version + 1, shape.version + 1):
            for statement in shape.step(at):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {shape.version}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return shape.version


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
