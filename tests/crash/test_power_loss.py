"""The power goes at any moment: every disk that may be left holds what was acknowledged.

SQLite's own writes are recorded through a VFS, the disks are built from the record, and each is
opened with SQLite as it is and checked by the oracle. Syncs of names and small files are not
SQLite's: `test_names.py` looks at these.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import reduce
from pathlib import Path

import apsw
import pytest

from tests.conftest import ROOT
from tests.crash.checking import Checker, checked
from tests.crash.disk import Disk, Sync, after
from tests.crash.figures import Figures
from tests.crash.form import SEED, chosen
from tests.crash.mutants import OF_COMMITS, OF_OTHERS, Mutant, mutated, unmutated
from tests.crash.recording import (
    FILES,
    NOW,
    Workload,
    disk_of,
    drawn_workload,
    recording,
    worked,
)
from tests.crash.writing import Place, filled, scratch_directory


@pytest.fixture
def place() -> Iterator[Place]:
    with scratch_directory() as path:
        yield Place(path)


def assert_kept(checker: Checker, figures: Figures, *, distinct_min: int) -> None:
    """Tells what was seen, then that no disk broke a promise."""
    figures.tell(
        "power loss",
        states=checker.generated,
        distinct=checker.distinct,
        distinct_keyrings=checker.distinct_keyrings,
        lost=checker.tally.lost,
        inconsistent=checker.tally.inconsistent,
    )
    assert checker.tally.objections == []
    assert checker.tally.is_clean
    assert checker.distinct >= distinct_min


@pytest.mark.parametrize("run", range(chosen(1, 8)))
def test_a_power_loss_keeps_everything_acknowledged(
    place: Place, figures: Figures, run: int
) -> None:
    filled(place, 3)
    workload = Workload(16) if run == 0 else drawn_workload(60, SEED + run)
    recorded = worked(place, workload._replace(rounds=chosen(16, 60)))
    checker = checked(
        place, recorded, drawn=chosen(6, 80), distinct_max=chosen(3_000, 100_000), seed=SEED + run
    )
    assert_kept(checker, figures, distinct_min=chosen(500, 5_000))


def test_a_power_loss_at_a_rollover_keeps_everything_acknowledged(
    place: Place, figures: Figures
) -> None:
    filled(place, 250, published_at=(1,))
    recorded = worked(place, Workload(chosen(6, 12)))
    checker = checked(
        place, recorded, drawn=chosen(4, 40), distinct_max=chosen(600, 20_000), seed=SEED
    )
    assert_kept(checker, figures, distinct_min=chosen(200, 1_000))


@pytest.mark.parametrize("name", FILES)
def test_lost_syncs_of_one_kind_of_file_are_noticed(place: Place, name: str) -> None:
    filled(place, 3)
    recorded = worked(place, Workload(30, newcomer_every=2), deaf=frozenset({name}))
    checker = checked(place, recorded, drawn=4, distinct_max=5_000, seed=SEED)
    assert checker.tally.lost
    of_a_key = ["the key of" in what for what in checker.tally.objections]
    assert all(of_a_key) if name.startswith("keys") else not any(of_a_key)


def run_mutated(mutant: Mutant, path: Path, *which: str) -> subprocess.CompletedProcess[str]:
    """Tests over our source with a mutant's change."""
    source = mutated(mutant, path / "source")
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
            f"--basetemp={path / 'base'}", *which,
        ],
        env={**os.environ, "PYTHONPATH": str(source), "DEPLOYTRAIL_CRASH": ""},
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("broken", OF_COMMITS)
def test_a_sync_of_ours_that_is_left_out_is_noticed(broken: str, tmp_path: Path) -> None:
    # Without a sync there is no last one, before which the publisher could be killed.
    which = "power_loss_keeps" + ("" if "synchronous" in broken else " or killed_publisher")
    run = run_mutated(OF_COMMITS[broken], tmp_path, "-k", which, str(Path(__file__)))
    assert run.returncode == 1, run.stdout
    assert re.search(r"^power loss: .* [1-9]\d* lost", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("broken", OF_OTHERS)
def test_a_sync_of_ours_that_is_left_out_is_noticed_elsewhere(broken: str, tmp_path: Path) -> None:
    mutant, noticing = OF_OTHERS[broken]
    run = run_mutated(mutant, tmp_path, noticing)
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout


def test_every_sync_of_ours_is_left_out_once() -> None:
    assert unmutated() == []


def assert_settled(place: Place, disk: Disk, figures: Figures) -> None:
    """Whoever publishes next over what a killed publisher left loses nothing of it."""
    with recording(place, disk, Workload(1)) as (run, recorded):
        run.settle()
        run.publish(seconds=NOW + 1)
    checker = checked(place, recorded, drawn=8, distinct_max=5_000, seed=SEED)
    assert_kept(checker, figures, distinct_min=2)


def test_what_a_killed_publisher_left_is_synced_before_it_is_vouched_for(
    place: Place, figures: Figures
) -> None:
    """Killed between write and sync: the checkpoint shows, and the power may still take it."""
    filled(place, 3)
    with recording(place, disk_of(place), Workload(1)) as (run, killed):
        run.settle()
        run.record("one")
        run.publish(seconds=NOW)
    last_sync = max(
        at for at, call in enumerate(killed.vfs.calls)
        if isinstance(call.what, Sync) and call.file == "log.db-wal"
    )  # fmt: skip
    disk = reduce(after, killed.vfs.calls[:last_sync], killed.start)
    for name, file in disk.items():
        (place.home / name).write_bytes(file.seen)
        (place.home / f"{name}-shm").unlink(missing_ok=True)
    assert_settled(place, disk, figures)


def test_what_a_killed_publisher_left_is_synced_also_while_somebody_examines_it(
    place: Place, figures: Figures
) -> None:
    """Whoever reads older pages keeps the write-ahead log from being emptied."""
    filled(place, 3)
    never_synced = frozenset({"log.db-wal"})
    with ExitStack() as stack:
        with recording(place, disk_of(place), Workload(1), deaf=never_synced) as (run, killed):
            run.settle()
            examiner = stack.enter_context(
                closing(apsw.Connection(str(place.home / "log.db"), apsw.SQLITE_OPEN_READONLY))
            )
            examiner.execute("BEGIN; SELECT count(*) FROM tree").fetchall()
            run.record("one")
            run.publish(seconds=NOW)
        assert_settled(place, reduce(after, killed.vfs.calls, killed.start), figures)


def test_a_key_that_another_writer_left_is_synced_before_an_entry_names_its_person(
    place: Place, figures: Figures
) -> None:
    filled(place, 3)
    never_synced = frozenset({"keys.db-wal"})
    with recording(place, disk_of(place), Workload(1), deaf=never_synced) as (first, killed):
        first.settle()
        with recording(place, {}, Workload(1)) as (second, recorded):
            first.record("one", by="newcomer")
            disk = reduce(after, killed.vfs.calls, killed.start)
            second.record("two", by="newcomer")
    checker = checked(place, recorded._replace(start=disk), drawn=8, distinct_max=5_000, seed=SEED)
    assert_kept(checker, figures, distinct_min=2)
