"""Every statement of the index in SQLite. None is put together elsewhere.

What a query asks is decided over terms and sets (`index.answering`), so there is no statement that
depends on it: a filter of ten thousand terms asks for ten thousand rows by their keys.
"""

from __future__ import annotations

from typing import Final

PAGE_BYTES: Final = 2_048
"""A block has some kilobytes: with larger pages much of its last one would stay empty."""

BLOCKS: Final = """
CREATE TABLE block(n INTEGER PRIMARY KEY, segment INTEGER NOT NULL, first BLOB NOT NULL,
                   data BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX block_first ON block(segment, first);
CREATE TABLE times(segment INTEGER NOT NULL, chunk INTEGER NOT NULL, data BLOB NOT NULL,
                   PRIMARY KEY(segment, chunk)) STRICT;
"""
LIVE: Final = (
    BLOCKS
    + """
CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), origin TEXT NOT NULL,
                   cursor INTEGER NOT NULL, next_segment INTEGER NOT NULL) STRICT;
CREATE TABLE segment(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, until INTEGER NOT NULL,
                     low INTEGER NOT NULL, high INTEGER NOT NULL, spans BLOB NOT NULL,
                     is_sealed INTEGER NOT NULL, edition INTEGER NOT NULL) STRICT;
CREATE TABLE name(subject TEXT NOT NULL, number INTEGER NOT NULL, id TEXT, name TEXT,
                  PRIMARY KEY(subject, number)) STRICT, WITHOUT ROWID;
CREATE TABLE spelling(spelling BLOB NOT NULL, subject TEXT NOT NULL, number INTEGER NOT NULL,
                      PRIMARY KEY(spelling, subject, number)) STRICT, WITHOUT ROWID;
CREATE INDEX spelling_subject ON spelling(subject);
CREATE TABLE written(key BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
)
BEGIN_STATE: Final = "INSERT INTO state VALUES(1, ?, 0, 1)"

STATE: Final = "SELECT origin, cursor, next_segment FROM state"
ADVANCE: Final = "UPDATE state SET cursor = ?"
TAKE_SEGMENT: Final = "UPDATE state SET next_segment = next_segment + 1 RETURNING next_segment - 1"

SEGMENTS: Final = """
SELECT id, first, until, low, high, spans, is_sealed, edition FROM segment ORDER BY first
"""
ADD_SEGMENT: Final = "INSERT INTO segment VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
REMOVE_SEGMENT: Final = "DELETE FROM segment WHERE id = ?"
RAISE_EDITION: Final = "UPDATE segment SET edition = edition + 1 WHERE id = ?"

ROW: Final = """
SELECT first, data FROM block WHERE segment = ? AND first <= ? ORDER BY first DESC LIMIT 1
"""
ROWS: Final = """
SELECT first, data FROM block WHERE segment = ? AND first >= ? AND first < ? ORDER BY first
"""
ROWS_FROM: Final = "SELECT first, data FROM block WHERE segment = ? AND first >= ? ORDER BY first"
ADD_ROW: Final = "INSERT INTO block(segment, first, data) VALUES(?, ?, ?)"
REMOVE_ROW: Final = "DELETE FROM block WHERE segment = ? AND first = ?"
REMOVE_ROWS: Final = "DELETE FROM block WHERE segment = ?"
TIMES: Final = "SELECT data FROM times WHERE segment = ? AND chunk = ?"
ADD_TIMES: Final = "INSERT INTO times VALUES(?, ?, ?)"
REMOVE_TIMES: Final = "DELETE FROM times WHERE segment = ?"
REMOVE_STRAY_ROWS: Final = "DELETE FROM block WHERE segment NOT IN (SELECT id FROM segment)"
REMOVE_STRAY_TIMES: Final = "DELETE FROM times WHERE segment NOT IN (SELECT id FROM segment)"

NAMES: Final = "SELECT subject, number, id, name FROM name"
NAME_OF: Final = "SELECT subject, number, id, name FROM name WHERE subject = ? AND number = ?"
ADD_NAME: Final = "INSERT INTO name VALUES(?, ?, ?, ?)"
FORGET_NAMES: Final = "UPDATE name SET id = NULL, name = NULL WHERE subject = ?"
ADD_SPELLING: Final = "INSERT OR IGNORE INTO spelling VALUES(?, ?, ?)"
FORGET_SPELLINGS: Final = "DELETE FROM spelling WHERE subject = ? AND spelling <> ?"
NAMED: Final = """
SELECT DISTINCT subject, number FROM spelling WHERE spelling = ? ORDER BY subject, number
"""
NAMED_BEGINNING: Final = """
SELECT DISTINCT subject, number FROM spelling WHERE spelling >= ? AND spelling < ?
 ORDER BY subject, number
"""

WRITTEN_KEYS: Final = "SELECT key FROM written"
WRITTEN: Final = "SELECT key, text FROM written WHERE key = ?"
WRITE: Final = "INSERT INTO written VALUES(?, ?)"
