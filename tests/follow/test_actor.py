"""What appends because of the log: once for each entry, whatever happens, and never of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from deploytrail.errors import Conflict, Malformed, SenderError, Unreachable
from deploytrail.event import Actor as Who
from deploytrail.event import Event, Source
from deploytrail.follow.actor import ActorHost, Consequence, Seen
from deploytrail.follow.retry import TRIES_MAX
from deploytrail.follow.rounds import Rounds
from tests.fakes import FakeClock
from tests.follow.hosted import FakeLease, Followed, Lines
from tests.follow.logs import Log


class Counter:
    """An actor for tests: it appends an event for each deployment that it is shown."""

    name = "counter"

    def __init__(self, clock: FakeClock, *, version: int = 1, first: int | None = None) -> None:
        self.version = version
        self.shown: list[int] = []
        self.failure: Exception | None = None
        self._clock = clock
        self._first = first

    def begins(self, size: int) -> int:
        return size if self._first is None else self._first

    def act(self, seen: Sequence[Seen]) -> Sequence[Consequence]:
        if self.failure is not None:
            raise self.failure
        self.shown += [one.entry_index for one in seen]
        return [
            Consequence(one.entry_index, self._event())
            for one in seen
            if one.fields["action"] in {"deployment.started", "audit.rule.created"}
        ]

    def _event(self) -> Event:
        # Another id and another time with each call, as a real one would have.
        self._clock.advance(seconds=0.001)
        return Event(
            id=self._clock.event_id(),
            action="audit.rule.created",
            outcome="success",
            time=self._clock.now(),
            actor=Who(type="system"),
            source=Source(tool="replaced", instance="by the host"),
        )

    def close(self) -> None:
        pass


class Kept:
    """Bookmarks in memory, which outlive the hosts of one test."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.failure: BaseException | None = None
        self.is_lost = False

    def load(self, name: str) -> int | None:
        if self.is_lost:
            raise Unreachable("bookmarks: expected their database, which does not answer")
        return self.places.get(name)

    def replace(self, name: str, expected: int | None, new: int) -> None:
        if self.failure is not None:
            raise self.failure
        if self.places.get(name) != expected:
            raise Conflict(f"{name}: expected {expected}, found {self.places.get(name)}")
        self.places[name] = new


class Acted:
    """One actor of a log, with what it appended by delivery and part."""

    def __init__(self, log: Log, clock: FakeClock, kept: Kept) -> None:
        self.log, self.clock, self.kept = log, clock, kept
        self.lines = Lines()
        self.appended: dict[tuple[str | None, int], Event] = {}
        self.refusal: SenderError | None = None

    def start(self, actor: Counter, *, lease: FakeLease | None = None) -> Rounds:
        self.host = ActorHost(
            actor,
            FakeLease() if lease is None else lease,
            bookmarks=self.kept,
            append=self._append,
            size=lambda: self.log.size,
            instance="local",
            clock=self.clock,
            tell=self.lines,
        )
        return Rounds(self.log.store.reading, self.log.disclose, (self.host,), self.clock)

    def _append(self, events: Sequence[Event]) -> Sequence[SenderError | None]:
        if self.refusal is not None:
            return [self.refusal]
        for event in events:
            source = event.source
            assert (source.tool, source.instance) == ("deploytrail", "local")
            known = (source.delivery, source.part)
            if known not in self.appended:
                self.appended[known] = event
                told = {"delivery": source.delivery, "instance": "local", "tool": "deploytrail"}
                self.log.add({"action": event.action, "source": told})
        return [None] * len(events)


@pytest.fixture
def acted(log: Log, clock: FakeClock) -> Acted:
    return Acted(log, clock, Kept())


def go_on(rounds: Rounds, clock: FakeClock, count: int = 6) -> None:
    for _ in range(count):
        rounds.round()
        clock.advance(seconds=2)


