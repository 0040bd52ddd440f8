"""What a schema must be: its version and its tables, to the letter; and how it steps forward.

By way of a connection that somebody else opened. Knows no table of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from deploytrail.errors import Busy, Misconfigured, NotFound, Tampered
from deploytrail.sentence import counted
from deploytrail.stores.postgres.link import Link

_EXISTS: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_VERSION: Final = "SELECT number FROM {schema}.version"
_LOCK_VERSION: Final = "LOCK TABLE {schema}.version IN ACCESS EXCLUSIVE MODE"
_PUT_VERSION: Final = "INSERT INTO {schema}.version VALUES (%s)"
_SET_VERSION: Final = "UPDATE {schema}.version SET number = %s"

# A table's text is that of the statement which made it, so that one can be held against the other.
# What can't be told by its text (a trigger, a policy, rows that a crash takes away) comes beside.
_FOUND: Final = """
WITH ours AS (
  SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s
), columns AS (
  SELECT a.attrelid, string_agg(
           a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
           || CASE WHEN a.atthasdef OR a.attidentity <> '' THEN ' DEFAULT' ELSE '' END,
           ', ' ORDER BY a.attnum) AS text
    FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid
), rules AS (
  SELECT c.conrelid, string_agg(pg_get_constraintdef(c.oid), ', ' ORDER BY c.contype, c.conname)
           AS text
    FROM pg_constraint c WHERE c.contype IN ('c', 'p', 'u', 'f', 'x') GROUP BY c.conrelid
)
SELECT 'table', o.relname::text,
       o.relname || '(' || c.text || coalesce(', ' || r.text, '') || ')'
  FROM ours o JOIN columns c ON c.attrelid = o.oid LEFT JOIN rules r ON r.conrelid = o.oid
 WHERE o.relkind = 'r'
UNION ALL
SELECT 'table without a crash''s protection', o.relname::text, '' FROM ours o
 WHERE o.relpersistence <> 'p'
UNION ALL
SELECT CASE o.relkind WHEN 'i' THEN 'index' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence'
       ELSE 'relation' END, o.relname::text, '' FROM ours o
 WHERE o.relkind <> 'r'
   AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = o.oid AND o.relkind = 'i')
UNION ALL
SELECT 'trigger', t.tgname::text, '' FROM pg_trigger t JOIN ours o ON o.oid = t.tgrelid
 WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule', w.rulename::text, '' FROM pg_rewrite w JOIN ours o ON o.oid = w.ev_class
 WHERE o.relkind = 'r'
UNION ALL
SELECT 'row security of', o.relname::text, '' FROM ours o WHERE o.relrowsecurity
UNION ALL
SELECT 'heir', h.inhrelid::regclass::text, '' FROM pg_inherits h JOIN ours o ON o.oid = h.inhparent
 WHERE o.relkind IN ('r', 'p')
"""


class Shape(NamedTuple):
    """What a schema must be: its name, the newest version that we know, and its tables.

    `tables` make the oldest version that was ever shipped, each as `_FOUND` tells it; `steps` has
    by version those that it adds to the one before. A new schema goes through all of them, too.
    `tuned` are statements that change no text of a table, `absent` says what is expected, found
    and to be done where there is no such schema. `passing` are tables that stand there for a while,
    and what is said to whoever comes meanwhile.
    """

    schema: str
    version: int
    tables: tuple[str, ...]
    steps: Mapping[int, tuple[str, ...]] = MappingProxyType({})
    tuned: tuple[str, ...] = ()
    absent: str = "a schema that is not there"
    passing: Mapping[str, str] = MappingProxyType({})

    @property
    def oldest(self) -> int:
        return min(self.steps, default=self.version + 1) - 1

    def tables_of(self, version: int) -> list[str]:
        added = [one for at in sorted(self.steps) if at <= version for one in self.steps[at]]
        return [_VERSION_TABLE, *self.tables, *added]

    def made(self, table: str) -> str:
        """The statement that makes a table."""
        return f"CREATE TABLE {self.schema}.{table}"

    def create(self, link: Link) -> None:
        """Make the schema in its newest version, within a transaction of the caller's."""
        link.execute(f"CREATE SCHEMA {self.schema}")
        for table in self.tables_of(self.version):
            link.execute(self.made(table))
        for statement in self.tuned:
            link.execute(statement)
        link.execute(_PUT_VERSION.format(schema=self.schema), (self.version,))

    def exists(self, link: Link) -> bool:
        return link.execute(_EXISTS, (self.schema,)).fetchone() is not None


_VERSION_TABLE: Final = "version(number integer NOT NULL)"


def refuse_foreign(link: Link, shape: Shape, where: str) -> int:
    """The version that it has.

    Raises NotFound where there is no such schema, Busy while it is not ready, Misconfigured for a
    newer version, Tampered for its tables. A table, trigger, policy or index that is not ours could
    drop or invent rows unseen.
    """
    if not shape.exists(link):
        raise NotFound(f"{where}: expected {shape.absent}")
    found = _found(link, shape)
    if ("table", "version", _VERSION_TABLE) not in found:
        raise Tampered(
            f"{where}: expected the schema {shape.schema} of Deploytrail, found another of that "
            "name; name another database"
        )
    rows = link.execute(_VERSION.format(schema=shape.schema)).fetchall()
    version = rows[0][0] if len(rows) == 1 else 0
    if version > shape.version:
        raise Misconfigured(
            f"{where}: expected version {shape.version} of {shape.schema} or older, found "
            f"{version}; a newer Deploytrail wrote it, use that one"
        )
    if version < shape.oldest:
        raise Tampered(
            f"{where}: expected version {shape.oldest} to {shape.version} of {shape.schema}, found "
            f"{version}, which nobody ever wrote; restore it from a backup"
        )
    _hold_against(found, shape, version, where)
    return version


def _found(link: Link, shape: Shape) -> set[tuple[Any, ...]]:
    return set(link.execute(_FOUND, (shape.schema,)).fetchall())


def _hold_against(found: set[tuple[Any, ...]], shape: Shape, version: int, where: str) -> None:
    tables = shape.tables_of(version)
    expected = {("table", _name(table), table) for table in tables}
    for table, told in shape.passing.items():
        if ("table", _name(table), table) in found - expected:
            raise Busy(f"{where}: {told}")
    for kind, name, _ in sorted(found - expected):
        raise Tampered(
            f"{where}: expected our tables in {shape.schema} and nothing else, found the {kind} "
            f"{name!r:.80}, which somebody planted or changed; restore it from a backup"
        )
    gone = sorted(name for _, name, _ in expected - found)
    if gone:
        raise Tampered(
            f"{where}: expected {counted(len(tables), 'table')} in {shape.schema}, found none that "
            f"is called {' or '.join(gone)}; restore it from a backup"
        )


def step_forward(link: Link, shape: Shape, where: str) -> None:
    """Make the newest version of an older one: all steps or none, durable on return."""
    with link.transaction():
        link.execute(_LOCK_VERSION.format(schema=shape.schema))
        # Another process may have done it meanwhile.
        version = refuse_foreign(link, shape, where)
        for at in range(version + 1, shape.version + 1):
            for table in shape.steps[at]:
                link.execute(shape.made(table))
        link.execute(_SET_VERSION.format(schema=shape.schema), (shape.version,))


def _name(table: str) -> str:
    return table.partition("(")[0]
