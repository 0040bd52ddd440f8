"""A log of 600 entries, changed in every way: it is found and located, or it changes nothing.

What "nothing" means is asked of SQLite alone: all rows of all tables are those of the original.
Located is what is told where it is: of a byte that changed a row, the row at least; of one that
only breaks what holds rows together, the table or the page; of a file that is cut, its end.
"""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import msgspec
import pytest

from deploytrail.app.verifying import verify
from deploytrail.errors import EXIT_STALE
from deploytrail.report import Report
from tests.crash.figures import Figures
from tests.crash.form import IS_LONG, SEED, chosen
from tests.crash.harmed import ENTRIES, PUBLISHED, Original, wrong
from tests.crash.located import Where
from tests.crash.oracle import opened
from tests.crash.writing import Place, filled, recorded, scratch_directory

SHARDS: Final = chosen(1, 32)
CLEAN: Final = chosen(1, 4)
KEYS: Final = {
    "tree": "id", "segment": "first", "bundle": "n", "tile": "n", "delivery": "key",
    "disclosure": "key", "attachment": "id", "checkpoint": "size", "published": "id",
    "cosignature": "size",
}  # fmt: skip
"""A column that tells the rows of a table apart."""
SWAPPED: Final = {
    "bundle": "data", "tile": "data", "segment": "data", "delivery": "idx", "disclosure": "sealed",
    "checkpoint": "note", "cosignature": "line",
}  # fmt: skip
"""A column whose value belongs to the row."""
NO_LESS: Final = frozenset({"checkpoint", "cosignature"})
"""Of these, rows may go without taking a proof of anything else with them."""


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    with scratch_directory() as path:
        made = Original(path)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def _whole(original: Original) -> None:
    original.restore()


