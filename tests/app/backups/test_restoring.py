"""A restored trail is the one that was backed up, byte for byte, or there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploytrail import entry
from deploytrail.app.backups.backing_up import backup, keys_beside, source_of
from deploytrail.app.exporting import export
from deploytrail.app.home import Home
from deploytrail.app.trails.directory import open_directory
from deploytrail.entry import unbase64url
from deploytrail.errors import Conflict, DeploytrailError, Incomplete, NotFound, Tampered
from deploytrail.trail import Receipt
from tests.app.backed_up import (
    ALICE,
    BOB,
    COUNT,
    again,
    backed_up,
    elsewhere,
    erase,
    event,
    members,
    restored,
    rich,
    rows,
)
from tests.app.places import Place, place, recorded
from tests.verified import verified


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return rich(tmp_path_factory.mktemp("there"))


@pytest.fixture(scope="module")
def file(there: Place) -> Path:
    path = there.home.parent / "backup.tar"
    done = backed_up(there, path)
    assert (done.size, done.size_signed) == (COUNT + 3, COUNT + 3)
    assert (done.checkpoints, done.attachments, done.state, done.subjects) == (5, 1, 2, 3)
    return path


@pytest.fixture
def copied(there: Place, file: Path, tmp_path: Path) -> tuple[Place, Path]:
    """A copy of the trail that a test may change, and its backup."""
    shutil.copytree(there.home, tmp_path / "there" / "home")
    place = Place(tmp_path / "there" / "home", dict(elsewhere(tmp_path / "there")), there.clock)
    return place, file


def test_every_row_comes_back(there: Place, file: Path, tmp_path: Path) -> None:
    done = restored(there, file, tmp_path)
    assert (done.report.exit_code, done.older) == (0, "")
    assert {found.state for found in done.report.found} == {"REDACTED"}
    before, after = rows(there.home), rows(tmp_path / "home")
    assert before.keys() == after.keys() > {"tree", "delivery", "cosignature", "subject"}
    assert {table for table in before if not before[table]} == set()
    assert [table for table in before if before[table] != after[table]] == []
    assert (tmp_path / "home" / "policy").read_bytes() == (there.home / "policy").read_bytes()
    with again(there, tmp_path).opened() as trail:
        assert len(verified(trail.store)) == COUNT + 3


def test_what_others_hold_of_it_still_holds(there: Place, file: Path, tmp_path: Path) -> None:
    restored(there, file, tmp_path)
    with there.opened() as one, again(there, tmp_path).opened() as other:
        assert other.proof(7).partition(b"\n\n")[0] == one.proof(7).partition(b"\n\n")[0]
        export(one, tmp_path / "one.tar")
        export(other, tmp_path / "other.tar")
        assert list(one.entries()) == list(other.entries())
        assert one.fingerprint_key("network") == other.fingerprint_key("network")
        (evidence,) = entry.fields(one.show(COUNT).entry)["evidence"]
        assert other.attachment(COUNT, evidence["id"]) == b"what Alice saw"
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_a_delivery_that_came_before_gets_its_first_receipt(tmp_path: Path) -> None:
    there = recorded(tmp_path / "there", 0)
    told = [event(there, at) for at in range(300)]
    with there.opened() as trail:
        receipts = trail.record(told)
    backed_up(there, tmp_path / "b.tar")
    restored(there, tmp_path / "b.tar", tmp_path)
    with again(there, tmp_path).opened() as trail:
        assert trail.record(told) == receipts
        (new,) = trail.record([event(there, 300)])
        assert isinstance(new, Receipt)
        assert new.index == 300
        trail.publish()
        verified(trail.store, [one for one in receipts if isinstance(one, Receipt)])
    assert again(there, tmp_path).verified().exit_code == 0


def test_an_identity_keeps_its_subject(there: Place, file: Path, tmp_path: Path) -> None:
    restored(there, file, tmp_path)
    with there.opened() as one, again(there, tmp_path).opened() as other:
        known = [ring.subjects([ALICE, BOB]) for ring in (one.keyring, other.keyring)]
    assert known[0][ALICE].id == known[1][ALICE].id
    assert known[0][BOB].salt_key == known[1][BOB].salt_key


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 512])
def test_a_log_of_any_size_comes_back(tmp_path: Path, count: int) -> None:
    there = recorded(tmp_path / "there", count)
    backed_up(there, tmp_path / "b.tar")
    done = restored(there, tmp_path / "b.tar", tmp_path)
    assert (done.refilled.size, done.report.exit_code) == (count, 0)
    before, after = rows(there.home), rows(tmp_path / "home")
    assert [table for table in before if before[table] != after[table]] == []


def test_what_is_not_signed_yet_comes_back(tmp_path: Path) -> None:
    there = recorded(tmp_path / "there", 300)
    there.record(10, publish=False)
    with there.opened() as trail:
        unsigned = source_of(trail)._replace(publish=lambda: None)
        done = backup(unsigned, tmp_path / "b.tar", clock=there.clock)
    assert (done.size, done.size_signed) == (310, 300)
    report = restored(there, tmp_path / "b.tar", tmp_path).report
    assert (report.exit_code, report.size, report.size_signed) == (0, 310, 300)


# Erased


def test_whoever_was_erased_stays_erased_when_older_keys_come_back(
    copied: tuple[Place, Path], tmp_path: Path
) -> None:
    """Those of the older backup still have Bob's, and the newer log says that he was erased."""
    there, older = copied
    with there.opened() as trail:
        name = erase(there, trail, BOB)
    newer = tmp_path / "newer.tar"
    backed_up(there, newer)
    done = restored(there, newer, tmp_path, keys_file=keys_beside(older))
    assert (done.report.exit_code, done.refilled.erased, done.refilled.subjects) == (0, 1, 2)
    assert done.refilled.unreadable == 0
    with again(there, tmp_path).opened() as trail:
        shown = trail.show(1)
        assert shown.event["actor"] == {"type": "user"}
        assert {one.state for one in shown.withheld} == {"redacted"}
        assert trail.keyring.subjects([BOB])[BOB].name != name
    assert [table for table in ("disclosure", "attachment", "tree") if rows(there.home)[table]
            != rows(tmp_path / "home")[table]] == []  # fmt: skip


