"""All SQL of the log on PostgreSQL, by what it is for.

The tables are those of LOG.md, "Tables", and as on SQLite; beside them `fence`, a file there, and
`policy`, by which whoever has no key can verify. Every name has its schema: nothing is looked up.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from deploytrail.stores.postgres.fence import TABLE as FENCE_TABLE
from deploytrail.stores.postgres.shape import Shape

SCHEMA: Final = "deploytrail_log"
VERSION: Final = 1

# In the words in which the server tells them (shape.py), so that they can be held to the letter.
_TABLES: Final = (
    "tree(id integer NOT NULL, origin text NOT NULL, size bigint NOT NULL, root bytea NOT NULL, "
    "frontier bytea NOT NULL, last_logged bigint NOT NULL, epoch bigint NOT NULL, "
    "clock bigint NOT NULL, boot text NOT NULL, uptime bigint NOT NULL, behind integer NOT NULL, "
    "digest bytea NOT NULL, CHECK ((id = 1)), PRIMARY KEY (id))",
    "segment(first bigint NOT NULL, n integer NOT NULL, data bytea NOT NULL, PRIMARY KEY (first))",
    "bundle(n bigint NOT NULL, state integer NOT NULL, data bytea NOT NULL, PRIMARY KEY (n))",
    "tile(level integer NOT NULL, n bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (level, n))",
    "delivery(key bytea NOT NULL, idx bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (key))",
    "disclosure(key bytea NOT NULL, sealed bytea NOT NULL, PRIMARY KEY (key))",
    "attachment(id bytea NOT NULL, subjects bytea NOT NULL, wrapped_key bytea NOT NULL, "
    "sealed bytea NOT NULL, PRIMARY KEY (id))",
    "checkpoint(size bigint NOT NULL, note bytea NOT NULL, PRIMARY KEY (size))",
    "published(id integer NOT NULL, size bigint NOT NULL, frontier bytea NOT NULL, "
    "CHECK ((id = 1)), PRIMARY KEY (id))",
    "cosignature(size bigint NOT NULL, key_id bytea NOT NULL, line bytea NOT NULL, "
    "PRIMARY KEY (size, key_id))",
    "state(kind text NOT NULL, id text NOT NULL, value bytea NOT NULL, PRIMARY KEY (kind, id))",
    "policy(id integer NOT NULL, data bytea NOT NULL, CHECK ((id = 1)), PRIMARY KEY (id))",
    FENCE_TABLE,
)
_TUNED: Final = (
    # One row that every commit replaces: its versions stay on one page.
    "ALTER TABLE deploytrail_log.tree SET (fillfactor = 10)",
    # Hashes, ciphers and what zstd has packed: nothing that could be made smaller.
    "ALTER TABLE deploytrail_log.segment ALTER COLUMN data SET STORAGE EXTERNAL",
    "ALTER TABLE deploytrail_log.bundle ALTER COLUMN data SET STORAGE EXTERNAL",
    "ALTER TABLE deploytrail_log.tile ALTER COLUMN data SET STORAGE EXTERNAL",
    "ALTER TABLE deploytrail_log.disclosure ALTER COLUMN sealed SET STORAGE EXTERNAL",
    "ALTER TABLE deploytrail_log.attachment ALTER COLUMN sealed SET STORAGE EXTERNAL",
)
_ABSENT: Final = (
    "a trail, found none; 'deploytrail init' makes one, and --url or DEPLOYTRAIL_URL says where"
)
RESTORING: Final = "restoring(since timestamp with time zone NOT NULL)"
_RESTORING_TOLD: Final = (
    "expected a trail, found one that is not whole: a backup is being restored into it. Wait until "
    "'deploytrail restore' has ended; where it was stopped, call it again"
)
SHAPE: Final = Shape(
    SCHEMA,
    VERSION,
    _TABLES,
    tuned=_TUNED,
    absent=_ABSENT,
    passing=MappingProxyType({RESTORING: _RESTORING_TOLD}),
)
SHAPE_RESTORING: Final = SHAPE._replace(tables=(*_TABLES, RESTORING))
"""As only `restore` opens it: nobody else does before that table is gone."""

_TREE_COLUMNS: Final = (
    "origin, size, root, frontier, last_logged, epoch, clock, boot, uptime, behind, digest"
)
NEW_TREE: Final = (
    "INSERT INTO deploytrail_log.tree VALUES (1, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
TREE: Final = f"SELECT {_TREE_COLUMNS} FROM deploytrail_log.tree WHERE id = 1"  # noqa: S608
LOCK_TREE: Final = f"{TREE} FOR UPDATE"
SET_TREE: Final = (
    "UPDATE deploytrail_log.tree SET size = %s, root = %s, frontier = %s, last_logged = %s, "
    "epoch = %s, clock = %s, boot = %s, uptime = %s, behind = %s, digest = %s "
    "WHERE id = 1 AND size = %s"
)

BUNDLE: Final = "SELECT state, data FROM deploytrail_log.bundle WHERE n = %s"
BUNDLES: Final = (
    "SELECT n, state, data FROM deploytrail_log.bundle WHERE n >= %s AND n < %s ORDER BY n"
)
PUT_BUNDLES: Final = (
    "INSERT INTO deploytrail_log.bundle "
    "SELECT n, 1, data FROM unnest(%b::bigint[], %b::bytea[]) AS new(n, data)"
)
SEGMENTS: Final = "SELECT first, n, data FROM deploytrail_log.segment ORDER BY first"
DROP_SEGMENTS: Final = "DELETE FROM deploytrail_log.segment"
TILE: Final = "SELECT data FROM deploytrail_log.tile WHERE level = %s AND n = %s"
PUT_TILES: Final = (
    "INSERT INTO deploytrail_log.tile "
    "SELECT * FROM unnest(%b::integer[], %b::bigint[], %b::bytea[])"
)

DELIVERIES: Final = (
    "SELECT key, idx, body FROM deploytrail_log.delivery WHERE key = ANY(%b::bytea[])"
)
DISCLOSURES: Final = (
    "SELECT key, sealed FROM deploytrail_log.disclosure WHERE key = ANY(%b::bytea[])"
)
ATTACHMENT: Final = (
    "SELECT id, subjects, wrapped_key, sealed FROM deploytrail_log.attachment WHERE id = %b"
)
PUT_ATTACHMENT: Final = (
    "INSERT INTO deploytrail_log.attachment VALUES (%b, %b, %b, %b) ON CONFLICT DO NOTHING"
)

CHECKPOINT: Final = (
    "SELECT size, note, (SELECT frontier FROM deploytrail_log.published AS p WHERE p.id = 1 AND "
    "p.size = c.size) FROM deploytrail_log.checkpoint AS c ORDER BY size DESC LIMIT 1"
)
NEWEST_NOTE: Final = "SELECT size, note FROM deploytrail_log.checkpoint ORDER BY size DESC LIMIT 1"
PUT_CHECKPOINT: Final = (
    "INSERT INTO deploytrail_log.checkpoint VALUES (%s, %b) "
    "ON CONFLICT (size) DO UPDATE SET note = excluded.note"
)
PUT_PUBLISHED: Final = (
    "INSERT INTO deploytrail_log.published VALUES (1, %s, %b) "
    "ON CONFLICT (id) DO UPDATE SET size = excluded.size, frontier = excluded.frontier"
)
COSIGNATURES: Final = "SELECT line FROM deploytrail_log.cosignature WHERE size = %s ORDER BY key_id"
COSIGNERS: Final = (
    "SELECT size, key_id FROM deploytrail_log.cosignature WHERE (size, key_id) < (%s, %b) "
    "ORDER BY size DESC, key_id DESC LIMIT %s"
)
PUT_COSIGNATURE: Final = (
    "INSERT INTO deploytrail_log.cosignature VALUES (%s, %b, %b) "
    "ON CONFLICT (size, key_id) DO UPDATE SET line = excluded.line"
)
STATE: Final = "SELECT id, value FROM deploytrail_log.state WHERE kind = %s ORDER BY id"
PUT_STATE: Final = (
    "INSERT INTO deploytrail_log.state VALUES (%s, %s, %b) "
    "ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value"
)
DROP_STATE: Final = "DELETE FROM deploytrail_log.state WHERE kind = %s AND id = %s"
VAULT_ROWS: Final = (
    "SELECT key, sealed FROM deploytrail_log.disclosure WHERE key > %b ORDER BY key LIMIT %s"
)
ATTACHMENT_ROWS: Final = (
    "SELECT id, subjects, wrapped_key, sealed FROM deploytrail_log.attachment "
    "WHERE id > %b ORDER BY id LIMIT %s"
)
# In the order of their bytes, whatever the database's own collation is.
STATE_ROWS: Final = (
    "SELECT kind, id, value FROM deploytrail_log.state "
    'WHERE (kind COLLATE "C", id COLLATE "C") > (%s, %s) '
    'ORDER BY kind COLLATE "C", id COLLATE "C" LIMIT %s'
)
NOTES: Final = (
    "SELECT size, note FROM deploytrail_log.checkpoint WHERE size > %s ORDER BY size LIMIT %s"
)
COUNTS: Final = {
    "bundles": "SELECT count(*) FROM deploytrail_log.bundle",
    "entries": "SELECT coalesce(sum(n), 0)::bigint FROM deploytrail_log.segment",
    "tiles": "SELECT count(*) FROM deploytrail_log.tile",
    "deliveries": "SELECT count(*) FROM deploytrail_log.delivery",
    "disclosures": "SELECT count(*) FROM deploytrail_log.disclosure",
}
INVENTORY: Final = "SELECT " + ", ".join(f"({each})" for each in COUNTS.values())
POLICY: Final = "SELECT data FROM deploytrail_log.policy WHERE id = 1"
PUT_POLICY: Final = (
    "INSERT INTO deploytrail_log.policy VALUES (1, %b) "
    "ON CONFLICT (id) DO UPDATE SET data = excluded.data"
)

# What every commit adds, and the tree's row: if that is not as expected, all of it is rolled back.
ADD: Final = (
    "WITH tail AS (INSERT INTO deploytrail_log.segment "  # noqa: S608
    "SELECT * FROM unnest(%b::bigint[], %b::integer[], %b::bytea[])), "
    "known AS (INSERT INTO deploytrail_log.delivery "
    "SELECT * FROM unnest(%b::bytea[], %b::bigint[], %b::bytea[])), "
    "vault AS (INSERT INTO deploytrail_log.disclosure "
    "SELECT * FROM unnest(%b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING) "
    f"{SET_TREE}"
)

# Every key that begins with the subject; the second value ends in more 0xFF than any key has.
ERASE_DISCLOSURES: Final = (
    "DELETE FROM deploytrail_log.disclosure "
    "WHERE key BETWEEN %(first)b AND %(last)b AND length(%(first)b) = 16"
)
# Subjects stand there 16 bytes each, one behind the other.
ERASE_ATTACHMENTS: Final = (
    "DELETE FROM deploytrail_log.attachment "
    "WHERE position(%(first)b IN subjects) %% 16 = 1 AND length(%(first)b) = 16"
)
ERASABLE: Final = ("deploytrail_log.disclosure", "deploytrail_log.attachment")

STRAY_COSIGNATURES: Final = (
    "SELECT DISTINCT size FROM deploytrail_log.cosignature "
    "WHERE size NOT IN (SELECT size FROM deploytrail_log.checkpoint) LIMIT 100"
)
COSIGNATURE_ROWS: Final = (
    "SELECT key_id, line FROM deploytrail_log.cosignature WHERE size = %s ORDER BY key_id"
)
