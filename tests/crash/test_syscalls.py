"""Each system call of the real writer goes wrong once, in each way, until none is left.

After each: what was acknowledged is there, the log verifies, and it takes the next entry.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from deploytrail.app import home as homes
from deploytrail.app.doctor import clear_fence
from deploytrail.app.home import Home
from deploytrail.event import Actor
from tests.crash import oracle
from tests.crash.figures import Figures, Tally
from tests.crash.form import IS_LONG
from tests.crash.harmed import wrong
from tests.crash.strace import CALLS, Fault, Ran, Writer
from tests.crash.writing import Place, filled, recorded, scratch_directory

TEMPLATES: Final = {
    "append": 3,
    "batch": 3,
    "rollover": 254,
    "publish": 3,
    "checkpoint": 20,
    "init": None,
}
SHORT_CALLS: Final = {
    "EIO": ("fdatasync", "pwrite64", "rename"),
    "KILL": ("fdatasync", "pwrite64", "rename"),
}
# Of the many, some; of renames each, because what comes between two of them is a state of its own.
SHORT_STRIDES: Final = {"fdatasync": 9, "pwrite64": 9, "rename": 1}
NTH_MAX: Final = 2_000


class Bench(NamedTuple):
    """A writer, a directory for its runs, and the trail that each run begins with."""

    writer: Writer
    scratch: Path
    template: Place | None

    def place(self) -> Place:
        place = Place(self.scratch / "run")
        shutil.rmtree(place.base, ignore_errors=True)
        if self.template is None:
            place.base.mkdir()
        else:
            shutil.copytree(self.template.base, place.base)
        return place


class Seen:
    """What a scenario's faults came to."""

    def __init__(self) -> None:
        self.fired = 0
        self.acknowledged = 0
        self.tally = Tally()


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_directory() as path:
        yield path


@pytest.mark.parametrize("scenario", TEMPLATES)
def test_a_failing_call_loses_nothing_that_was_acknowledged(
    scenario: str, scratch: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The doctor keeps what it verified; never in the state directory of whoever runs the tests.
    for name, value in Place(scratch / "run").environment.items():
        monkeypatch.setenv(name, value)
    template = _template(scratch, TEMPLATES[scenario])
    calls = CALLS if IS_LONG else SHORT_CALLS
    seen = Seen()
    bench = Bench(Writer(scratch), scratch, template)
    try:
        assert bench.writer.run(scenario, bench.place()).status == 0
        for kind, names in calls.items():
            for call in names:
                _until_clean(bench, scenario, call, kind, seen)
    finally:
        bench.writer.close()
        figures.tell(
            "system calls",
            fired=seen.fired,
            acknowledged=seen.acknowledged,
            lost=seen.tally.lost,
            inconsistent=seen.tally.inconsistent,
        )
    assert seen.tally.objections == []
    assert seen.fired >= (150 if IS_LONG else 2)


def _template(scratch: Path, count: int | None) -> Place | None:
    if count is None:
        return None
    template = Place(scratch / "template")
    filled(template, count, published_at=(1,))
    return template


def _until_clean(bench: Bench, scenario: str, call: str, kind: str, seen: Seen) -> None:
    """One fault after the other, until a run ends without it."""
    for nth in range(1, NTH_MAX, 1 if IS_LONG else SHORT_STRIDES[call]):
        place = bench.place()
        fault = Fault(call, kind, nth)
        ran = bench.writer.run(scenario, place, fault)
        if not ran.has_fired:
            assert ran.status == 0, f"{scenario}, {fault} not fired: {ran.said}"
            return
        seen.fired += 1
        seen.acknowledged += len(ran.receipts)
        try:
            with seen.tally.checking(f"{scenario}, {fault}, {ran}"):
                _check(place, ran)
        except Exception as error:
            raise AssertionError(f"{scenario}, {fault}: {error}; {ran}") from error
    raise AssertionError(f"{scenario}: {call} {kind} still fires at {NTH_MAX}")


def _clear(home: Home, found: oracle.Whole) -> None:
    """Bob lets writers in again; a log that was never published has nothing that he could check."""
    if found.published:
        clear_fence(home.directory, actor=Actor(type="user", id="os:bob@build"), reason="checked")
    else:
        home.fence.unlink()


def _check(place: Place, ran: Ran) -> None:
    """What was promised stands, and the trail goes on."""
    home = homes.Home(place.home)
    if home.fence.exists():
        oracle.expect(ran.status != 0, "fenced, but the writer went on")
        _clear(home, oracle.whole(home.log, ran.receipts))
    with place.open(create=ran.origin is None) as trail:
        if ran.origin not in {None, trail.origin}:
            raise oracle.Lost(f"lost: {ran.origin} was made, there is {trail.origin}")
        recorded(trail, "afterwards")
        trail.publish()
        key = homes.signers(trail.origin, trail.keyring.secrets).log.key
    found = oracle.whole(home.log, ran.receipts, keys=[key])
    for size in ran.published:
        oracle.check_published(size, found)
    said = wrong(place, is_deep=True)
    oracle.expect(not said, f"verify: {said}")