def test_of_an_older_log_with_newer_keys_the_erased_can_t_be_read(
    copied: tuple[Place, Path], tmp_path: Path
) -> None:
    there, older = copied
    with there.opened() as trail:
        erase(there, trail, BOB)
    newer = tmp_path / "newer.tar"
    backed_up(there, newer)
    done = restored(there, older, tmp_path, keys_file=keys_beside(newer))
    # The erasure came later than this log: nothing in it accounts for what can't be read.
    assert (done.refilled.unreadable, done.refilled.erased, done.report.exit_code) == (1, 0, 3)
    with again(there, tmp_path).opened() as trail:
        assert trail.show(1).event["actor"] == {"type": "user"}


def test_with_keys_that_are_older_than_a_subject_its_disclosures_can_t_be_read(
    copied: tuple[Place, Path], tmp_path: Path
) -> None:
    there, older = copied
    with there.opened() as trail:
        trail.record([there.event(7000, actor="github:dave"), there.event(7001, actor="x:erin")])
    newer = tmp_path / "newer.tar"
    backed_up(there, newer)
    done = restored(there, newer, tmp_path, keys_file=keys_beside(older))
    assert (done.refilled.unreadable, done.report.exit_code) == (2, 3)
    assert {found.first for found in done.report.found if found.state == "MISSING"} == {
        COUNT + 3,
        COUNT + 4,
    }


# Going back in time


