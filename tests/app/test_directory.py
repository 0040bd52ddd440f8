"""A trail in a directory: opened by many, kept in order, and never behind what was seen of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploytrail.app.directory import DirectoryTrail, open_directory
from deploytrail.errors import Fenced, Incomplete, NotFound, Tampered
from deploytrail.log import checkpoint, merkle, note, policy, proof
from deploytrail.trail import Receipt
from tests.events import event, new_id
from tests.fakes import FakeClock
from tests.verified import verified

FIRST_USE = """
import sys
from pathlib import Path
from deploytrail.app.directory import open_directory
from tests.events import event
sys.stdin.readline()
from deploytrail.clock import SystemClock
clock = SystemClock()
with open_directory(Path(sys.argv[1]), environment={"XDG_STATE_HOME": sys.argv[2]}) as trail:
    (answer,) = trail.record([event(id=clock.event_id(), time=clock.now())])
    print(trail.origin, answer.index)
"""


def test_a_trail_is_made_on_its_first_use_only_where_that_is_allowed(
    environment: Mapping[str, str], clock: FakeClock
) -> None:
    with pytest.raises(NotFound, match="expected a trail, found none; 'deploytrail init' makes"):
        open_directory(create=False, environment=environment, clock=clock)
    with open_directory(environment=environment, clock=clock) as made:
        origin = made.origin
    with open_directory(create=False, environment=environment, clock=clock) as again:
        assert again.origin == origin


def test_processes_that_use_it_first_at_once_share_one_trail(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_USE, str(tmp_path / "home"), str(tmp_path / "state")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(4)
    ]
    answers = [process.communicate(b"\n", timeout=60)[0].split() for process in started]
    assert len({origin for origin, _ in answers}) == 1
    assert sorted(int(index) for _, index in answers) == [0, 1, 2, 3]


def test_a_trail_that_could_not_be_opened_can_be_tried_again(
    environment: Mapping[str, str], clock: FakeClock
) -> None:
    with open_directory(environment=environment, clock=clock) as made:
        home, origin = made.home, made.origin
    key = home.key.read_bytes()
    home.key.write_text("00" * 32)
    for _ in range(2):
        with pytest.raises(Tampered, match="another trail's"):
            open_directory(environment=environment, clock=clock)
    home.key.write_bytes(key)
    with open_directory(environment=environment, clock=clock) as again:
        assert again.origin == origin


def test_a_proof_verifies_with_the_policy_alone(trail: DirectoryTrail) -> None:
    told = [event() for _ in range(5)]
    answers = trail.record(told)
    found = proof.decode(trail.proof(told[3].id))
    keys = [log.key for log in policy.decode(trail.home.policy.read_bytes()).logs]
    parsed, _ = checkpoint.verify(note.decode(found.checkpoint_note), keys)
    receipt = answers[3]
    assert isinstance(receipt, Receipt)
    assert (found.index, parsed.size) == (3, 5)
    leaf = bytes.fromhex(receipt.leaf)
    merkle.verify_inclusion(leaf, 3, 5, found.hashes, parsed.root)
    verified(trail.store)


def test_entries_come_in_order_from_either_end(trail: DirectoryTrail) -> None:
    trail.record([event() for _ in range(1030)])
    assert [one.index for one in trail.entries()] == list(range(1030))
    assert [one.index for one in trail.entries(first=1020, until=1025)] == list(range(1020, 1025))
    assert [one.index for one in trail.newest(count=3)] == [1029, 1028, 1027]
    assert [one.index for one in trail.newest(count=1026, before=1028)] == list(range(1027, 1, -1))
    assert [one.index for one in trail.newest(count=5, before=2)] == [1, 0]
    assert list(trail.newest(count=0)) == []
    assert trail.size() == 1030
    verified(trail.store)


def test_publishing_keeps_what_was_seen_and_an_older_copy_is_refused(
    trail: DirectoryTrail, environment: Mapping[str, str], clock: FakeClock, tmp_path: Path
) -> None:
    trail.record([event()])
    trail.store.sync_all()
    older = tmp_path / "older"
    shutil.copytree(trail.home.directory, older)
    trail.record([event()])
    assert trail.publish().size == 2
    with pytest.raises(Incomplete, match=r"expected at least 2 entries.*found 1; restore a newer"):
        open_directory(older, environment=environment, clock=clock)
    # With nothing kept outside, an older copy can't be found out from inside.
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    with open_directory(older, environment=elsewhere, clock=clock) as copy:
        copy.record([event()])
        copy.publish()
    with pytest.raises(Tampered, match="size 2 had another root"):
        open_directory(older, environment=environment, clock=clock)
    verified(trail.store)


def test_a_fenced_trail_is_read_and_not_written(
    trail: DirectoryTrail, environment: Mapping[str, str], clock: FakeClock
) -> None:
    (receipt,) = trail.record([event()])
    trail.store.fence("Mallory was here")
    with open_directory(environment=environment, clock=clock) as other:
        assert isinstance(receipt, Receipt)
        assert other.show(receipt.id).index == 0
        with pytest.raises(Fenced, match="Mallory"):
            other.record([event()])
        with pytest.raises(Fenced, match="Mallory"):
            other.publish()
    assert len(verified(trail.store)) == 1


def test_what_is_not_there_is_not_found(trail: DirectoryTrail) -> None:
    trail.record([event()])
    for ask in (trail.show, trail.proof):
        with pytest.raises(NotFound, match="not in this log of 1 entry;"):
            ask(new_id())
    with pytest.raises(NotFound, match="not in this log"):
        trail.attachment(new_id(), "A" * 22)
    verified(trail.store)
