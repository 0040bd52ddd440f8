"""Eight processes append to one log at once: each entry once, one order, one root."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploytrail.app.home import Home
from deploytrail.app.verifying import verify
from deploytrail.entry import logged_of
from tests.crash import oracle
from tests.crash.strace import Writer
from tests.crash.writing import Place, filled

WRITERS = 8


def test_eight_processes_append_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    first = filled(place, 1)
    writers = [Writer(tmp_path) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        runs = list(threads.map(lambda writer: writer.run("some", place), writers))
    for writer in writers:
        writer.close()
    assert [(run.status, run.said) for run in runs] == [(0, [])] * WRITERS
    receipts = [receipt for run in runs for receipt in run.receipts]
    assert sorted(one.index for one in (*first, *receipts)) == list(range(1 + 20 * WRITERS))
    found = oracle.whole(Home(place.home).log, [*first, *receipts])
    times = [logged_of(entry) for entry in found.entries]
    assert times == sorted(set(times))
    assert {size for run in runs for size in run.published} <= set(found.published)
    report = verify(place.home, environment=place.environment, disclosures=True)
    assert (report.exit_code, report.found) == (0, ())