class Verdicts:
    """What became of many harms; `tell` before anything is asserted."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.wrong: list[str] = []

    def judge(self, original: Original, what: str, where: Where | None = None) -> None:
        try:
            verdict, fineness, found, is_of_rows = original.judged(where)
        except Exception as error:  # noqa: BLE001 (what verify let out is what is looked for)
            self.counted["crashed"] += 1
            self.wrong.append(f"{what}: {error!r}")
            return
        self.counted[verdict] += 1
        if verdict == "missed":
            self.wrong.append(f"{what}: missed")
        if verdict == "found" and fineness is not None:
            self.counted[fineness] += 1
            is_told_by_row = is_of_rows and where is not None and not where.is_structure
            is_vague = fineness == "table" and is_told_by_row
            if fineness == "nowhere" or is_vague:
                self.wrong.append(f"{what}: not located by {found}")

    def tell(self, figures: Figures, what: str, **of: int) -> None:
        figures.tell(
            what,
            **of,
            checked=sum(self.counted[one] for one in ("found", "same", "missed", "crashed")),
            found=self.counted["found"],
            located_to_entry=self.counted["entry"],
            to_row=self.counted["row"],
            to_table_or_page=self.counted["table"],
            not_located=self.counted["nowhere"],
            changed_nothing=self.counted["same"],
            missed=self.counted["missed"],
            crashed=self.counted["crashed"],
        )


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_flipped_bit_is_found_where_it_is_or_changes_nothing(
    original: Original, figures: Figures, shard: int
) -> None:
    rng = random.Random(SEED + shard)
    size = len(original.octets)
    offsets = range(shard, size, SHARDS) if IS_LONG else rng.sample(range(size), 120)
    verdicts = Verdicts()
    for offset in offsets:
        bit = 1 << rng.randrange(8)
        original.flip(offset, bit)
        verdicts.judge(original, f"byte {offset}, bit {bit}", original.byte(offset))
        original.flip(offset, bit)
    verdicts.tell(figures, "flipped bytes", bytes_max=size)
    assert verdicts.wrong == []
    assert verdicts.counted["found"]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_truncated_file_is_found_where_it_ends_or_changes_nothing(
    original: Original, figures: Figures, shard: int
) -> None:
    """A byte that is cut off is read as zero: where it was zero, nothing changed."""
    size = len(original.octets)
    lengths = range(size * shard // SHARDS, size * (shard + 1) // SHARDS)
    wanted = lengths if IS_LONG else random.Random(SEED).sample(lengths, 40)
    verdicts = Verdicts()
    for length in sorted(wanted, reverse=True):
        original.truncate(length)
        verdicts.judge(original, f"cut at {length}", original.end(length))
    verdicts.tell(figures, "truncations", bytes_max=size)
    assert verdicts.wrong == []
    assert verdicts.counted["found"]


@pytest.mark.parametrize("table", sorted(KEYS.keys() - NO_LESS))
def test_a_deleted_row_is_found(original: Original, figures: Figures, table: str) -> None:
    verdicts = Verdicts()
    for key in _keys(original, table):
        _harm(original, f"DELETE FROM {table} WHERE {KEYS[table]} = ?", key)  # noqa: S608
        verdicts.judge(original, f"{table} {key!r}")
    verdicts.tell(figures, "rows")
    assert verdicts.wrong == []
    assert not verdicts.counted["same"]


def test_the_newest_checkpoint_that_is_gone_is_found(original: Original) -> None:
    _harm(original, "DELETE FROM checkpoint WHERE size = ?", ENTRIES)
    assert original.verdict() == "found"


def test_an_older_checkpoint_that_is_gone_proves_no_less(original: Original) -> None:
    """The newest binds every entry; that there were others, nothing in a log says."""
    _harm(
        original,
        "DELETE FROM checkpoint WHERE size = ?1; DELETE FROM cosignature WHERE size = ?1",
        PUBLISHED[0],
    )
    assert wrong(original.copy, is_deep=True) == []


def test_cosignatures_that_are_gone_are_found_where_an_age_is_asked_for(
    original: Original,
) -> None:
    """They only prove when the log was last looked at."""
    _harm(original, "DELETE FROM cosignature")
    report = verify(
        original.copy.home, environment=original.copy.environment, max_age_seconds=3_600
    )
    assert report.exit_code == EXIT_STALE


@pytest.mark.parametrize("harm", ["DELETE FROM", "DROP TABLE"])
def test_a_table_that_is_emptied_or_gone_is_found(
    original: Original, figures: Figures, harm: str
) -> None:
    verdicts = Verdicts()
    for table in original.tables:
        is_harmless = harm.startswith("DELETE") and (
            table == "cosignature" or not original.rows[table]
        )
        if not is_harmless:
            _harm(original, f"{harm} {table}")
            verdicts.judge(original, f"{harm} {table}")
    verdicts.tell(figures, "rows")
    assert verdicts.wrong == []
    assert verdicts.counted["found"] >= len(KEYS) - 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE published SET frontier = "
        "CAST(substr(frontier, 1, 20) || x'0000' || substr(frontier, 23) AS BLOB)",
        "UPDATE bundle SET state = 0",
        "UPDATE attachment SET subjects = randomblob(length(subjects))",
        "UPDATE cosignature SET line = "
        "CAST(replace(CAST(line AS TEXT), '.local', '.lobal') AS BLOB)",
    ],
)
def test_changes_beside_the_entries_are_found(original: Original, statement: str) -> None:
    _harm(original, statement)
    assert original.verdict() == "found"


def test_an_entry_whose_fields_were_renamed_is_found(original: Original) -> None:
    """Its fields may be anything then, and the deeper check reads them all the same."""
    start = original.octets.find(b'{"_sd":', original.octets.find(b'"evidence":[{') - 200)
    entry = original.octets[start : original.octets.index(b'"v":1}', start)]
    names = [match.start() + 1 for match in re.finditer(rb'"\w+":', entry)]
    assert len(names) > 15
    for at in names:
        original.flip(start + at, 2)
        assert wrong(original.copy, is_deep=True)
        original.flip(start + at, 2)


def test_two_swapped_rows_are_found(original: Original, figures: Figures) -> None:
    verdicts = Verdicts()
    for table, value in SWAPPED.items():
        key = KEYS[table]
        keys = _keys(original, table)[:2]
        if len(keys) == 2:
            _harm(
                original,
                f"UPDATE {table} SET {value} = (SELECT {value} FROM {table} AS other "  # noqa: S608
                f"WHERE other.{key} = CASE {table}.{key} WHEN ?1 THEN ?2 ELSE ?1 END) "
                f"WHERE {key} IN (?1, ?2)",
                *keys,
            )
            verdicts.judge(original, table)
    verdicts.tell(figures, "rows")
    assert verdicts.wrong == []
    assert verdicts.counted["found"] >= len(SWAPPED) - 1


def test_a_duplicated_row_is_found(original: Original, figures: Figures) -> None:
    others = {
        "bundle": {"n": "max(n) + 1"}, "tile": {"n": "max(n) + 1"},
        "segment": {"first": "max(first) + n"},
        "delivery": {"key": "randomblob(16)", "idx": "max(idx) + 1"},
        "checkpoint": {"size": "max(size) - 1"},
    }  # fmt: skip
    verdicts = Verdicts()
    for table, other in others.items():
        with opened(original.path) as connection:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if original.rows[table]:
            columns = ", ".join(other.get(name, name) for name in names)
            _harm(original, f"INSERT INTO {table} SELECT {columns} FROM {table}")  # noqa: S608
            verdicts.judge(original, table)
    verdicts.tell(figures, "rows")
    assert verdicts.wrong == []
    assert verdicts.counted["found"] >= len(others) - 1


def _keys(original: Original, table: str) -> list[bytes | int]:
    """The keys of all its rows, a sample of many."""
    with opened(original.path) as connection:
        statement = f"SELECT {KEYS[table]} FROM {table} ORDER BY 1"  # noqa: S608
        keys = [row[0] for row in connection.execute(statement)]
    return keys if len(keys) < 20 else random.Random(SEED).sample(keys, chosen(5, 200))


def _harm(original: Original, statement: str, *values: bytes | int) -> None:
    original.restore()
    with closing(apsw.Connection(str(original.target))) as connection:
        connection.pragma("journal_mode", "DELETE")
        for one in statement.split("; "):
            connection.execute(one, values)


def _swapped(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


FILE_HARMS: Final = {
    "gone": lambda path, _: path.unlink(),
    "emptied": lambda path, _: path.write_bytes(b""),
    "another trail's": _swapped,
}
# Another's whole log is one to itself: what it lacks here are its keys and its policy.
TOLD: Final = {
    "log.db": r"log\.db|disclosure is not there", "keys.db": r"keys\.db",
    "key": r"\bkey\b", "policy": r"\bpolicy\b",
}  # fmt: skip


@pytest.mark.parametrize("harm", FILE_HARMS)
@pytest.mark.parametrize("name", TOLD)
def test_a_file_that_is_not_the_trail_s_is_found_by_its_name(
    tmp_path: Path, name: str, harm: str
) -> None:
    place, other = Place(tmp_path / "place"), Place(tmp_path / "other")
    for each in (place, other):
        filled(each, 3, published_at=(3,))
    # What was kept has the policy as well, and would do without the directory's.
    shutil.rmtree(place.base / "state")
    assert wrong(place, is_deep=True) == []
    shutil.rmtree(place.base / "state")
    FILE_HARMS[harm](place.home / name, other.home / name)
    assert any(re.search(TOLD[name], one.what) for one in wrong(place, is_deep=True))


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


@pytest.mark.parametrize("run", range(CLEAN))
def test_a_clean_log_raises_no_alarm(tmp_path: Path, figures: Figures, run: int) -> None:
    """While it grows, a part of it in the write-ahead log, some of it not signed yet."""
    place = Place(tmp_path)
    rng = random.Random(SEED + run)
    filled(place, 100 * run + 1, published_at=(1,))
    alarms: list[str] = []
    rounds = chosen(5, 250)
    with place.open() as trail:
        for at in range(rounds):
            recorded(trail, *(f"grown-{at}-{part}" for part in range(rng.randrange(1, 4))))
            if rng.random() < 0.5:
                trail.publish()
            alarms += [f"round {at}: {one}" for one in wrong(place, is_deep=True)]
    figures.tell("clean verifies", verified=rounds, false_alarms=len(alarms))
    assert alarms == []
