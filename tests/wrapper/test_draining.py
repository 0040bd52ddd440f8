"""What a run left in its spool stands in the log once, in order, or a gap says what is missing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deploytrail.errors import Conflict, SenderError, Unreachable
from deploytrail.spool.chain import Piece
from deploytrail.trail import Attachment, Receipt
from deploytrail.wrapper.draining import drain
from tests.fakes import FakeTrail
from tests.wrapper.spooled import END, START, Spooling, changed, told


@pytest.fixture
def spooling(tmp_path: Path) -> Spooling:
    return Spooling(tmp_path)


def test_a_spool_is_drained_in_order_and_removed(spooling: Spooling) -> None:
    first, early = spooling.left([told(), told(action=END)])
    second, late = spooling.left([told(), told(action=END)])
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    with spooling.open() as trail:
        drained = drain(trail, spooling.folder)
    assert (drained.events, drained.set_aside, drained.gaps) == (4, (), ())
    assert spooling.ids() == [one.id for one in (*early, *late)]
    assert not first.exists()
    assert not second.exists()


def test_a_spool_that_is_drained_twice_stands_in_the_log_once(spooling: Spooling) -> None:
    path, events = spooling.left([told(), told(action=END)])
    octets = path.read_bytes()
    for _ in range(2):
        path.write_bytes(octets)
        with spooling.open() as trail:
            drain(trail, spooling.folder)
    assert spooling.ids() == [one.id for one in events]


def test_what_was_recorded_at_once_is_known_again_when_its_spool_is_drained(
    spooling: Spooling,
) -> None:
    _, (start, end) = spooling.left([told(), told(action=END)])
    with spooling.open() as trail:
        (receipt,) = trail.record([start])
        drain(trail, spooling.folder)
    assert spooling.ids() == [start.id, end.id]
    assert spooling.logged()[0].index == getattr(receipt, "index", None)


def test_evidence_goes_with_its_event(spooling: Spooling) -> None:
    start, end = told(), told(action=END)
    output = [Attachment(type="output", data=b"deployed\n"), Attachment(type="plan", data=b"{}")]
    spooling.left([start, end], {end.id: output})
    with spooling.open() as trail:
        assert drain(trail, spooling.folder).events == 2
        *_, logged = trail.entries()
        evidence = logged.event["evidence"]
        assert isinstance(evidence, list)
        found = [trail.attachment(end.id, each["id"]) for each in evidence]
    assert found == [b"deployed\n", b"{}"]


def test_a_sealed_spool_is_read_by_its_trail_alone(spooling: Spooling) -> None:
    spooling.seal()
    reason = told().reason
    assert reason is not None
    path, events = spooling.left(
        [told(), end := told(action=END)], {end.id: [Attachment(type="output", data=b"deployed")]}
    )
    octets = path.read_bytes()
    assert b"started" not in octets
    assert str(reason.text).encode() not in octets
    with spooling.open() as trail:
        assert drain(trail, spooling.folder).events == 2
    assert spooling.ids() == [one.id for one in events]


def test_a_spool_that_is_sealed_to_another_trail_is_set_aside(
    spooling: Spooling, tmp_path: Path
) -> None:
    other = Spooling(tmp_path / "other")
    other.seal()
    spooling.key = other.key
    path, _ = spooling.left([told()])
    with spooling.open() as trail:
        ((aside, why),) = drain(trail, spooling.folder).set_aside
    assert aside == path.with_name(f"{path.name}.refused")
    assert "import it into the trail to which it was sealed" in why


GAPS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], list[int], str]] = {
    "a line is missing": (lambda lines: [*lines[:2], *lines[3:]], [0, 2, 3], "line 2: missing"),
    "two lines are missing": (lambda lines: [*lines[:2], lines[4]], [0, 3], "line 2 to 3: missing"),
    "the first line is missing": (lambda lines: [lines[0], *lines[2:]], [1, 2, 3], "line 1: miss"),
    "the end is missing": (lambda lines: lines[:-1], [0, 1, 2], "line all from 4 on: the run was"),
    "the last line is torn": (
        lambda lines: [*lines[:-1], lines[-1][:70]],
        [0, 1, 2],
        "line all from 4 on: the run was",
    ),
    "nothing but the header is there": (lambda lines: lines[:1], [], "line all from 1 on: the run"),
}


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "sealed"])
@pytest.mark.parametrize("case", GAPS)
def test_what_is_missing_is_noticed_and_the_rest_recorded(
    spooling: Spooling, case: str, sealed: bool
) -> None:
    change, kept, gap = GAPS[case]
    if sealed:
        spooling.seal()
    path, events = spooling.left([told() for _ in range(4)])
    changed(path, change)
    octets = path.read_bytes()
    for _ in range(2):
        path.write_bytes(octets)
        with spooling.open() as trail:
            drained = drain(trail, spooling.folder)
        (said,) = drained.gaps
        assert said.startswith(f"{path.name}: {gap}")
    *found, notice = spooling.logged()
    assert [one.event["id"] for one in found] == [events[at].id for at in kept]
    assert notice.event["action"] == "audit.gap.noticed"
    assert not path.exists()


CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "its event": lambda line: line.replace(b'"pending"', b'"success"').replace(
        b'"outcome":"success"', b'"outcome":"failure"'
    ),
    "its counter": lambda line: line.replace(b'"n":2', b'"n":9'),
    "its signature": lambda line: line[:-10] + (b"A" if line[-10:-9] != b"A" else b"B") + line[-9:],
    "all of it": lambda _: b"rubbish\n",
    "it is too long": lambda line: line[:-1] + b" " * (7 * 1024 * 1024) + b"\n",
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_line_that_was_changed_is_not_believed_and_told(spooling: Spooling, case: str) -> None:
    path, events = spooling.left([told() for _ in range(4)])
    changed(path, lambda lines: [*lines[:2], CHANGED[case](lines[2]), *lines[3:]])
    with spooling.open() as trail:
        drained = drain(trail, spooling.folder)
    assert drained.gaps == (f"{path.name}: line 2: missing or changed",)
    assert len(drained.set_aside) == 1
    *found, notice = spooling.logged()
    assert [one.event["id"] for one in found] == [events[at].id for at in (0, 2, 3)]
    assert "lines 2: missing or changed" in str(notice.event["error"])


HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "rubbish": lambda _: b"rubbish\n",
    "another run": lambda line: line.replace(b'"run":"', b'"run":"0'),
    "another key": lambda line: line.replace(b'"key":"', b'"key":"A'),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_file_with_another_header_is_set_aside(spooling: Spooling, case: str) -> None:
    path, _ = spooling.left([told()])
    changed(path, lambda lines: [HEADERS[case](lines[0]), *lines[1:]])
    _, events = spooling.left([told(), told(action=END)])
    with spooling.open() as trail:
        ((aside, _),) = drain(trail, spooling.folder).set_aside
    assert aside.name == f"{path.name}.refused"
    assert spooling.ids() == [one.id for one in events]


def test_lines_of_another_spool_are_not_taken(spooling: Spooling) -> None:
    path, _ = spooling.left([told(), told(action=END)])
    other, events = spooling.left([told(), told(action=END)])
    stolen = path.read_bytes().splitlines(keepends=True)[1]
    changed(other, lambda lines: [lines[0], stolen, *lines[1:]])
    path.unlink()
    with spooling.open() as trail:
        drained = drain(trail, spooling.folder)
    assert "signature doesn't fit" in drained.set_aside[0][1]
    assert (spooling.ids(), drained.gaps) == ([one.id for one in events], ())


def test_what_a_trail_refuses_is_set_aside_and_blocks_nobody(spooling: Spooling) -> None:
    trail = FakeTrail()
    trail.refused[START] = Conflict("source.delivery: expected the same event")
    path, (_, end) = spooling.left([told(), told(action=END)])
    _, (later,) = spooling.left([told(action=END)])
    drained = drain(trail, spooling.folder)
    assert [one.id for one in trail.events] == [end.id, later.id]
    assert [aside for aside, _ in drained.set_aside] == [path.with_name(f"{path.name}.refused")]


def test_a_trail_that_is_away_leaves_the_spool_as_it_was(spooling: Spooling) -> None:
    path, _ = spooling.left([told()])
    octets = path.read_bytes()
    with pytest.raises(Unreachable):
        drain(FakeTrail(failure=Unreachable("server: expected an answer")), spooling.folder)
    assert path.read_bytes() == octets


def test_the_spool_of_a_run_that_lives_is_left_alone(spooling: Spooling) -> None:
    spool = spooling.spool()
    spool.stamped([told()], {})
    spool.write()
    trail = FakeTrail()
    assert drain(trail, spooling.folder).events == 0
    assert spool.path.exists()
    spool.release()
    assert drain(trail, spooling.folder).events == 1


def test_when_time_is_over_the_rest_waits(spooling: Spooling) -> None:
    for _ in range(3):
        spooling.left([told()])
    trail = FakeTrail()
    drained = drain(trail, spooling.folder, is_over=lambda: len(trail.events) >= 1)
    assert (drained.events, drained.waiting) == (1, 2)


def test_a_link_in_place_of_a_spool_is_not_followed(spooling: Spooling, tmp_path: Path) -> None:
    path, _ = spooling.left([told()])
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    fifo = path.with_name("fifo.spool")
    os.mkfifo(fifo)
    drained = drain(FakeTrail(), spooling.folder)
    assert drained.events == 0
    assert (tmp_path / "elsewhere").exists()


class Leaving(FakeTrail):
    """A trail that goes away behind its first piece."""

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        if self.events:
            self.failure = Unreachable("server: expected an answer, found none")
        return super().record_spool(piece)


def test_a_drain_that_was_stopped_half_way_goes_on_and_says_nothing_twice(
    spooling: Spooling,
) -> None:
    path, events = spooling.left([told() for _ in range(1_200)])
    trail = Leaving()
    with pytest.raises(Unreachable):
        drain(trail, spooling.folder)
    assert 0 < len(trail.events) < len(events)
    assert path.exists()
    trail.failure = None
    whole = FakeTrail()
    whole.record(trail.events)
    assert drain(whole, spooling.folder).gaps == ()
    assert [one.id for one in whole.events] == [one.id for one in events]
    assert not path.exists()


def test_two_who_drain_at_once_are_one_after_the_other(spooling: Spooling) -> None:
    _, events = spooling.left([told() for _ in range(3)])
    trail = FakeTrail()

    class Meeting(FakeTrail):
        """While it is handed something, another one drains the same folder."""

        def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
            assert drain(trail, spooling.folder).events == 0
            return super().record_spool(piece)

    assert drain(Meeting(), spooling.folder).events == len(events)
    assert trail.events == []
