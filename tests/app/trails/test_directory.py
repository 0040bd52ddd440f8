"""A trail in a directory: opened by many, kept in order, and never behind what was seen of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.app import home as homes
from deploytrail.app.exporting import export
from deploytrail.app.trails.directory import DirectoryTrail, open_directory
from deploytrail.errors import Fenced, Incomplete, Misconfigured, NotFound, Tampered
from deploytrail.event import EventId
from deploytrail.log import checkpoint, merkle, note, policy, proof
from deploytrail.stores import kept
from deploytrail.trail import Receipt
from deploytrail.xdg import state_directory
from tests.events import event, new_id
from tests.fakes import FakeClock
from tests.verified import verified

FIRST_USE = """
import sys
from pathlib import Path
from deploytrail.app.trails.directory import open_directory
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
            cwd=Path(__file__).parents[3],
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


def test_whoever_is_alone_makes_durable_what_others_left_in_both_databases(
    environment: Mapping[str, str], clock: FakeClock
) -> None:
    with open_directory(environment=environment, clock=clock) as made:
        made.record([event()])
        logs = [path.with_name(f"{path.name}-wal") for path in (made.home.log, made.home.keys)]
        assert all(path.stat().st_size for path in logs)
        with open_directory(environment=environment, clock=clock):
            assert all(path.stat().st_size for path in logs)
    with open_directory(environment=environment, clock=clock) as trail:
        assert [path.stat().st_size for path in logs] == [0, 0]
        verified(trail.store)


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


def _set_back(log: Path, older: Path) -> None:
    """The pages of an older copy below everybody who has the log open."""
    with (
        closing(apsw.Connection(str(older))) as source,
        closing(apsw.Connection(str(log))) as target,
        target.backup("main", source, "main") as copying,
    ):
        copying.step()


def _older_and_regrown(trail: DirectoryTrail, tmp_path: Path, *, grown: int) -> Path:
    """A copy that lacks what was published since, and has other entries in its place.

    As Mallory would make one who may write the log and has no key: with no checkpoint of her own.
    """
    trail.store.sync_all()
    older = tmp_path / "older"
    shutil.copytree(trail.home.directory, older)
    trail.record([event() for _ in range(50)])
    trail.publish()
    elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
    with open_directory(older, environment=elsewhere) as mallory:
        mallory.record([event(outcome="failure") for _ in range(grown)])
        mallory.store.sync_all()
    return older


@pytest.mark.parametrize("grown", [10, 50, 60, 500])
def test_an_older_copy_that_has_grown_again_is_not_gone_on_with(
    trail: DirectoryTrail,
    environment: Mapping[str, str],
    clock: FakeClock,
    tmp_path: Path,
    grown: int,
) -> None:
    trail.record([event() for _ in range(300)])
    trail.publish()
    older = _older_and_regrown(trail, tmp_path, grown=grown)
    states = state_directory(environment)
    before = kept.load(states, trail.origin)
    refusal = Incomplete if grown < 50 else Tampered
    with pytest.raises(refusal, match=r"found 310; restore a newer|had another root when"):
        open_directory(older, environment=environment, clock=clock)
    assert kept.load(states, trail.origin) == before
    verified(trail.store)


def test_a_log_that_lost_its_newest_checkpoints_was_set_back(
    trail: DirectoryTrail, environment: Mapping[str, str], clock: FakeClock
) -> None:
    trail.record([event()])
    trail.publish()
    trail.record([event()])
    trail.publish()
    with closing(apsw.Connection(str(trail.home.log))) as connection:
        connection.execute("DELETE FROM checkpoint WHERE size = 2")
    with pytest.raises(Incomplete, match=r"2 entries under a checkpoint.*found no checkpoint of"):
        open_directory(environment=environment, clock=clock)


SIGNING: dict[str, Callable[[DirectoryTrail, EventId, Path], object]] = {
    "publish": lambda trail, _, __: trail.publish(),
    "proof": lambda trail, id, _: trail.proof(id),
    "export": lambda trail, _, path: export(trail, path / "export.tar"),
}


@pytest.mark.parametrize("how", SIGNING)
def test_a_log_that_is_set_back_while_it_is_open_is_not_signed(
    trail: DirectoryTrail,
    environment: Mapping[str, str],
    clock: FakeClock,
    tmp_path: Path,
    how: str,
) -> None:
    first = event()
    trail.record([first])
    trail.publish()
    with open_directory(environment=environment, clock=clock) as other:
        older = _older_and_regrown(other, tmp_path, grown=60)
        _set_back(trail.home.log, older / "log.db")
        states = state_directory(environment)
        before = kept.load(states, trail.origin)
        with pytest.raises(Fenced, match="which was handed out before, found 1; the log was set"):
            SIGNING[how](trail, first.id, tmp_path)
    assert kept.load(states, trail.origin) == before
    with trail.store.reading() as reader:
        assert [size for size, _ in reader.notes(count=9)] == [1]


def test_what_another_user_published_meanwhile_is_gone_on_with(
    trail: DirectoryTrail, environment: Mapping[str, str], clock: FakeClock, tmp_path: Path
) -> None:
    """Bob's state is older than the log's newest checkpoint, and the log ahead of both."""
    bobs = {**environment, "XDG_STATE_HOME": str(tmp_path / "bob")}
    with open_directory(environment=bobs, clock=clock) as bob:
        bob.record([event() for _ in range(300)])
        bob.publish()
    trail.record([event() for _ in range(300)])
    trail.publish()
    trail.record([event()])
    with open_directory(environment=bobs, clock=clock) as bob:
        assert bob.publish().size == 601
        kept_by_bob = kept.load(state_directory(bobs), trail.origin)
        assert kept_by_bob is not None
        assert kept_by_bob.checkpoint.size == 601
    verified(trail.store)


def test_what_is_kept_is_replaced_only_by_what_is_newer(
    trail: DirectoryTrail, environment: Mapping[str, str]
) -> None:
    states = state_directory(environment)
    trail.record([event()])
    trail.publish()
    (file,) = states.iterdir()
    before = file.stat().st_ino, file.read_bytes()
    trail.publish()
    assert (file.stat().st_ino, file.read_bytes()) == before
    # Somebody with a newer copy of this log was here; ours lacks what they saw.
    known = kept.load(states, trail.origin)
    assert known is not None
    newer = checkpoint.Checkpoint(trail.origin, 5, b"r" * 32)
    signer = homes.signers(trail.origin, trail.keyring.secrets).log
    octets = note.encode(checkpoint.sign(newer, [signer]))
    kept.replace(states, known._replace(checkpoint=newer, note=octets))
    ahead = file.read_bytes()
    trail.record([event()])
    with pytest.raises(Fenced, match="expected a checkpoint of size 5 or more"):
        trail.publish()
    assert file.read_bytes() == ahead


def test_a_state_directory_that_can_not_be_made_loses_neither_entry_nor_checkpoint(
    environment: Mapping[str, str], clock: FakeClock
) -> None:
    nowhere = {**environment, "XDG_STATE_HOME": "/proc/nowhere"}
    with open_directory(environment=nowhere, clock=clock) as trail:
        (receipt,) = trail.record([event()])
        assert isinstance(receipt, Receipt)
        with pytest.raises(Misconfigured, match="expected to keep the newest checkpoint"):
            trail.publish()
    with open_directory(environment=environment, clock=clock) as trail:
        assert trail.publish().size == 1
        verified(trail.store, [receipt])


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
