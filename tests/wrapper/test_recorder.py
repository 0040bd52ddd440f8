"""How long a run waits for others: little before the command, longer after it, and what it says.

A real trail, a real key command, real locks; only the seconds are fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from deploytrail.app.trails.directory import open_directory
from deploytrail.event import Event, Source
from deploytrail.spool.seal import SpoolKey
from deploytrail.stores.sqlite.locks import FileLock
from deploytrail.trail import Patience, Trail
from deploytrail.wrapper.keeping import Keeping
from deploytrail.wrapper.recorder import AFTER, BEFORE, Recorder
from tests.events import event
from tests.fakes import FakeClock, FakeTrail

SHORT = {
    BEFORE: Patience(writer=0.05, publisher=0.05, key=0.2),
    AFTER: Patience(writer=0.1, publisher=0.1, key=10),
}
FOR_EVER = Patience(writer=60, publisher=60, key=60)


class Run:
    """A run's recorder over a trail that is there already, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "trail"
        self.environ: dict[str, str] = {"XDG_STATE_HOME": str(folder / "state")}
        self.patience: Mapping[Patience, Patience] = SHORT
        self.told: list[str] = []
        self.opened: list[Patience] = []
        self.start, self.end = (self._event(part) for part in (0, 1))
        self.open(FOR_EVER).close()
        self.recorder = Recorder(
            self._open_trail,
            keeping=Keeping(self.home / "spool", self.home),
            run="run-1",
            clock=FakeClock(),
            tell=self.told.append,
        )

    def open(self, patience: Patience) -> Trail:
        return open_directory(
            self.home, clock=FakeClock(), environment=self.environ, patience=patience
        )

    def recorded(self) -> list[str]:
        with closing(self.open(FOR_EVER)) as trail:
            return [str(shown.event["id"]) for shown in trail.entries()]

    def _open_trail(self, patience: Patience) -> Trail:
        self.opened.append(patience)
        return self.open(self.patience[patience])

    def _event(self, part: int) -> Event:
        return event(source=Source(tool="wrapper", instance="local", delivery="run-1", part=part))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_command_waits_for_seconds_and_its_end_for_half_a_minute(run: Run) -> None:
    run.recorder.begin(run.start)
    run.recorder.record([run.end])
    assert run.opened == [
        Patience(writer=2, publisher=2, key=5),
        Patience(writer=10, publisher=10, key=30),
    ]
    assert run.told == []
    assert run.recorded()[-2:] == [run.start.id, run.end.id]


def test_a_key_that_is_slow_to_come_is_waited_for_after_the_command_only(run: Run) -> None:
    run.environ["DEPLOYTRAIL_KEY"] = f"command:sleep 0.4; cat {run.home / 'key'}"
    run.recorder.begin(run.start)
    (told,) = run.told
    assert told.startswith("not recorded yet (1 event): DEPLOYTRAIL_KEY: expected its command")
    assert told.endswith("TimeoutExpired")
    run.recorder.record([run.end])
    assert len(run.told) == 1
    assert run.opened == [BEFORE, AFTER]
    assert run.recorded()[-2:] == [run.start.id, run.end.id]


def test_a_key_that_was_asked_for_secrets_is_not_asked_for_again_before_the_command(
    run: Run,
) -> None:
    run.environ["DEPLOYTRAIL_KEY"] = "command:exec sleep 20"
    assert run.recorder.fingerprint_key("shop") is None
    run.recorder.begin(run.start)
    assert run.opened == [BEFORE]
    (told,) = run.told
    assert told.startswith("not recorded yet (1 event): DEPLOYTRAIL_KEY: expected its command")


def test_a_key_that_never_comes_leaves_the_events_in_the_spool(run: Run) -> None:
    run.patience = {AFTER: SHORT[BEFORE], BEFORE: SHORT[BEFORE]}
    run.environ["DEPLOYTRAIL_KEY"] = "command:exec sleep 20"
    run.recorder.begin(run.start)
    run.recorder.record([run.end])
    run.recorder.keep()
    assert run.told[-1].startswith("kept 2 events in ")
    assert (run.home / "spool" / "run-1.spool").exists()


def test_who_publishes_for_long_keeps_nothing_from_being_recorded(run: Run) -> None:
    lease = FileLock(run.home / "publish.lock")
    assert lease.try_exclusive()
    run.recorder.begin(run.start)
    (told,) = run.told
    assert told.startswith("recorded, but not published yet: publish.lock: expected another")
    assert "within 0.05 s" in told
    run.recorder.record([run.end])
    assert "within 0.1 s" in run.told[1]
    assert [receipt.id for receipt in run.recorder.receipts] == [run.start.id, run.end.id]
    lease.close()
    assert run.recorded()[-2:] == [run.start.id, run.end.id]


def test_who_writes_for_long_lets_the_start_wait_for_the_end(run: Run) -> None:
    lock = FileLock(run.home / "log.lock")
    assert lock.try_exclusive()
    run.recorder.begin(run.start)
    (told,) = run.told
    assert told.startswith("not recorded yet (1 event): log.lock: expected another writer")
    assert "within 0.05 s" in told
    lock.close()
    run.recorder.record([run.end])
    assert len(run.told) == 1
    assert run.recorded()[-2:] == [run.start.id, run.end.id]


def test_the_start_is_published_and_so_is_the_end(tmp_path: Path) -> None:
    """Nobody else signs what a run hands over."""
    trail, told = FakeTrail(), list[str]()
    keeping = Keeping(tmp_path / "spool", tmp_path)
    recorder = Recorder(
        lambda _: trail, keeping=keeping, run="run-1", clock=FakeClock(), tell=told.append
    )
    recorder.begin(event())
    assert trail.published == [1]
    recorder.record([event(), event()])
    assert (trail.published, told) == ([1, 3], [])


def test_a_key_that_seals_nothing_keeps_no_event_from_the_trail(tmp_path: Path) -> None:
    trail, told = FakeTrail(), list[str]()
    keeping = Keeping(tmp_path / "spool", tmp_path, key=SpoolKey("acme", bytes(32)))
    recorder = Recorder(
        lambda _: trail, keeping=keeping, run="run-1", clock=FakeClock(), tell=told.append
    )
    assert recorder.begin(event())
    recorder.record([event()])
    recorder.keep()
    assert trail.size() == 2
    assert [text.partition(":")[0] for text in told] == ["no spool is kept"]
