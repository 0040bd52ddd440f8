"""Files that vanish, change or can't be written under a trail that is open; two publishers."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from deploytrail.app.home import Home
from deploytrail.clock import SystemClock
from deploytrail.errors import Busy, DeploytrailError, Fenced, NotPermitted
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.log import SqliteLog
from tests.crash import oracle
from tests.crash.strace import Fault, Writer
from tests.crash.writing import Place, deployment, filled, recorded


def unlinked(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    """By an equal copy, as a careless restore does."""
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


HARMS: Final = {each.__name__: each for each in (unlinked, replaced)}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_trail_whose_files_are_not_those_that_were_opened_is_fenced(
    tmp_path: Path, name: str, suffix: str, harm: str
) -> None:
    place = Place(tmp_path)
    filled(place, 3)
    with place.open() as trail:
        recorded(trail, "before")
        HARMS[harm](place.home / f"{name}{suffix}")
        for delivery in ("after", "and again"):
            with pytest.raises(Fenced):
                # Nobody has seen Carol yet, so that a key is made as well.
                trail.record([deployment(delivery, by="carol")])
    assert name in Home(place.home).fence.read_text()


@pytest.mark.parametrize("name", ["log.lock", "open.lock"])
@pytest.mark.parametrize("harm", HARMS)
def test_writers_with_different_lock_files_still_write_one_log(
    tmp_path: Path, name: str, harm: str
) -> None:
    """SQLite's own locks stand behind ours."""
    place = Place(tmp_path)
    receipts = filled(place, 3)
    with place.open() as first:
        HARMS[harm](place.home / name)
        with place.open() as second:
            for at in range(5):
                receipts += recorded(first, f"first-trail-{at}")
                receipts += recorded(second, f"second-trail-{at}")
    oracle.whole(place.home / "log.db", receipts)


def test_whoever_is_alone_syncs_while_another_waits_to_come_in(tmp_path: Path) -> None:
    """What waits for the one lock holds no other: these two waited for each other once."""
    place = Place(tmp_path)
    filled(place, 3)
    alone = Guard(place.home, wait_seconds_max=0.1)
    store = SqliteLog(place.home / "log.db", alone, SystemClock())
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(Guard, place.home, wait_seconds_max=0.5)
        while not waiting.done():
            store.sync_all()
        with pytest.raises(Busy):
            waiting.result()
        alone.settle()
        assert not threads.submit(Guard, place.home).result().is_alone
    store.close()
    alone.close()


def test_a_directory_that_was_removed_takes_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    filled(place, 3)
    with place.open() as trail:
        shutil.rmtree(place.home)
        with pytest.raises(Fenced):
            recorded(trail, "after")


@pytest.mark.parametrize("name", ["log.db", "keys.db"])
def test_a_database_that_may_not_be_opened_says_so(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path)
    filled(place, 3)
    path = place.home / name
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    with pytest.raises(NotPermitted, match=name):
        place.open()


def test_a_directory_that_turned_read_only_keeps_what_it_has(tmp_path: Path) -> None:
    """Told by the system's answer, because root may write everywhere."""
    place = Place(tmp_path / "place")
    receipts = filled(place, 3)
    with closing(Writer(tmp_path)) as writer:
        ran = [writer.run("append", place, Fault("openat", "EROFS", nth)) for nth in range(1, 12)]
    assert any(each.has_fired and each.status != 0 for each in ran)
    oracle.whole(
        place.home / "log.db", [*receipts, *(one for each in ran for one in each.receipts)]
    )


def test_two_publishers_at_once_have_one_history(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    receipts = filled(place, 3, published_at=(1,))
    writers = [Writer(tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda writer: writer.run("publishing", place), writers))
    for writer in writers:
        writer.close()
    assert [(each.status, each.said) for each in runs] == [(0, []), (0, [])]
    found = oracle.whole(
        place.home / "log.db", [*receipts, *(one for each in runs for one in each.receipts)]
    )
    published = {size for each in runs for size in each.published}
    assert published <= set(found.published)
    assert len(published) >= 50


def test_an_older_copy_is_refused_where_a_newer_one_was_seen(tmp_path: Path) -> None:
    place = Place(tmp_path)
    filled(place, 3, published_at=(3,))
    shutil.copytree(place.home, tmp_path / "older")
    with place.open() as trail:
        recorded(trail, "newer")
        trail.publish()
    shutil.rmtree(place.home)
    (tmp_path / "older").rename(place.home)
    with pytest.raises(DeploytrailError, match="found 3"):
        place.open()
