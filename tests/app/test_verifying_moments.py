"""A log is read a moment at a time, while others write it, and where it may only be read."""

from __future__ import annotations

import os
import tracemalloc
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import apsw
import msgspec

from deploytrail.app.home import Home
from deploytrail.app.proofs.evidence import StoredEvidence
from deploytrail.app.verifying import verify
from deploytrail.stores.sqlite.examined import ExaminedLog, examined
from tests.app.places import place, recorded

COUNT: Final = 600


def test_more_checkpoints_than_are_read_at_once(tmp_path: Path) -> None:
    there = place(tmp_path)
    for _ in range(270):
        there.record(1)
    report = there.verified()
    assert (report.exit_code, report.checkpoints) == (0, 270)
    with apsw.Connection(str(Home(there.home).log)) as connection:
        connection.execute("UPDATE checkpoint SET size = 1000 WHERE size = 260")
    report = there.verified()
    assert report.exit_code == 1
    assert {found.what for found in report.found} == {
        "checkpoint 1000: its row holds the one of size 260",
        "cosignature 260: there is no checkpoint of this size",
        "published: expected the frontier of size 1000, found none",
    }


def test_of_many_checkpoints_few_are_held_in_memory(tmp_path: Path) -> None:
    """There may be as many as there are entries."""
    there = recorded(tmp_path, 1)
    with apsw.Connection(str(Home(there.home).log)) as connection:
        connection.execute(
            "WITH RECURSIVE sizes(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM sizes WHERE n < 5000)"
            "INSERT INTO checkpoint SELECT n, zeroblob(1000) FROM sizes"
        )
    with examined(Home(there.home).log) as connection, closing(ExaminedLog(connection)) as log:
        evidence = StoredEvidence(log)
        tracemalloc.start()
        many = sum(1 for _ in evidence.notes())
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert many == 5000
    assert held < 1_000_000


def test_appending_meanwhile_is_no_alarm(tmp_path: Path) -> None:
    there = recorded(tmp_path, 256 * 40 + 100)
    moments: list[int] = []
    left: list[int] = []
    with there.opened() as writer:

        def append_more(done: int, _: int) -> None:
            if not moments:
                writer.record([there.event(at) for at in range(300)])
                writer.publish()
            moments.append(done)
            with apsw.Connection(str(Home(there.home).log)) as connection:
                ((_, pages, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                left.append(pages - moved)

        report = there.verified(disclosures=False, told=append_more)
    assert (report.exit_code, report.found) == (0, ())
    assert (report.size, len(moments)) == (256 * 40 + 100, 41)
    # What was written meanwhile is held back in the write-ahead log, and only for a moment.
    assert left[0] > 0
    assert left[-1] == 0


def test_a_log_that_may_only_be_read_is_read_with_its_write_ahead_log() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        there = recorded(Path(folder), COUNT)
        assert (there.home / "log.db-wal").stat().st_size > 0
        (there.home / "log.db-shm").unlink()
        for path in there.home.iterdir():
            path.chmod(0o444)
        there.home.chmod(0o555)
        found = verified_by_nobody(there.home)
        there.home.chmod(0o755)
    assert (found["exit_code"], found["size"], found["found"]) == (0, COUNT, [])
    if os.geteuid() == 0:
        assert any("nothing was kept" in each for each in found["not_checked"])


def verified_by_nobody(home: Path) -> Any:
    """The report of somebody who may not write there; root may everywhere."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65_534)
            report = verify(home, state=Path("/nowhere"), environment={})
            os.write(tell, msgspec.json.encode(report))
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, "rb") as pipe:  # noqa: PTH123 (a descriptor, not a path)
        octets = pipe.read()
    os.waitpid(child, 0)
    return msgspec.json.decode(octets)