def test_where_a_newer_state_was_seen_it_says_so_and_how_to_go_on(
    copied: tuple[Place, Path], tmp_path: Path
) -> None:
    there, file = copied
    there.record(5)
    shutil.rmtree(there.home / "keys.db", ignore_errors=True)
    key = there.home / "key"
    done = restored(there, file, tmp_path, key=key, environment=there.environment)
    assert done.report.exit_code == 3
    assert done.older.startswith(f"log: expected at least {COUNT + 8} entries under a checkpoint")
    assert "init --continue" in done.older
    with pytest.raises(Incomplete, match="restore a newer copy"):
        open_directory(tmp_path / "home", environment=there.environment, create=False)


def test_the_state_that_was_seen_at_the_backup_is_no_obstacle(
    there: Place, file: Path, tmp_path: Path
) -> None:
    done = restored(there, file, tmp_path, environment=there.environment)
    assert (done.report.exit_code, done.report.key_from, done.older) == (0, "state", "")


# Refused


def test_no_trail_is_replaced(there: Place, file: Path, tmp_path: Path) -> None:
    restored(there, file, tmp_path)
    before = rows(tmp_path / "home")
    with pytest.raises(Conflict, match="expected no trail, found one"):
        restored(there, file, tmp_path)
    assert rows(tmp_path / "home") == before


def test_keys_of_a_trail_that_lost_its_log_are_not_replaced(
    there: Place, file: Path, tmp_path: Path
) -> None:
    restored(there, file, tmp_path)
    home = Home(tmp_path / "home")
    home.log.unlink()
    before = home.keys.read_bytes()
    with pytest.raises(Conflict, match=r"found the keys of one whose log\.db was removed"):
        restored(there, file, tmp_path)
    assert home.keys.read_bytes() == before


def _write_ahead_log_in_the_way(there: Place, file: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "log.db-wal").write_bytes(b"the newest entries of a log that was removed")
    try:
        restored(there, file, tmp_path)
    finally:
        (tmp_path / "home" / "log.db-wal").rename(tmp_path / "home" / "key")