def test_history_is_left_alone_by_who_begins_at_the_end(acted: Acted, clock: FakeClock) -> None:
    acted.log.append(9)
    counter = Counter(clock)
    rounds = acted.start(counter)
    go_on(rounds, clock)
    assert counter.shown == []
    acted.log.append(3)
    go_on(rounds, clock)
    assert counter.shown == [9, 10, 11]
    assert list(acted.appended) == [("actor/counter/1/10", 0)]


def test_who_wants_all_of_it_is_shown_all_but_its_own(acted: Acted, clock: FakeClock) -> None:
    acted.log.append(6)
    counter = Counter(clock, first=0)
    rounds = acted.start(counter)
    go_on(rounds, clock, 20)
    # Its events stand at 6 and 7: shown these, it would go on for ever.
    assert counter.shown == [0, 1, 2, 3, 4, 5]
    assert acted.log.size == 8
    assert acted.kept.places == {"counter": 8}
    assert acted.host.standing().state == "following"


def test_an_entry_that_only_claims_to_be_its_own_is_shown(acted: Acted, clock: FakeClock) -> None:
    claimed = {"delivery": "actor/counter/1/3", "instance": "x", "tool": "argocd"}
    acted.log.add({"action": "build.started", "source": claimed})
    another = {"delivery": "actor/counter-2/1/3", "instance": "local", "tool": "deploytrail"}
    acted.log.add({"action": "build.started", "source": another})
    counter = Counter(clock, first=0)
    go_on(acted.start(counter), clock)
    assert counter.shown == [0, 1]


class Stopped(BaseException):
    """The end of a process, as far as one process can play it."""


def test_stopped_between_appending_and_keeping_its_place_it_appends_nothing_twice(
    acted: Acted, clock: FakeClock
) -> None:
    acted.kept.places["counter"] = 0
    acted.log.append(7)
    acted.kept.failure = Stopped()
    with pytest.raises(Stopped):
        acted.start(Counter(clock)).round()
    first = dict(acted.appended)
    assert list(first) == [("actor/counter/1/1", 0), ("actor/counter/1/4", 0)]
    acted.kept.failure = None
    again = Counter(clock)
    go_on(acted.start(again), clock)
    assert again.shown == list(range(7))
    assert acted.appended == first
    assert acted.log.size == 9
    assert acted.kept.places == {"counter": 9}


def test_a_newer_version_goes_on_where_the_older_one_stopped(
    acted: Acted, clock: FakeClock
) -> None:
    acted.log.append(3)
    go_on(acted.start(Counter(clock, first=0)), clock)
    newer = Counter(clock, version=2, first=0)
    acted.log.append(3)
    go_on(acted.start(newer), clock)
    assert newer.shown == [4, 5, 6]
    assert list(acted.appended) == [("actor/counter/1/1", 0), ("actor/counter/2/4", 0)]


def test_several_consequences_of_one_entry_are_told_apart(acted: Acted, clock: FakeClock) -> None:
    class Twice(Counter):
        def act(self, seen: Sequence[Seen]) -> Sequence[Consequence]:
            return [one for found in super().act(seen) for one in (found, found)]

    acted.log.append(2)
    go_on(acted.start(Twice(clock, first=0)), clock)
    assert list(acted.appended) == [("actor/counter/1/1", 0), ("actor/counter/1/1", 1)]


def test_a_rebuild_of_a_view_fires_nothing_again(
    acted: Acted, clock: FakeClock, tmp_path: Path
) -> None:
    acted.log.append(30)
    counter = Counter(clock, first=0)
    acted.start(counter)
    followed = Followed(acted.log, tmp_path / "view", clock, beside=(acted.host,))
    followed.go_on()
    shown, appended = list(counter.shown), dict(acted.appended)
    assert len(appended) == 10
    followed.store.begin()
    followed.go_on()
    assert followed.lines.kinds.count("rebuild done") == 2
    assert (counter.shown, acted.appended) == (shown, appended)
    followed.close()


