"""A view and its successor: moved, rebuilt beside, swapped; whatever fails, the rows are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.errors import Busy, Conflict, DeploytrailError, Fenced, Tampered, Unreachable
from deploytrail.follow.retry import BROKEN_SECONDS, TRIES_MAX
from deploytrail.follow.view import Read
from tests.contract.engines import SqliteEngine
from tests.fakes import FakeClock
from tests.follow.counting import Counting, CountingStore
from tests.follow.hosted import FakeLease, Followed, fresh
from tests.follow.logs import Log


def test_a_view_is_built_where_there_is_none_and_then_followed(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(700)
    followed = Followed(log, tmp_path / "view", clock)
    assert followed.rows() is None
    followed.go_on()
    assert followed.store.cursors() == (700, None)
    log.append(5)
    assert followed.rounds.round()
    assert not followed.rounds.round()
    assert followed.store.cursors().current == 705
    assert followed.host.standing().state == "following"
    followed.close()
    assert followed.rows() == fresh(log, tmp_path / "fresh")
    assert followed.lines.kinds == ["lease taken", "rebuild begun", "rebuild done"]


def test_an_idle_round_writes_nothing_and_parses_nothing(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock)
    followed.go_on()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "view").iterdir()}
    asked = log.asked
    followed.go_on()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "view").iterdir()} == before
    assert log.asked == asked
    followed.close()


def test_the_old_version_answers_until_the_new_one_has_caught_up(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(600)
    old = Followed(log, tmp_path / "view", clock)
    old.go_on()
    old.close()
    log.append(10)
    new = Followed(log, tmp_path / "view", clock, version=2)
    new.rounds.round()
    assert new.store.cursors() == (None, 610)
    assert new.host.standing().state == "rebuilding"
    assert new.rows() == old.rows()
    new.go_on()
    assert new.store.cursors() == (610, None)
    assert old.store.cursors() == (None, None)
    new.close()
    assert new.rows() == fresh(log, tmp_path / "fresh")


def test_a_rebuild_that_is_asked_for_runs_beside_what_goes_on_being_followed(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(9000)
    followed = Followed(log, tmp_path / "view", clock)
    followed.go_on()
    # Another process asks.
    CountingStore(tmp_path / "view").begin()
    clock.advance(seconds=2)
    seen = []
    for _ in range(10):
        log.append(1)
        followed.rounds.round()
        seen.append(followed.store.cursors())
    assert seen[0].successor == 4096
    assert [each.current for each in seen] == [9001 + at for at in range(10)]
    assert seen[-1].successor is None
    followed.close()
    assert followed.rows() == fresh(log, tmp_path / "fresh")


class Failing(Counting):
    """Raises what a test says, as long as it says so."""

    failure: Exception | None = None
    failing_until: int | None = None
    """Only entries before that index fail; None for all."""
    cannot_rest: Exception | None = None

    def apply(self, read: Read) -> None:
        failure, until = type(self).failure, type(self).failing_until
        if failure is not None and (until is None or read.first < until):
            raise failure
        super().apply(read)

    def rest(self) -> bool:
        if self.cannot_rest is not None:
            raise self.cannot_rest
        return super().rest()


@pytest.fixture
def failing() -> type[Failing]:
    """A class of its own for each test, so that none sees another's failure."""
    return type("Failing", (Failing,), {})


def test_a_view_that_fails_is_tried_again_and_then_given_up_with_its_reason(
    log: Log, tmp_path: Path, clock: FakeClock, failing: type[Failing]
) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, kind=failing)
    followed.go_on()
    failing.failure = ValueError("a column is missing")
    log.append(1)
    states = []
    for _ in range(TRIES_MAX):
        followed.rounds.round()
        states.append(followed.host.standing().state)
        clock.advance(seconds=30)
    assert states == ["waiting"] * (TRIES_MAX - 1) + ["broken"]
    assert followed.host.standing().reason == "ValueError: a column is missing"
    assert followed.host.standing().cursor == 3
    assert followed.lines.kinds[-2:] == ["follower failed", "follower is broken"]
    failing.failure = None
    assert not followed.rounds.round()
    # Rarely it is tried again all the same: maybe somebody mended what it needs.
    clock.advance(seconds=BROKEN_SECONDS)
    assert followed.rounds.round()
    assert followed.host.standing() == followed.host.standing()
    assert followed.host.standing().state == "following"
    assert followed.host.standing().reason == ""
    assert followed.lines.kinds[-1] == "follower goes on"
    followed.close()
    assert followed.rows() == fresh(log, tmp_path / "fresh")


