"""A backup is of one moment, whoever writes or is erased meanwhile, and whole or not there."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from deploytrail import entry
from deploytrail.app.backups.backing_up import backup, keys_beside, source_of
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.errors import Busy, Fenced, Tampered
from deploytrail.log.store import Reader, Store, Writer
from deploytrail.trail import Attachment
from tests.app.backed_up import (
    ALICE,
    BOB,
    again,
    backed_up,
    elsewhere,
    erase,
    event,
    members,
    restored,
    rich,
)
from tests.app.doctored import doctored, set_tree, tree
from tests.app.places import Place, place

SIZE = 300
MOMENTS = 9
"""So many does a backup of such a log take."""


class Meanwhile:
    """A store in which something happens before each moment in which somebody reads."""

    def __init__(self, store: Store, effect: Callable[[int], None]) -> None:
        self._store = store
        self._effect = effect
        self.moments = 0

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        self.moments += 1
        self._effect(self.moments)
        with self._store.reading() as reader:
            yield reader

    def writing(self) -> AbstractContextManager[Writer]:
        return self._store.writing()

    def scrub(self) -> None:
        self._store.scrub()

    def fence(self, reason: str) -> None:
        self._store.fence(reason)

    def close(self) -> None:
        self._store.close()


def made_while(
    there: Place, target: Path, effect: Callable[[int], None], *, size: int = SIZE
) -> int:
    """Back up while something happens; how many moments it took."""
    with there.opened() as trail:
        store = Meanwhile(trail.store, effect)
        done = backup(source_of(trail)._replace(store=store), target, clock=there.clock)
    assert done.size == size
    return store.moments


@pytest.fixture
def there(tmp_path: Path) -> Place:
    made = place(tmp_path / "there")
    with made.opened() as trail:
        trail.record([event(made, at) for at in range(SIZE)])
        trail.publish()
    return made


def test_what_comes_meanwhile_is_not_part_of_it(there: Place, tmp_path: Path) -> None:
    def append(moment: int) -> None:
        if moment > 1:
            there.record(1, publish=moment % 2 == 0)

    moments = made_while(there, tmp_path / "b.tar", append)
    assert moments == MOMENTS
    done = restored(there, tmp_path / "b.tar", tmp_path)
    assert (done.report.exit_code, done.report.size, done.report.size_signed) == (0, SIZE, SIZE)
    with there.opened() as one, again(there, tmp_path).opened() as other:
        assert one.size() == SIZE + moments - 1
        assert list(one.entries(until=SIZE)) == list(other.entries())


@pytest.mark.parametrize("at", range(1, MOMENTS + 1))
def test_whoever_is_erased_meanwhile_is_in_neither_file(
    there: Place, tmp_path: Path, at: int
) -> None:
    names: list[str] = []

    def erase_once(moment: int) -> None:
        if moment == at:
            with there.opened() as trail:
                names.append(erase(there, trail, BOB))

    made_while(there, tmp_path / "b.tar", erase_once, size=SIZE + 1)
    subject = entry.unbase64url(names[0])
    for file in (tmp_path / "b.tar", keys_beside(tmp_path / "b.tar")):
        found = members(file)
        assert [name for name, octets in found.items() if subject in octets] == []
    done = restored(there, tmp_path / "b.tar", tmp_path)
    # Whether the erasure is signed depends on whether the backup began once more.
    assert (done.refilled.erased, done.refilled.unreadable) == (0, 0)
    with again(there, tmp_path).opened() as trail:
        trail.publish()
    report = again(there, tmp_path).verified()
    assert (report.exit_code, {one.state for one in report.found}) == (0, {"REDACTED"})


def test_erasures_without_end_leave_no_backup(there: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    def erase_always(_: int) -> None:
        with there.opened() as trail, trail.store.writing() as writer:
            writer.erase(b"nobody's subject")

    with pytest.raises(Busy, match="somebody was erased each of 10 times"):
        made_while(there, folder / "b.tar", erase_always)
    assert list(folder.iterdir()) == []


def test_a_backup_that_fails_in_any_moment_leaves_no_file(there: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    whole = made_while(there, tmp_path / "whole.tar", lambda _: None)

    def fail(at: int) -> Callable[[int], None]:
        def effect(moment: int) -> None:
            if moment == at:
                raise InterruptedError(f"moment {at}")

        return effect

    for at in range(1, whole + 1):
        with pytest.raises(InterruptedError, match=f"moment {at}$"):
            made_while(there, folder / "b.tar", fail(at))
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("which", ["b.tar", "b.tar.keys"])
def test_no_file_is_replaced(there: Place, tmp_path: Path, which: str) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / which).write_bytes(b"older")
    with pytest.raises(FileExistsError, match=which):
        backed_up(there, folder / "b.tar")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {which: b"older"}


def test_a_file_that_comes_meanwhile_is_not_replaced_and_no_keys_are_left(
    there: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    def come(_: int) -> None:
        (folder / "b.tar").write_bytes(b"somebody's")

    with pytest.raises(FileExistsError):
        made_while(there, folder / "b.tar", come)
    assert [path.name for path in folder.iterdir()] == ["b.tar"]
    assert (folder / "b.tar").read_bytes() == b"somebody's"


def test_both_files_are_their_owner_s_alone(there: Place, tmp_path: Path) -> None:
    backed_up(there, tmp_path / "b.tar")
    for file in (tmp_path / "b.tar", keys_beside(tmp_path / "b.tar")):
        assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_concealed_and_no_key_stands_in_a_backup(there: Place, tmp_path: Path) -> None:
    backed_up(there, tmp_path / "b.tar")
    with there.opened() as trail:
        secrets = trail.keyring.secrets
    wrapping = bytes.fromhex((there.home / "key").read_text())
    for file in (tmp_path / "b.tar", keys_beside(tmp_path / "b.tar")):
        for name, octets in members(file).items():
            for secret in (
                *secrets,
                wrapping,
                wrapping.hex().encode(),
                ALICE.encode(),
                b"reason 7",
            ):
                assert secret not in octets, name


def test_what_stands_in_files_that_others_keep(tmp_path: Path) -> None:
    """A later version has to read these names."""
    backed_up(rich(tmp_path / "there"), tmp_path / "b.tar")
    assert list(members(tmp_path / "b.tar")) == [
        "format", "policy", "state/0", "log/0", "checkpoints/0", "vault/disclosures/0",
        "vault/attachments/0", "backup.json", "seal",
    ]  # fmt: skip
    keys = members(keys_beside(tmp_path / "b.tar"))
    assert list(keys) == ["format", "secrets", "subjects/0", "backup.json", "seal"]
    assert members(tmp_path / "b.tar")["format"] == b"deploytrail-backup/1\n"
    assert keys["format"] == b"deploytrail-backup-keys/1\n"


def test_a_backup_of_a_restored_trail_is_the_same_again(tmp_path: Path) -> None:
    there = rich(tmp_path / "there")
    backed_up(there, tmp_path / "one.tar")
    restored(there, tmp_path / "one.tar", tmp_path)
    backed_up(again(there, tmp_path), tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_busy_publisher_does_not_keep_a_backup_from_being_made(
    there: Place, tmp_path: Path
) -> None:
    there.record(3, publish=False)

    def refuse() -> None:
        raise Busy("somebody publishes")

    with there.opened() as trail:
        source = source_of(trail)._replace(publish=refuse)
        done = backup(source, tmp_path / "b.tar", clock=there.clock)
    assert (done.size, done.size_signed) == (SIZE + 3, SIZE)


# A log that is not what it signed


def _changed_entry(there: Place) -> None:
    with doctored(there.home) as connection:
        ((data,),) = connection.execute("SELECT data FROM segment")
        connection.execute(
            "UPDATE segment SET data = ?", (data.replace(b'"success"', b'"failure"'),)
        )


def _changed_root(there: Place) -> None:
    with doctored(there.home) as connection:
        found = tree(connection)
        peaks = (b"\x00" * 32, *found.frontier.peaks[1:])
        set_tree(connection, found._replace(frontier=type(found.frontier)(found.size, peaks)))


CHANGED: dict[str, Callable[[Place], None]] = {
    "an entry": _changed_entry,
    "the tree's root": _changed_root,
}


@pytest.mark.parametrize("what", CHANGED)
@pytest.mark.parametrize("is_published", [True, False])
def test_a_log_that_was_changed_takes_the_place_of_no_sound_backup(
    there: Place, tmp_path: Path, what: str, is_published: bool
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    CHANGED[what](there)
    # By somebody who has seen nothing of it before.
    there = there._replace(environment=dict(elsewhere(tmp_path)))
    with there.opened() as trail:
        source = source_of(trail)
        source = source if is_published else source._replace(publish=lambda: None)
        with pytest.raises((Tampered, Fenced)):
            backup(source, folder / "b.tar", clock=there.clock)
    assert list(folder.iterdir()) == []


# Memory


def recorded_more(there: Place, trail: DirectoryTrail) -> None:
    for at in range(8):
        told = there.event(at)
        data = hashlib.shake_128(b"%d" % at).digest(2_000_000)
        trail.record([told], attachments={told.id: [Attachment(type="output", data=data)]})
    trail.record([there.event(at) for at in range(6_000)])


def test_memory_grows_neither_with_the_log_nor_with_attachments(tmp_path: Path) -> None:
    there = place(tmp_path / "there")
    peaks: list[int] = []
    sizes: list[int] = []

    def measure(*_: int) -> None:
        if tracemalloc.is_tracing():
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    for name in ("one", "two"):
        with there.opened() as trail:
            recorded_more(there, trail)
            tracemalloc.start()
            backup(source_of(trail), tmp_path / name, clock=there.clock)
        measure()
        sizes.append((tmp_path / name).stat().st_size)
        tracemalloc.start()
        # Until verifying begins, which has a test of its own.
        restored(there, tmp_path / name, tmp_path / f"of {name}", verifying=measure)
    assert sizes[1] - sizes[0] > 15_000_000
    backup_once, restore_once, backup_twice, restore_twice = peaks
    assert backup_twice - backup_once < 2_000_000
    assert restore_twice - restore_once < 2_000_000
