"""Made by other processes: the same, in order; and by ourselves where one of them fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploytrail.errors import Conflict
from deploytrail.event import Actor
from deploytrail.follow.view import Read
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.made import Made, made
from deploytrail.index.makers import COMMAND, Makers
from deploytrail.index.rows import Rowing
from deploytrail.index.sqlite.shelf import SqliteShelf
from tests.events import event
from tests.index.entries import ORIGIN, logged
from tests.query.filters import PERSONS

LOG = logged(
    event(actor=Actor(type="user", id=PERSONS[number % 3][0], name=f"Person {number % 5}"))
    for number in range(40)
)
PARTS = [LOG.read(first, first + 8) for first in range(0, 40, 8)]


def by_one() -> list[Made]:
    rowing = Rowing(origin=ORIGIN)
    return [made(rowing, part) for part in PARTS]


def here(part: Read) -> Made:
    return made(Rowing(origin=ORIGIN), part)


def never(part: Read) -> Made:
    raise AssertionError(f"the part from {part.first} on was made here")


@contextmanager
def makers(
    count: int = 2, *, command: tuple[str, ...] = COMMAND, still_seconds_max: float = 30.0
) -> Iterator[Makers]:
    found = Makers(ORIGIN, count, command=command, still_seconds_max=still_seconds_max)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_what_other_processes_made_is_what_one_makes_itself(count: int) -> None:
    with makers(count) as some:
        assert some.processes == 0
        assert list(some.made(PARTS, never)) == by_one()
        assert some.processes == min(count, len(PARTS))
        assert list(some.made(PARTS[2:], never)) == by_one()[2:]
        assert some.processes == min(count, len(PARTS))


_ANSWER_ONCE = """
import os, signal, sys
from deploytrail.index.maker import make

class Answer:
    def write(self, octets):
        sys.stdout.buffer.write(octets)
    def flush(self):
        sys.stdout.buffer.flush()
        os.kill(os.getpid(), signal.SIGKILL)

make(sys.stdin.buffer, Answer())
"""
_BEGUN = "import sys; sys.stdin.buffer.read(8); sys.stdout.buffer.write(%r); sys.stdout.flush();"
FAILING: dict[str, tuple[str, ...]] = {
    "is not there": ("/nowhere/maker",),
    "ends at once": (sys.executable, "-c", ""),
    "is killed behind its first answer": (sys.executable, "-c", _ANSWER_ONCE),
    "ends within its answer": (sys.executable, "-c", _BEGUN % b"\0\0\0\0\0\0\0\x09abc"),
    "answers something else": (
        sys.executable, "-c", _BEGUN % b"\0\0\0\0\0\0\0\x03abc" + "sys.stdin.buffer.read()",
    ),
    "takes and never answers": (sys.executable, "-c", "import sys; sys.stdin.buffer.read()"),
    "takes nothing": (sys.executable, "-c", "import signal; signal.pause()"),
}  # fmt: skip


@pytest.mark.parametrize("why", FAILING)
def test_everything_is_made_here_where_a_process(why: str) -> None:
    is_still = why.startswith("takes")
    parts = PARTS if why != "takes nothing" else [_large(part) for part in PARTS]
    with makers(command=FAILING[why], still_seconds_max=0.2 if is_still else 30.0) as some:
        assert list(some.made(parts, here)) == by_one()
        assert some.processes == 0
        # Nor is it tried again and again.
        assert list(some.made(PARTS, here)) == by_one()
        assert some.processes == 0


def _large(part: Read) -> Read:
    """More than a pipe takes that nobody reads."""
    return part._replace(disclosures=lambda _: {**LOG.disclosures, bytes(32): bytes(1 << 20)})


def test_processes_end_where_what_they_make_is_not_wanted_any_more() -> None:
    with makers() as some:
        found = some.made(PARTS, never)
        assert next(found) == by_one()[0]
        assert some.processes == 2
        found.close()
        assert some.processes == 0
        assert list(some.made(PARTS, never)) == by_one()


def test_what_can_not_be_made_is_told_as_if_it_had_been_tried_here(tmp_path: Path) -> None:
    SqliteShelf.create(tmp_path / "index", ORIGIN)
    other = LOG.entries[9].replace(ORIGIN.encode(), b"deploytrail.test/other/1")
    entries = [*LOG.entries[:9], other, *LOG.entries[10:]]
    with makers() as some:
        shelf = SqliteShelf(tmp_path / "index", is_writer=True)
        index = SegmentedIndex(shelf, part_entries=4, makers=some)
        with pytest.raises(Conflict, match=r"found one of deploytrail\.test/other/1"):
            index.apply(Read(0, entries, (), lambda _: LOG.disclosures))
        assert index.cursor() == 0
        index.apply(LOG.read(0, 40))
        assert index.cursor() == 40
        index.close()