def test_what_can_wait_and_fails_waits_on_and_is_told(
    log: Log, tmp_path: Path, clock: FakeClock, failing: type[Failing]
) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, kind=failing)
    assert not followed.host.rest()
    followed.go_on()
    failing.cannot_rest = OSError("no room")
    assert not followed.host.rest()
    assert followed.host.standing().state == "waiting"
    assert followed.host.standing().reason == "OSError: no room"
    failing.cannot_rest = None
    clock.advance(seconds=30)
    log.append(1)
    assert followed.rounds.round()
    assert followed.host.standing().state == "following"
    followed.close()


def test_what_passes_by_itself_is_never_given_up(
    log: Log, tmp_path: Path, clock: FakeClock, failing: type[Failing]
) -> None:
    log.append(3)
    failing.failure = Busy("another holds it")
    followed = Followed(log, tmp_path / "view", clock, kind=failing)
    for _ in range(3 * TRIES_MAX):
        followed.rounds.round()
        clock.advance(seconds=30)
    assert followed.host.standing().state == "waiting"
    failing.failure = None
    followed.go_on()
    assert followed.store.cursors().current == 3
    followed.close()


def test_a_broken_view_stops_no_other(
    log: Log, tmp_path: Path, clock: FakeClock, failing: type[Failing]
) -> None:
    log.append(3)
    broken = Followed(log, tmp_path / "broken", clock, kind=failing)
    failing.failure = RuntimeError("broken")
    whole = Followed(log, tmp_path / "whole", clock, beside=(broken.host,))
    for _ in range(20):
        whole.rounds.round()
        clock.advance(seconds=30)
    assert broken.host.standing().state == "broken"
    assert broken.store.cursors() == (None, 0)
    log.append(4)
    assert whole.rounds.round()
    assert whole.store.cursors() == (7, None)
    whole.close()
    broken.close()


def test_a_broken_rebuild_does_not_stop_the_view_that_stands(
    log: Log, tmp_path: Path, clock: FakeClock, failing: type[Failing]
) -> None:
    log.append(10)
    followed = Followed(log, tmp_path / "view", clock, kind=failing)
    followed.go_on()

    # A fault that only shows in old entries.
    failing.failure, failing.failing_until = LookupError("first"), 10
    followed.store.begin()
    for _ in range(20):
        log.append(1)
        clock.advance(seconds=30)
        followed.rounds.round()
    assert followed.store.cursors() == (30, 0)
    assert followed.host.standing().state == "broken"
    assert followed.host.standing().reason == "LookupError: first"
    followed.close()


FOREIGN: dict[str, tuple[str, int]] = {
    "it is another log's": ("deploytrail.test/another/1", 3),
    "it knows more than the log has": ("deploytrail.test/contract/1", 3000),
}


@pytest.mark.parametrize("why", FOREIGN)
def test_a_view_that_is_not_of_this_log_is_rebuilt_where(
    log: Log, tmp_path: Path, clock: FakeClock, why: str
) -> None:
    origin, size = FOREIGN[why]
    other = tmp_path / "other"
    other.mkdir()
    engine = SqliteEngine(other, clock)
    elsewhere = Log(engine.open())
    elsewhere.append(size)
    view = tmp_path / "view"
    built = Followed(elsewhere, view, clock, origin=origin)
    built.go_on()
    built.close()
    engine.close()
    log.append(12)
    followed = Followed(log, view, clock)
    followed.go_on()
    assert followed.store.cursors() == (12, None)
    assert "view is not of this log" in followed.lines.kinds
    followed.close()
    assert followed.rows() == fresh(log, tmp_path / "fresh")