def _other_wrapping_key(there: Place, file: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("ab" * 32)
    restored(there, file, tmp_path, key=tmp_path / "wrong")


def _key_in_the_way(there: Place, file: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "key").write_text("ab" * 32)
    restored(there, file, tmp_path)


def _exchanged(there: Place, file: Path, tmp_path: Path) -> None:
    restored(there, keys_beside(file), tmp_path, keys_file=file)


def _without_keys(there: Place, file: Path, tmp_path: Path) -> None:
    alone = shutil.copy(file, tmp_path / "alone.tar")
    restored(there, Path(alone), tmp_path)


REFUSED: dict[
    str, tuple[Callable[[Place, Path, Path], object], type[DeploytrailError], str]
] = {
    "no such file": (
        lambda there, _, tmp_path: restored(there, tmp_path / "none", tmp_path),
        NotFound, "expected a file of a backup, found none",
    ),
    "no keys": (_without_keys, NotFound, "expected the keys of the backup, found none"),
    "no key": (
        lambda there, file, tmp_path: restored(there, file, tmp_path, key=None),
        NotFound, "expected the trail's key there, found none; no backup has it",
    ),
    "a key that is not there": (
        lambda there, file, tmp_path: restored(there, file, tmp_path, key=tmp_path / "n"),
        NotFound, "expected the trail's key there, found none",
    ),
    "another trail's key": (_other_wrapping_key, Tampered, r"keys: secret .*another trail's"),
    "another key in its place": (_key_in_the_way, Conflict, "found another; it may be the only"),
    "a write-ahead log in the way": (
        _write_ahead_log_in_the_way, Incomplete, r"log\.db-wal: expected log\.db beside it",
    ),
    "the two files exchanged": (_exchanged, DeploytrailError, "expected the format"),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_it_is_refused_and_nothing_is_left(
    there: Place, file: Path, tmp_path: Path, reason: str
) -> None:
    attempt, kind, said = REFUSED[reason]
    with pytest.raises(kind, match=said):
        attempt(there, file, tmp_path)
    home = tmp_path / "home"
    assert not home.exists() or [path.name for path in home.iterdir()] == ["key"]


def test_the_keys_of_another_trail_are_refused(there: Place, file: Path, tmp_path: Path) -> None:
    other = place(tmp_path / "other")
    # Another trail's secrets and origin.
    other.clock.random(1)
    other.record(1)
    backed_up(other, tmp_path / "other.tar")
    keys = keys_beside(tmp_path / "other.tar")
    with pytest.raises(Conflict, match=r"expected the keys of .*, found those of"):
        restored(there, file, tmp_path, keys_file=keys, key=other.home / "key")


def test_a_key_from_outside_is_not_put_into_the_directory(
    there: Place, file: Path, tmp_path: Path
) -> None:
    outside = {**elsewhere(tmp_path), "DEPLOYTRAIL_KEY": f"file:{there.home / 'key'}"}
    done = restored(there, file, tmp_path, key=None, environment=outside)
    assert done.report.exit_code == 0
    assert not (tmp_path / "home" / "key").exists()
    restored(there, file, tmp_path / "second")
    assert (tmp_path / "second" / "home" / "key").stat().st_mode & 0o777 == 0o600


# Stopped


@pytest.mark.parametrize("at", [1, 300, COUNT + 3])
def test_a_restore_that_fails_leaves_no_trail_and_can_be_repeated(
    there: Place, file: Path, tmp_path: Path, at: int
) -> None:
    def fail(done: int, _: int) -> None:
        if done >= at:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        restored(there, file, tmp_path, told=fail)
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"log.lock"}
    assert restored(there, file, tmp_path).report.exit_code == 0


def _killed_while_made(home: Path, whole: Path) -> None:
    shutil.copytree(whole, home / "restoring")
    (home / "restoring" / "log.db").write_bytes(b"half")


def _killed_behind_the_log(home: Path, whole: Path) -> None:
    shutil.copy(whole / "log.db", home / "log.db.new")
    shutil.copy(whole / "policy", home / "policy")


def _killed_behind_the_keys(home: Path, whole: Path) -> None:
    _killed_behind_the_log(home, whole)
    shutil.copy(whole / "keys.db", home / "keys.db")


KILLED: dict[str, Callable[[Path, Path], None]] = {
    "while it was made": _killed_while_made,
    "when the log had its first name": _killed_behind_the_log,
    "when the keys had their name": _killed_behind_the_keys,
}


@pytest.mark.parametrize("when", KILLED)
def test_a_restore_that_was_killed_can_be_repeated(
    there: Place, file: Path, tmp_path: Path, when: str
) -> None:
    restored(there, file, tmp_path / "whole")
    home = tmp_path / "home"
    home.mkdir()
    KILLED[when](home, tmp_path / "whole" / "home")
    assert not Home(home).exists
    assert restored(there, file, tmp_path).report.exit_code == 0
    before, after = rows(there.home), rows(home)
    assert [table for table in before if before[table] != after[table]] == []
    assert not (home / "restoring").exists()


def test_between_the_two_names_whoever_comes_finds_the_whole_trail(
    there: Place, file: Path, tmp_path: Path
) -> None:
    restored(there, file, tmp_path / "whole")
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(there.home / "key", home / "key")
    _killed_behind_the_keys(home, tmp_path / "whole" / "home")
    with open_directory(home, environment=elsewhere(tmp_path), clock=there.clock) as trail:
        assert trail.size() == COUNT + 3
        verified(trail.store)


def test_nothing_of_the_erased_is_in_any_file_of_a_backup(there: Place, file: Path) -> None:
    with there.opened() as trail:
        told = entry.fields(trail.show(COUNT + 2).entry)
    carol = unbase64url(told["targets"][0]["id"])
    for each in (file, keys_beside(file)):
        for name, octets in members(each).items():
            assert carol not in octets, name
    octets = file.read_bytes() + keys_beside(file).read_bytes()
    key = (there.home / "key").read_text().strip()
    assert bytes.fromhex(key) not in octets
    assert key.encode() not in octets
