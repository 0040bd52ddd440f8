"""The hand-off to the one writer: nobody is told anything false, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import pytest

from deploytrail.app.events.claimed import Heard
from deploytrail.app.events.recording import Recorded
from deploytrail.errors import (
    Busy,
    CommitUnknown,
    DiskFull,
    Fenced,
    Malformed,
    NotFound,
    Overloaded,
    Unreachable,
)
from deploytrail.event import EventId
from deploytrail.trail import Receipt
from deploytrail.web.writer import Answers, Offered, Wanted, Writer

SECONDS = 20


class FakeRecording:
    """Keeps bodies, once each; `faults` are raised by the next commits, None for one that works.

    A fault comes before a commit stored anything, CommitUnknown after it. While `gate` is not set,
    commits wait.
    """

    def __init__(self, *faults: Exception | None) -> None:
        self.bodies: list[bytes] = []
        self.commits: list[int] = []
        self.faults = list(faults)
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False

    def record_heard(self, batch: Sequence[Offered]) -> Answers:
        return self._commit(batch)

    def record_heard_all(
        self, batches: Iterable[Sequence[Offered]], *, told: Callable[[Answers], None]
    ) -> None:
        waiting: Sequence[Offered] | None = None
        for batch in batches:
            # As the real one: the next is made ready while one commits.
            if any(one.body == b"poison" for one in batch):
                raise RuntimeError("a fault of ours")
            if waiting is not None:
                told(self._commit(waiting))
            waiting = batch
        if waiting is not None:
            told(self._commit(waiting))

    def close(self) -> None:
        self.is_closed = True

    def _commit(self, batch: Sequence[Offered]) -> Answers:
        if any(one.body == b"poison" for one in batch):
            raise RuntimeError("a fault of ours")
        assert self.gate.wait(SECONDS)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not isinstance(fault, CommitUnknown):
            raise fault
        answers: Answers = [self._answer(one.body) for one in batch]
        if fault is not None:
            raise fault
        self.commits.append(len(batch))
        return answers

    def _answer(self, body: bytes) -> Recorded | Malformed:
        if body == b"malformed":
            return Malformed("event: expected JSON")
        is_first = body not in self.bodies
        if is_first:
            self.bodies.append(body)
        at = self.bodies.index(body)
        given = Receipt(origin="o", id=EventId("i"), index=at, leaf="", size=at + 1, logged="")
        return Recorded(given, is_first)


class Asking:
    """One request, and what it was told."""

    def __init__(self, writer: Writer, *bodies: bytes) -> None:
        self._told = threading.Event()
        self.answers: Answers | Exception = []
        events = [Heard(body) for body in bodies]
        writer.offer(Wanted(events, sum(map(len, bodies)), self._tell))

    def _tell(self, answers: Answers | Exception) -> None:
        assert not self._told.is_set(), "told twice"
        self.answers = answers
        self._told.set()

    def waited(self) -> list[int | str]:
        """Indexes and names of errors, once they are there."""
        assert self._told.wait(SECONDS)
        if isinstance(self.answers, Exception):
            return [type(self.answers).__name__]
        return [
            one.receipt.index if isinstance(one, Recorded) else type(one).__name__
            for one in self.answers
        ]


@pytest.fixture(params=[1, 128], ids=["overlapped", "one at a time"])
def overlapped_min(request: pytest.FixtureRequest) -> int:
    """From how many events on the next commit is made ready while one is under way."""
    return int(request.param)


Starting = Callable[..., Writer]


@pytest.fixture
def started(overlapped_min: int) -> Starting:
    def start(recording: FakeRecording, *, waiting_max: int = 100) -> Writer:
        writer = Writer(lambda: recording, waiting_max=waiting_max, overlapped_min=overlapped_min)
        writer.start()
        return writer

    return start


def test_each_is_told_what_became_of_its_own(started: Starting) -> None:
    writer = started(FakeRecording())
    first, second = Asking(writer, b"a", b"malformed"), Asking(writer, b"b", b"a")
    assert (first.waited(), second.waited()) == ([0, "Malformed"], [1, 0])
    assert writer.end(seconds_max=SECONDS)


def test_what_waits_is_one_commit(started: Starting) -> None:
    recording = FakeRecording()
    recording.gate.clear()
    writer = started(recording)
    asking = [Asking(writer, b"%d" % at) for at in range(40)]
    recording.gate.set()
    assert sorted(one.waited()[0] for one in asking) == list(range(40))
    assert len(recording.commits) <= 4
    assert writer.tally().events == 40
    writer.end(seconds_max=SECONDS)


def test_all_who_are_in_a_commit_are_told_at_once() -> None:
    recording = FakeRecording()
    handed: list[Callable[[], None]] = []
    writer = Writer(lambda: recording, hand_over=handed.append)
    asking = [Asking(writer, b"%d" % at) for at in range(5)]
    writer.start()
    assert writer.end(seconds_max=SECONDS)
    assert recording.commits == [5]
    (tell,) = handed
    tell()
    assert [one.waited() for one in asking] == [[0], [1], [2], [3], [4]]


def test_a_small_request_does_not_wait_behind_large_ones_nor_they_behind_it() -> None:
    recording = FakeRecording()
    writer = Writer(lambda: recording, waiting_max=100_000)
    large = [Asking(writer, *[b"%d-%d" % (at, n) for n in range(800)]) for at in range(3)]
    small = [Asking(writer, b"small-%d" % at) for at in range(600)]
    writer.start()
    assert writer.end(seconds_max=SECONDS)
    assert recording.commits == [1056, 1056, 888]
    assert [one.waited()[0] for one in large] == [0, 1056, 2112]
    assert [one.waited()[0] for one in small][::256] == [800, 1856, 2912]


@pytest.mark.parametrize("fault", [DiskFull("x"), CommitUnknown("x")])
def test_a_commit_that_failed_is_asked_about_once_more(fault: Exception, started: Starting) -> None:
    recording = FakeRecording(fault)
    writer = started(recording)
    assert Asking(writer, b"a").waited() == [0]
    assert recording.bodies == [b"a"]
    writer.end(seconds_max=SECONDS)


def test_who_waited_for_the_lock_as_long_as_is_allowed_is_told_at_once(started: Starting) -> None:
    writer = started(FakeRecording(Busy("x")))
    assert Asking(writer, b"a").waited() == ["Busy"]
    assert Asking(writer, b"a").waited() == [0]
    writer.end(seconds_max=SECONDS)


@pytest.mark.parametrize("fault", [DiskFull("x"), CommitUnknown("x")])
def test_a_commit_that_fails_again_is_told_and_the_next_one_works(
    fault: Exception, started: Starting
) -> None:
    writer = started(FakeRecording(fault, fault))
    assert Asking(writer, b"a").waited() == [type(fault).__name__]
    assert sorted(Asking(writer, b"b", b"a").waited()) == [0, 1]
    writer.end(seconds_max=SECONDS)


def test_a_fence_is_told_to_all_and_ends_the_writer(started: Starting) -> None:
    recording = FakeRecording(Fenced("x"), Fenced("x"))
    recording.gate.clear()
    writer = started(recording)
    asking = [Asking(writer, b"%d" % at) for at in range(5)]
    recording.gate.set()
    assert [one.waited() for one in asking] == [["Fenced"]] * 5
    with pytest.raises(Fenced):
        Asking(writer, b"later")
    assert writer.end(seconds_max=SECONDS)
    assert recording.is_closed


def test_a_fault_of_ours_keeps_no_other_out(started: Starting) -> None:
    recording = FakeRecording()
    recording.gate.clear()
    writer = started(recording)
    asking = [Asking(writer, body) for body in (b"a", b"poison", b"b", b"c")]
    recording.gate.set()
    told = [one.waited() for one in asking]
    assert told[1] == ["RuntimeError"]
    assert sorted(told[0] + told[2] + told[3]) == [0, 1, 2]
    writer.end(seconds_max=SECONDS)


def test_more_than_can_wait_is_refused_at_once(started: Starting) -> None:
    recording = FakeRecording()
    recording.gate.clear()
    writer = started(recording, waiting_max=3)
    asking = [Asking(writer, b"first")]
    with pytest.raises(Overloaded):
        asking += [Asking(writer, b"%d" % at) for at in range(20)]
    recording.gate.set()
    assert all(isinstance(one.waited()[0], int) for one in asking)
    writer.end(seconds_max=SECONDS)


def test_the_end_answers_what_was_taken_and_takes_no_more(started: Starting) -> None:
    recording = FakeRecording()
    recording.gate.clear()
    writer = started(recording)
    asking = [Asking(writer, b"%d" % at) for at in range(5)]
    assert not writer.end(seconds_max=0.01)
    with pytest.raises(Unreachable):
        Asking(writer, b"late")
    recording.gate.set()
    assert writer.end(seconds_max=SECONDS)
    assert sorted(one.waited()[0] for one in asking) == list(range(5))
    assert recording.is_closed


@pytest.mark.parametrize("fault", [NotFound("x"), RuntimeError("x")])
def test_a_trail_that_can_not_be_opened_is_told(fault: Exception) -> None:
    def opened() -> FakeRecording:
        raise fault

    writer = Writer(opened)
    try:
        asking = Asking(writer, b"a")
        writer.start()
        assert asking.waited()[0] in {"NotFound", "Unreachable"}
    finally:
        writer.end(seconds_max=SECONDS)
    assert writer.fault is not None


@pytest.mark.parametrize("count", [127, 128])
def test_only_many_events_are_worth_a_second_thread(count: int) -> None:
    recording = Counting()
    writer = Writer(lambda: recording)
    writer.start()
    assert Asking(writer, *[b"%d" % at for at in range(count)]).waited() == list(range(count))
    assert Asking(writer, b"one").waited() == [count]
    assert recording.overlapped == (count == 128)
    assert writer.end(seconds_max=SECONDS)


class Counting(FakeRecording):
    """Knows how often batches were overlapped."""

    overlapped = 0

    def record_heard_all(
        self, batches: Iterable[Sequence[Offered]], *, told: Callable[[Answers], None]
    ) -> None:
        self.overlapped += 1
        super().record_heard_all(batches, told=told)