def test_one_process_moves_a_view_and_another_takes_over_when_it_ends(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    owner: list[object] = []
    log.append(3)
    one = Followed(log, tmp_path / "view", clock, lease=FakeLease(owner))
    other = Followed(log, tmp_path / "view", clock, lease=FakeLease(owner))
    one.go_on()
    other.go_on()
    assert other.host.standing().state == "elsewhere"
    assert other.host.standing().cursor == 3
    one.close()
    log.append(2)
    other.go_on()
    assert other.store.cursors().current == 5
    assert other.lines.kinds == ["lease taken"]
    other.close()


def test_what_failed_is_over_once_another_process_has_the_lease(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    lease = FakeLease([object()])
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, lease=lease)
    lease.failure = Unreachable("lease: expected its database, which does not answer")
    followed.rounds.round()
    assert followed.host.standing().state == "waiting"
    lease.failure = None
    followed.go_on()
    standing = followed.host.standing()
    assert (standing.state, standing.reason) == ("elsewhere", "")
    followed.close()


def test_two_who_both_believe_that_the_lease_is_theirs_do_no_harm(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(300)
    both = [Followed(log, tmp_path / "view", clock) for _ in range(2)]
    for number in range(60):
        log.append(1)
        both[number % 2].rounds.round()
        both[number % 2].rounds.round()
        clock.advance(seconds=0.3)
    for one in both:
        one.go_on()
        assert one.host.standing().state == "following"
        one.close()
    assert both[0].store.cursors() == (log.size, None)
    assert both[0].rows() == fresh(log, tmp_path / "fresh")


def test_a_lease_that_nobody_can_tell_of_is_asked_for_again(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock)
    followed.go_on()
    followed.lease.failure = Unreachable("the database does not answer")
    log.append(1)
    followed.go_on()
    assert followed.store.cursors().current == 3
    assert followed.host.standing().state == "waiting"
    followed.lease.failure = None
    followed.go_on()
    assert followed.store.cursors().current == 4
    assert followed.host.standing().state == "following"
    followed.close()


def test_who_is_erased_is_forgotten_at_that_entry(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(10)
    followed = Followed(log, tmp_path / "view", clock)
    followed.go_on()
    log.erase("alice")
    log.append(6)
    followed.go_on()
    followed.close()
    rows = followed.rows()
    assert rows is not None
    texts = {(subject, at < 10): text for at, subject, text in rows[1]}
    assert texts["alice", True] is None
    # Whoever is seen again under the same name is a new subject of the vault; here it is the same.
    assert texts["bob", True] == "bob said 7"
    # What came behind the erasure is not forgotten.
    assert texts["alice", False] is not None
    assert rows == fresh(log, tmp_path / "fresh")


FENCED = Fenced("the log is fenced: fsync failed")


class Unreadable:
    """A log that can't be read for a while."""

    def __init__(self, log: Log, failure: DeploytrailError) -> None:
        self.log, self.failure = log, failure
        self.is_failing = True

    def __call__(self) -> object:
        if self.is_failing:
            raise self.failure
        return self.log.store.reading()


@pytest.mark.parametrize(
    "failure", [Unreachable("gone"), Tampered("bundle 0: not what was written"), Busy("busy")]
)
def test_a_log_that_can_not_be_read_is_tried_again_and_no_view_is_given_up(
    log: Log, tmp_path: Path, clock: FakeClock, failure: DeploytrailError
) -> None:
    log.append(3)
    unreadable = Unreadable(log, failure)
    followed = Followed(log, tmp_path / "view", clock, reading=unreadable)
    for _ in range(30):
        followed.rounds.round()
        clock.advance(seconds=30)
    assert followed.host.standing().state == "waiting"
    assert str(failure) in followed.host.standing().reason
    unreadable.is_failing = False
    followed.go_on()
    assert followed.store.cursors().current == 3
    followed.close()


def test_a_fence_ends_the_rounds(log: Log, tmp_path: Path, clock: FakeClock) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock, reading=Unreadable(log, FENCED))
    with pytest.raises(Fenced, match="fsync failed"):
        followed.rounds.round()
    followed.close()


def test_a_view_refuses_entries_that_begin_elsewhere(
    log: Log, tmp_path: Path, clock: FakeClock
) -> None:
    log.append(3)
    followed = Followed(log, tmp_path / "view", clock)
    followed.go_on()
    view = followed.store.current()
    assert view is not None
    with pytest.raises(Conflict, match="cursor: expected 1, found 3"):
        view.apply(Read(1, [b"{}"], [{}], lambda _: {}))
    assert view.cursor() == 3
    view.close()
    followed.close()
