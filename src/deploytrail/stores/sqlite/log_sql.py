"""All SQL of the log on SQLite, by what it is for.

The tables are told in LOG.md, "Tables". `published` is one row more: the frontier that belongs to
the newest checkpoint, so that the next publisher starts from a root that is proven by a signature.
"""

from typing import Final

APPLICATION_ID: Final = 0x64746C67
VERSION: Final = 2

SCHEMA: Final = """
CREATE TABLE tree(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, frontier BLOB NOT NULL,
  last_logged INTEGER NOT NULL, epoch INTEGER NOT NULL,
  clock INTEGER NOT NULL, boot TEXT NOT NULL, uptime INTEGER NOT NULL, behind INTEGER NOT NULL,
  digest BLOB NOT NULL
) STRICT;
CREATE TABLE segment(first INTEGER PRIMARY KEY, n INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE bundle(n INTEGER PRIMARY KEY, state INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE tile(level INTEGER, n INTEGER, data BLOB NOT NULL, PRIMARY KEY (level, n)) STRICT;
CREATE TABLE delivery(
  key BLOB PRIMARY KEY, idx INTEGER NOT NULL, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE disclosure(key BLOB PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE attachment(
  id BLOB PRIMARY KEY, subjects BLOB NOT NULL, wrapped_key BLOB NOT NULL, sealed BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoint(size INTEGER PRIMARY KEY, note BLOB NOT NULL) STRICT;
CREATE TABLE published(
  id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, frontier BLOB NOT NULL
) STRICT;
CREATE TABLE cosignature(
  size INTEGER, key_id BLOB, line BLOB NOT NULL, PRIMARY KEY (size, key_id)
) STRICT, WITHOUT ROWID;
"""
_STATE: Final = """
CREATE TABLE state(
  kind TEXT, id TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
"""
STEPS: Final = {2: _STATE}

NEW_TREE: Final = "INSERT INTO tree VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
TREE: Final = (
    "SELECT origin, size, root, frontier, last_logged, epoch, clock, boot, uptime, behind, digest "
    "FROM tree WHERE id = 1"
)
SET_TREE: Final = (
    "UPDATE tree SET size = ?, root = ?, frontier = ?, last_logged = ?, epoch = ?, clock = ?, "
    "boot = ?, uptime = ?, behind = ?, digest = ? WHERE id = 1 AND size = ?"
)
# Run twice, it changes nothing; SQLite writes no page for an update to the same value.
TOUCH: Final = "UPDATE tree SET behind = 1 - behind"
TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid"

BUNDLE: Final = "SELECT state, data FROM bundle WHERE n = ?"
PUT_BUNDLE: Final = "INSERT INTO bundle VALUES (?, 1, ?)"
SEGMENTS: Final = "SELECT first, n, data FROM segment ORDER BY first"
PUT_SEGMENT: Final = "INSERT INTO segment VALUES (?, ?, ?)"
DROP_SEGMENTS: Final = "DELETE FROM segment"
TILE: Final = "SELECT data FROM tile WHERE level = ? AND n = ?"
PUT_TILE: Final = "INSERT INTO tile VALUES (?, ?, ?)"

DELIVERY: Final = "SELECT key, idx, body FROM delivery WHERE key = ?"
PUT_DELIVERY: Final = "INSERT INTO delivery VALUES (?, ?, ?)"
DISCLOSURE: Final = "SELECT key, sealed FROM disclosure WHERE key = ?"
PUT_DISCLOSURE: Final = "INSERT OR IGNORE INTO disclosure VALUES (?, ?)"
ATTACHMENT: Final = "SELECT id, subjects, wrapped_key, sealed FROM attachment WHERE id = ?"
PUT_ATTACHMENT: Final = "INSERT OR IGNORE INTO attachment VALUES (?, ?, ?, ?)"

CHECKPOINT: Final = (
    "SELECT size, note, (SELECT frontier FROM published WHERE id = 1 AND published.size = "
    "checkpoint.size) FROM checkpoint ORDER BY size DESC LIMIT 1"
)
NEWEST_NOTE: Final = "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"
PUT_CHECKPOINT: Final = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?)"
PUT_PUBLISHED: Final = "INSERT OR REPLACE INTO published VALUES (1, ?, ?)"
COSIGNATURES: Final = "SELECT line FROM cosignature WHERE size = ? ORDER BY key_id"
COSIGNERS: Final = (
    "SELECT size, key_id FROM cosignature WHERE (size, key_id) < (?, ?) "
    "ORDER BY size DESC, key_id DESC LIMIT ?"
)
PUT_COSIGNATURE: Final = "INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?)"
STATE: Final = "SELECT id, value FROM state WHERE kind = ? ORDER BY id"
VAULT_ROWS: Final = "SELECT key, sealed FROM disclosure WHERE key > ? ORDER BY key LIMIT ?"
ATTACHMENT_ROWS: Final = (
    "SELECT id, subjects, wrapped_key, sealed FROM attachment WHERE id > ? ORDER BY id LIMIT ?"
)
STATE_ROWS: Final = (
    "SELECT kind, id, value FROM state WHERE (kind, id) > (?, ?) ORDER BY kind, id LIMIT ?"
)
PUT_STATE: Final = "INSERT OR REPLACE INTO state VALUES (?, ?, ?)"
DROP_STATE: Final = "DELETE FROM state WHERE kind = ? AND id = ?"
NOTES: Final = "SELECT size, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?"
COUNTS: Final = {
    "bundles": "SELECT count(*) FROM bundle",
    "entries": "SELECT coalesce(sum(n), 0) FROM segment",
    "tiles": "SELECT count(*) FROM tile",
    "deliveries": "SELECT count(*) FROM delivery",
    "disclosures": "SELECT count(*) FROM disclosure",
}
INVENTORY: Final = "SELECT " + ", ".join(f"({each})" for each in COUNTS.values())

SECURE_DELETE: Final = "PRAGMA secure_delete = ON"
# Every key that begins with the subject; the second value ends in more 0xFF than any key has.
ERASE_DISCLOSURES: Final = "DELETE FROM disclosure WHERE key BETWEEN ?1 AND ?2 AND length(?1) = 16"
# Subjects stand there 16 bytes each, one behind the other.
ERASE_ATTACHMENTS: Final = (
    "DELETE FROM attachment WHERE instr(subjects, ?1) % 16 = 1 AND length(?1) = 16"
)

STRAY_COSIGNATURES: Final = (
    "SELECT DISTINCT size FROM cosignature "
    "WHERE size NOT IN (SELECT size FROM checkpoint) LIMIT 100"
)
COSIGNATURE_ROWS: Final = "SELECT key_id, line FROM cosignature WHERE size = ? ORDER BY key_id"