def test_what_an_actor_wants_to_append_and_may_not_is_never_left_out(
    acted: Acted, clock: FakeClock
) -> None:
    acted.refusal = Malformed("action: expected one of the catalogue")
    acted.log.append(2)
    rounds = acted.start(Counter(clock, first=0))
    for _ in range(TRIES_MAX):
        rounds.round()
        clock.advance(seconds=30)
    assert acted.host.standing().state == "broken"
    assert acted.host.standing().cursor == 0
    assert "expected one of the catalogue" in acted.host.standing().reason
    acted.refusal = None
    clock.advance(seconds=600)
    go_on(rounds, clock)
    assert list(acted.appended) == [("actor/counter/1/1", 0)]
    assert acted.host.standing().state == "following"


def test_a_broken_actor_stops_no_view(acted: Acted, clock: FakeClock, tmp_path: Path) -> None:
    acted.log.append(3)
    counter = Counter(clock, first=0)
    counter.failure = RuntimeError("no answer")
    acted.start(counter)
    followed = Followed(acted.log, tmp_path / "view", clock, beside=(acted.host,))
    for _ in range(30):
        followed.rounds.round()
        clock.advance(seconds=1)
    assert followed.store.cursors() == (3, None)
    assert acted.host.standing().state == "broken"
    followed.close()


def test_a_log_that_was_set_back_is_not_acted_upon_again(acted: Acted, clock: FakeClock) -> None:
    acted.kept.places["counter"] = 12
    acted.log.append(3)
    counter = Counter(clock)
    rounds = acted.start(counter)
    go_on(rounds, clock)
    assert counter.shown == []
    assert acted.host.standing().state == "waiting"
    assert "expected a log of 12 entries, found 3" in acted.host.standing().reason


def test_an_actor_whose_lease_is_another_s_is_left_alone(log: Log, clock: FakeClock) -> None:
    kept, owner = Kept(), [object()]
    counter = Counter(clock, first=0)
    host = ActorHost(
        counter,
        FakeLease(owner),
        bookmarks=kept,
        append=lambda events: [None] * len(events),
        size=lambda: log.size,
        instance="local",
        clock=clock,
        tell=Lines(),
    )
    log.append(3)
    rounds = Rounds(log.store.reading, log.disclose, (host,), clock)
    go_on(rounds, clock)
    assert (counter.shown, kept.places) == ([], {})
    assert host.standing().state == "elsewhere"
    owner.clear()
    go_on(rounds, clock)
    assert counter.shown == [0, 1, 2]


def test_bookmarks_that_can_t_be_read_are_told_as_its_standing(
    acted: Acted, clock: FakeClock
) -> None:
    acted.log.append(3)
    acted.kept.is_lost = True
    counter = Counter(clock, first=0)
    rounds = acted.start(counter)
    go_on(rounds, clock)
    standing = acted.host.standing()
    assert (standing.state, standing.cursor) == ("waiting", None)
    assert "expected their database" in standing.reason
    acted.kept.is_lost = False
    clock.advance(seconds=30)
    go_on(rounds, clock)
    standing = acted.host.standing()
    assert (standing.state, standing.cursor, standing.reason) == ("following", 4, "")


def test_of_an_actor_of_another_process_it_is_told_what_was_seen_last(
    acted: Acted, clock: FakeClock
) -> None:
    acted.log.append(3)
    acted.kept.places["counter"] = 2
    rounds = acted.start(Counter(clock), lease=FakeLease([object()]))
    go_on(rounds, clock)
    assert acted.host.standing().cursor == 2
    acted.kept.is_lost = True
    go_on(rounds, clock)
    standing = acted.host.standing()
    assert (standing.state, standing.cursor) == ("waiting", 2)
    acted.kept.is_lost = False
    acted.kept.places["counter"] = 3
    clock.advance(seconds=30)
    go_on(rounds, clock)
    # What failed is over, although it is still another's.
    standing = acted.host.standing()
    assert (standing.state, standing.cursor, standing.reason) == ("elsewhere", 3, "")
