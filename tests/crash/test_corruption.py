"""A log of 600 entries, changed in every way: it is found and located, or it changes nothing.

What "nothing" means is asked of SQLite alone: all rows of all tables are those of the original.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import msgspec
import pytest
from backports import zstd

from deploytrail.app.verifying import verify
from deploytrail.errors import EXIT_STALE, DeploytrailError
from deploytrail.trail import Report
from tests.crash.form import IS_LONG, SEED, chosen
from tests.crash.writing import Place, filled, recorded, scratch_directory
from tests.fakes import FakeClock

ENTRIES: Final = 600
PUBLISHED: Final = (100, 400, ENTRIES)
SHARDS: Final = chosen(1, 64)
TABLES: Final = (
    "tree", "segment", "bundle", "tile", "delivery", "disclosure", "checkpoint", "published",
    "cosignature",
)  # fmt: skip
# What a table's own rows tell of its key, to copy a row under another.
SWAPPED: Final = {
    "bundle": ("n", "data"), "tile": ("n", "data"), "delivery": ("key", "idx"),
    "checkpoint": ("size", "note"), "cosignature": ("size", "line"),
}  # fmt: skip


class Original:
    """The sound log, and copies of it to harm."""

    def __init__(self, base: Path) -> None:
        self.place = Place(base / "original")
        self.receipts = filled(self.place, ENTRIES, published_at=PUBLISHED, clock=FakeClock())
        self.path = self.place.home / "log.db"
        self.octets = self.path.read_bytes()
        self.copy = Place(base / "copy")
        shutil.copytree(self.place.base, self.copy.base)
        self.target = self.copy.home / "log.db"
        self.rows = rows(self.target)

    def restore(self) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{self.target}{suffix}").unlink(missing_ok=True)
        self.target.write_bytes(self.octets)


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    with scratch_directory() as path:
        yield Original(path)


def rows(path: Path) -> bytes | None:
    """A digest of all rows of all tables, or None where SQLite can't read them.

    Of bundles it is what they unpack to: their compression has bits that mean nothing.
    """
    digest = hashlib.sha256()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        for table in (*TABLES, "attachment"):
            found = list(connection.execute(f"SELECT * FROM {table}"))  # noqa: S608
            if table == "bundle":
                found = [(number, state, zstd.decompress(data)) for number, state, data in found]
            digest.update(repr(found).encode())
    except (apsw.Error, UnicodeDecodeError, zstd.ZstdError, TypeError, MemoryError):
        return None
    finally:
        connection.close()
    return digest.digest()


def found(place: Place, *, disclosures: bool) -> list[str]:
    """What verification says is wrong; any error but ours is a failure of its own."""
    try:
        report = verify(place.home, environment=place.environment, disclosures=disclosures)
    except DeploytrailError as error:
        return [str(error)]
    wrong = [f"{one.first}-{one.until} {one.what}" for one in report.found]
    # A cosignature by a key that nobody lists proves nothing, which is told and is no failure.
    strange = [one for one in report.not_checked if "does not list" in one]
    return wrong or ([*report.not_checked] if report.exit_code else strange)


def harmless_or_found(original: Original) -> str:
    """What became of a harmed copy: `same`, `found`, `missed`, or an error."""
    if rows(original.target) == original.rows:
        return "same"
    # The deeper check includes the quicker one, so it is needed only where that finds nothing.
    wrong = found(original.copy, disclosures=False) or found(original.copy, disclosures=True)
    return "found" if wrong else "missed"


def offsets(size: int, shard: int) -> list[int]:
    if IS_LONG:
        return list(range(shard, size, SHARDS))
    return random.Random(SEED + shard).sample(range(size), 60)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_flipped_bit_is_found_or_changes_nothing(original: Original, shard: int) -> None:
    original.restore()
    rng = random.Random(SEED)
    crashed: list[str] = []
    tally: dict[str, list[int]] = {"same": [], "found": [], "missed": []}
    for offset in offsets(len(original.octets), shard):
        bit = 1 << rng.randrange(8)
        with original.target.open("r+b", buffering=0) as stream:
            stream.seek(offset)
            stream.write(bytes([original.octets[offset] ^ bit]))
        try:
            tally[harmless_or_found(original)].append(offset)
        except Exception as error:  # noqa: BLE001 (what verify let out is what is looked for)
            crashed.append(f"{offset}: {error!r}")
        with original.target.open("r+b", buffering=0) as stream:
            stream.seek(offset)
            stream.write(original.octets[offset : offset + 1])
    print({kind: len(which) for kind, which in tally.items()})
    assert crashed == []
    assert tally["missed"] == []
    assert tally["found"]


def test_a_truncated_file_is_found(original: Original) -> None:
    size = len(original.octets)
    edges = range(0, size, 512)
    lengths = {0, 1, 99, 100, size - 1, *edges, *(edge + 1 for edge in edges)} - {size}
    wanted = sorted(lengths) if IS_LONG else random.Random(SEED).sample(sorted(lengths), 20)
    missed = []
    for length in wanted:
        original.restore()
        with original.target.open("r+b") as stream:
            stream.truncate(length)
        if harmless_or_found(original) == "missed":
            missed.append(length)
    assert missed == []


@pytest.mark.parametrize("table", sorted({*TABLES} - {"checkpoint", "cosignature"}))
def test_a_deleted_row_is_found(original: Original, table: str) -> None:
    missed = [
        key for key in _keys(original, table)
        if not _is_noticed(original, f"DELETE FROM {table} WHERE {_key(table)} = ?", key)  # noqa: S608
    ]  # fmt: skip
    assert missed == []


def test_the_newest_checkpoint_that_is_gone_is_found(original: Original) -> None:
    assert _is_noticed(original, "DELETE FROM checkpoint WHERE size = ?", ENTRIES)


def test_an_older_checkpoint_that_is_gone_proves_no_less(original: Original) -> None:
    """The newest binds every entry; that there were others, nothing in a log says."""
    _harm(
        original,
        "DELETE FROM checkpoint WHERE size = ?1; DELETE FROM cosignature WHERE size = ?1",
        PUBLISHED[0],
    )
    assert found(original.copy, disclosures=True) == []


def test_cosignatures_that_are_gone_are_found_where_an_age_is_asked_for(
    original: Original,
) -> None:
    """They only prove when the log was last looked at."""
    _harm(original, "DELETE FROM cosignature")
    report = verify(
        original.copy.home, environment=original.copy.environment, max_age_seconds=3_600
    )
    assert report.exit_code == EXIT_STALE


@pytest.mark.parametrize("table", sorted({*TABLES} - {"cosignature"}))
def test_an_emptied_table_is_found(original: Original, table: str) -> None:
    assert _is_noticed(original, f"DELETE FROM {table}")  # noqa: S608


@pytest.mark.parametrize("table", TABLES)
def test_a_dropped_table_is_found(original: Original, table: str) -> None:
    assert _is_noticed(original, f"DROP TABLE {table}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE published SET frontier = "
        "CAST(substr(frontier, 1, 20) || x'0000' || substr(frontier, 23) AS BLOB)",
        "UPDATE cosignature SET line = "
        "CAST(replace(CAST(line AS TEXT), '.local', '.lobal') AS BLOB)",
    ],
)
def test_changes_beside_the_newest_checkpoint_are_found(original: Original, statement: str) -> None:
    assert _is_noticed(original, statement)


@pytest.mark.parametrize("table", SWAPPED)
def test_two_swapped_rows_are_found(original: Original, table: str) -> None:
    key, value = SWAPPED[table]
    one, other = _keys(original, table)[:2]
    assert _is_noticed(
        original,
        f"UPDATE {table} SET {value} = (SELECT {value} FROM {table} AS other WHERE other.{key} = "  # noqa: S608
        f"CASE {table}.{key} WHEN ?1 THEN ?2 ELSE ?1 END) WHERE {key} IN (?1, ?2)",
        one,
        other,
    )


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("bundle", "max(n) + 1, state, data"),
        ("tile", "level, max(n) + 1, data"),
        ("segment", "max(first) + n, n, data"),
        ("delivery", "randomblob(16), max(idx) + 1, body"),
        ("checkpoint", "max(size) - 1, note"),
    ],
)
def test_a_duplicated_row_is_found(original: Original, table: str, columns: str) -> None:
    assert _is_noticed(original, f"INSERT INTO {table} SELECT {columns} FROM {table}")  # noqa: S608


def _key(table: str) -> str:
    names = {
        "tree": "id", "segment": "first", "bundle": "n", "tile": "n", "delivery": "key",
        "disclosure": "key", "checkpoint": "size", "published": "id", "cosignature": "size",
    }  # fmt: skip
    return names[table]


def _keys(original: Original, table: str) -> list[bytes | int]:
    """The keys of all its rows, a sample of many."""
    connection = apsw.Connection(str(original.path), flags=apsw.SQLITE_OPEN_READONLY)
    statement = f"SELECT {_key(table)} FROM {table} ORDER BY 1"  # noqa: S608
    keys = [row[0] for row in connection.execute(statement)]
    connection.close()
    most = chosen(8, 600)
    return keys if len(keys) <= most else random.Random(SEED).sample(keys, most)


def _is_noticed(original: Original, statement: str, *values: bytes | int) -> bool:
    _harm(original, statement, *values)
    return bool(found(original.copy, disclosures=True))


def _harm(original: Original, statement: str, *values: bytes | int) -> None:
    original.restore()
    connection = apsw.Connection(str(original.target))
    connection.pragma("journal_mode", "DELETE")
    for one in statement.split("; "):
        connection.execute(one, values)
    connection.close()


def test_an_older_copy_is_found_given_a_receipt_or_a_kept_state(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    filled(place, 5, published_at=(5,))
    shutil.copytree(place.home, tmp_path / "older")
    with place.open() as trail:
        (newer,) = recorded(trail, "newer")
        trail.publish()
    with_state = _verified(tmp_path / "older", place.environment)
    assert [one.state for one in with_state.found] == ["MISSING"]
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    assert _verified(tmp_path / "older", elsewhere).found == ()
    kept = tmp_path / "receipt.json"
    kept.write_bytes(msgspec.json.encode(newer))
    with_receipt = _verified(tmp_path / "older", elsewhere, kept)
    assert [(one.state, one.first) for one in with_receipt.found] == [("MISSING", newer.index)]


def _verified(home: Path, environment: dict[str, str], *receipts: Path) -> Report:
    return verify(home, environment=environment, receipts=receipts)


@pytest.mark.parametrize("grown", [0, 3])
def test_a_clean_log_raises_no_alarm(tmp_path: Path, grown: int) -> None:
    place = Place(tmp_path)
    filled(place, 257, published_at=(256,))
    with place.open() as trail:
        recorded(trail, *(f"in-the-write-ahead-log-{at}" for at in range(grown)))
        trail.publish()
    for _ in range(chosen(3, 500)):
        assert found(place, disclosures=True) == []
