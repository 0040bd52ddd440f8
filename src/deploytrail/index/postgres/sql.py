"""Every statement of the index in PostgreSQL.

None is put together elsewhere, but for the name of a schema, which is ours.

As in SQLite, no statement depends on a query. Keys and names are bytes: the server orders them as
we do, and takes any.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = """
CREATE TABLE state(id integer PRIMARY KEY CHECK(id = 1), origin text NOT NULL,
                   cursor bigint NOT NULL, next_segment bigint NOT NULL);
CREATE TABLE segment(id bigint PRIMARY KEY, first bigint NOT NULL, until bigint NOT NULL,
                     low bigint NOT NULL, high bigint NOT NULL, spans bytea NOT NULL,
                     is_sealed boolean NOT NULL, edition bigint NOT NULL);
CREATE TABLE block(segment bigint NOT NULL, first bytea NOT NULL, data bytea NOT NULL,
                   PRIMARY KEY(segment, first));
CREATE TABLE times(segment bigint NOT NULL, chunk integer NOT NULL, data bytea NOT NULL,
                   PRIMARY KEY(segment, chunk));
CREATE TABLE name(subject text COLLATE "C" NOT NULL, number bigint NOT NULL, id bytea, name bytea,
                  PRIMARY KEY(subject, number));
CREATE TABLE spelling(spelling bytea NOT NULL, subject text COLLATE "C" NOT NULL,
                      number bigint NOT NULL);
CREATE INDEX spelling_route ON spelling(substring(spelling FROM 1 FOR 1000));
CREATE INDEX spelling_subject ON spelling(subject);
CREATE TABLE written(key bytea PRIMARY KEY, text bytea NOT NULL);
ALTER TABLE block ALTER data SET STORAGE EXTERNAL;
ALTER TABLE times ALTER data SET STORAGE EXTERNAL;
"""
"""Blocks are compressed already: EXTERNAL spares the server from trying once more."""
BEGIN_STATE: Final = "INSERT INTO state VALUES(1, %s, 0, 1)"
SETTINGS: Final = """
SELECT set_config('search_path', %s, false), set_config('statement_timeout', %s, false),
       set_config('lock_timeout', %s, false),
       set_config('idle_in_transaction_session_timeout', %s, false)
"""
STATEMENT_TIMEOUT: Final = "SELECT set_config('statement_timeout', %s, false)"
READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
WRITING: Final = "BEGIN"
LOCK: Final = "SELECT id FROM state FOR UPDATE"

STATE: Final = "SELECT origin, cursor FROM state"
ADVANCE: Final = "UPDATE state SET cursor = %s"
TAKE_SEGMENT: Final = "UPDATE state SET next_segment = next_segment + 1 RETURNING next_segment - 1"

SEGMENTS: Final = """
SELECT id, first, until, low, high, spans, is_sealed, edition FROM segment ORDER BY first
"""
ADD_SEGMENT: Final = "INSERT INTO segment VALUES(%s, %s, %s, %s, %s, %s, %s, %s)"
REMOVE_SEGMENT: Final = "DELETE FROM segment WHERE id = %s"
RAISE_EDITION: Final = "UPDATE segment SET edition = edition + 1 WHERE id = %s"

ROW: Final = """
SELECT first, data FROM block WHERE segment = %s AND first <= %s ORDER BY first DESC LIMIT 1
"""
ROWS: Final = """
SELECT first, data FROM block WHERE segment = %s AND first >= %s AND first < %s
 ORDER BY first LIMIT %s
"""
ROWS_FROM: Final = """
SELECT first, data FROM block WHERE segment = %s AND first >= %s ORDER BY first LIMIT %s
"""
ADD_ROWS: Final = "COPY block(segment, first, data) FROM STDIN (FORMAT BINARY)"
REMOVE_ROW: Final = "DELETE FROM block WHERE segment = %s AND first = %s"
REMOVE_ROWS: Final = "DELETE FROM block WHERE segment = %s"
TIMES: Final = "SELECT data FROM times WHERE segment = %s AND chunk = %s"
ADD_TIMES: Final = "INSERT INTO times VALUES(%s, %s, %s)"
REMOVE_TIMES: Final = "DELETE FROM times WHERE segment = %s"
REMOVE_STRAY_ROWS: Final = "DELETE FROM block WHERE segment NOT IN (SELECT id FROM segment)"
REMOVE_STRAY_TIMES: Final = "DELETE FROM times WHERE segment NOT IN (SELECT id FROM segment)"

NAMES: Final = "SELECT subject, number, id, name FROM name"
NAMES_OF: Final = """
SELECT subject, number, id, name FROM name
 WHERE (subject, number) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))
"""
ADD_NAME: Final = "INSERT INTO name VALUES(%s, %s, %s, %s)"
FORGET_NAMES: Final = "UPDATE name SET id = NULL, name = NULL WHERE subject = %s"
ADD_SPELLING: Final = "INSERT INTO spelling VALUES(%s, %s, %s)"
FORGET_SPELLINGS: Final = "DELETE FROM spelling WHERE subject = %s AND spelling <> %s"
NAMED: Final = """
SELECT DISTINCT subject, number FROM spelling
 WHERE substring(spelling FROM 1 FOR 1000) = substring(%(spelling)s::bytea FROM 1 FOR 1000)
   AND spelling = %(spelling)s
 ORDER BY subject, number
"""
NAMED_BEGINNING: Final = """
SELECT DISTINCT subject, number FROM spelling
 WHERE substring(spelling FROM 1 FOR 1000) >= substring(%(low)s::bytea FROM 1 FOR 1000)
   AND spelling >= %(low)s AND spelling < %(high)s
 ORDER BY subject, number
"""
WRITTEN_KEYS: Final = "SELECT key FROM written"
WRITTEN: Final = "SELECT key, text FROM written WHERE key = ANY(%s::bytea[])"
WRITE: Final = "INSERT INTO written VALUES(%s, %s)"
SCRUBBED: Final = ("VACUUM FULL block", "VACUUM FULL name", "VACUUM FULL spelling")
"""Each writes a table anew, and the files with what was deleted are gone."""

STAND: Final = """
CREATE SCHEMA IF NOT EXISTS deploytrail_index;
CREATE TABLE IF NOT EXISTS deploytrail_index.stand(which text PRIMARY KEY, schema text NOT NULL);
"""
HAS_STAND: Final = "SELECT to_regclass('deploytrail_index.stand') IS NOT NULL"
NAMED_STAND: Final = "SELECT schema FROM deploytrail_index.stand WHERE which = %s"
SET_STAND: Final = """
INSERT INTO deploytrail_index.stand VALUES(%s, %s)
    ON CONFLICT (which) DO UPDATE SET schema = excluded.schema
"""
REMOVE_STAND: Final = "DELETE FROM deploytrail_index.stand WHERE which = %s"
SCHEMAS: Final = r"""
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'deploytrail\_index\_v%'
"""
CURSOR: Final = "SELECT cursor FROM {}.state"
CREATE_SCHEMA: Final = "CREATE SCHEMA {}"
DROP_SCHEMA: Final = "DROP SCHEMA {} CASCADE"
"""The name of a schema can be no parameter; ours have letters, digits and underscores."""
