"""What is put back is what was signed: whoever can seal a backup can still change no entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.app.backups.backing_up import SignedNote, keys_beside
from deploytrail.app.backups.backup_file import LOG_FORMAT, BackupFile, BackupWriter, Standing
from deploytrail.app.backups.refilling import Opened, open_keys, open_log, opened, refill
from deploytrail.errors import Conflict, DeploytrailError, Malformed, Tampered
from deploytrail.log.merkle import Frontier, leaf_hashes
from deploytrail.log.tiles import decode_bundle, encode_bundle
from deploytrail.stores.sqlite.database import Guard
from deploytrail.stores.sqlite.keys import SqliteKeyring
from deploytrail.stores.sqlite.log import SqliteLog
from deploytrail.vault import keys
from tests.app.backed_up import backed_up
from tests.app.places import Place, place
from tests.verified import verified

SIZE = 400


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory.mktemp("there"))
    made.record(300)
    made.record(SIZE - 300)
    return made


@pytest.fixture(scope="module")
def file(there: Place) -> Path:
    path = there.home.parent / "b.tar"
    backed_up(there, path)
    return path


class Parts:
    """What a backup of this log holds, for a test to change before it is sealed again."""

    def __init__(self, found: BackupFile) -> None:
        self.entries = [
            octets for name in found.names("log") for octets in decode_bundle(found.read(name))
        ]
        self.checkpoints = [row for rows in found.rows("checkpoints", SignedNote) for row in rows]
        standing = found.manifest.standing
        assert standing is not None
        self.standing: Standing | None = standing
        self.others = {name: found.read(name) for name in ("policy", "vault/disclosures/0")}
        self.some = 256

    def stand(self, **fields: Any) -> None:
        assert self.standing is not None
        self.standing = msgspec.structs.replace(self.standing, **fields)

    def stand_by_entries(self) -> None:
        """As if these had been the entries."""
        frontier = Frontier.empty().append(leaf_hashes(self.entries)).frontier
        self.stand(size=frontier.size, root=frontier.root().hex())


@contextmanager
def resealed(
    there: Place, file: Path, target: Path, change: Callable[[Parts], None]
) -> Iterator[Opened]:
    """The backup as one makes it who has the trail's key, but changes what it holds."""
    wrapping = keys.wrapping_key((there.home / "key").read_bytes(), whence="key")
    with open_log(file) as log, open_keys(keys_beside(file)) as secret:
        sound = opened(log, secret, wrapping)
        parts = Parts(log)
        change(parts)
        with target.open("wb") as stream:
            writer = BackupWriter(stream, LOG_FORMAT)
            for name, octets in parts.others.items():
                writer.put(name, octets)
            for first in range(0, len(parts.entries), parts.some):
                some = parts.entries[first : first + parts.some]
                writer.put(f"log/{first}", encode_bundle(some))
            writer.put("checkpoints/0", msgspec.msgpack.encode(parts.checkpoints))
            said = log.manifest
            writer.end(
                keys.backup_key(sound.secrets),
                origin=said.origin,
                made=said.made,
                counts=said.counts,
                standing=parts.standing,
            )
        with open_log(target) as made:
            yield opened(made, secret, wrapping)


@contextmanager
def empty(backup: Opened, there: Place, directory: Path) -> Iterator[tuple[SqliteLog, Any]]:
    """A store and a keyring that have nothing but the origin and the secrets."""
    directory.mkdir()
    wrapping = keys.wrapping_key((there.home / "key").read_bytes(), whence="key")
    path = directory / "keys.db"
    SqliteKeyring.create(path, backup.secrets, there.clock, wrapping_key=wrapping)
    SqliteLog.create(directory / "log.db", backup.origin)
    guard = Guard(directory)
    store = SqliteLog(directory / "log.db", guard, there.clock)
    keyring = SqliteKeyring(path, guard, there.clock, wrapping_key=wrapping)
    guard.settle(store, keyring)
    yield store, keyring
    store.close()
    keyring.close()
    guard.close()


def _nothing(_: Parts) -> None:
    """As it was."""


def _in_large_chunks(parts: Parts) -> None:
    parts.some = 2560


@pytest.mark.parametrize("change", [_nothing, _in_large_chunks])
def test_what_was_signed_is_put_back(
    there: Place, file: Path, tmp_path: Path, change: Callable[[Parts], None]
) -> None:
    with (
        resealed(there, file, tmp_path / "made", change) as backup,
        empty(backup, there, tmp_path / "home") as (store, keyring),
    ):
        told: list[tuple[int, int]] = []
        found = refill(backup, store, keyring, told=lambda *each: told.append(each))
        assert (found.size, found.checkpoints) == (SIZE, 2)
        assert len(verified(store)) == SIZE
        assert told[-1] == (SIZE, SIZE)
        with store.reading() as reader:
            assert [size for size, _ in reader.notes(count=9)] == [300, SIZE]
            assert len(reader.cosignatures(SIZE)) == 1


def _another_entry(parts: Parts) -> None:
    parts.entries[7] = parts.entries[7].replace(b'"success"', b'"failure"')


def _another_entry_and_root(parts: Parts) -> None:
    _another_entry(parts)
    parts.stand_by_entries()


def _an_unsigned_entry(parts: Parts) -> None:
    parts.checkpoints.pop()
    parts.entries[350] = parts.entries[350].replace(b'"success"', b'"failure"')


def _an_entry_less(parts: Parts) -> None:
    parts.entries.pop()


def _an_entry_less_and_said_so(parts: Parts) -> None:
    parts.entries.pop()
    parts.stand_by_entries()


def _half_a_bundle(parts: Parts) -> None:
    parts.some = 100


def _a_note_of_another_size(parts: Parts) -> None:
    parts.checkpoints[0] = parts.checkpoints[0]._replace(size=299)


def _a_note_that_is_not_ours(parts: Parts) -> None:
    text, blank, lines = parts.checkpoints[0].note.partition(b"\n\n")
    strange = lines.replace(b"deploytrail.local", b"mallory.org", 1)
    parts.checkpoints[0] = parts.checkpoints[0]._replace(note=text + blank + strange)


def _a_signature_that_is_wrong(parts: Parts) -> None:
    parts.checkpoints[1] = parts.checkpoints[1]._replace(note=_flipped(parts.checkpoints[1].note))


def _a_cosignature_that_is_wrong(parts: Parts) -> None:
    (line,) = parts.checkpoints[1].lines
    parts.checkpoints[1] = parts.checkpoints[1]._replace(lines=[_flipped(line)])


def _flipped(octets: bytes) -> bytes:
    return octets[:-20] + (b"A" if octets[-20:-19] != b"A" else b"B") + octets[-19:]


def _nowhere(parts: Parts) -> None:
    parts.standing = None


NOT_SIGNED = "is not what was logged and signed"
CHANGED: dict[str, tuple[Callable[[Parts], None], type[DeploytrailError], str]] = {
    "another entry": (_another_entry, Tampered, "give the checkpoint of size 300"),
    "and another root": (_another_entry_and_root, Tampered, "give the checkpoint of size 300"),
    "an entry that is not signed": (_an_unsigned_entry, Tampered, "root that it had at size 400"),
    "an entry less": (_an_entry_less, Tampered, NOT_SIGNED),
    "an entry less, said so": (_an_entry_less_and_said_so, Tampered, "logged at another time"),
    "entries that begin within a bundle": (_half_a_bundle, Tampered, "where no bundle ends"),
    "another time": (lambda parts: parts.stand(logged=5), Tampered, "logged at another time"),
    "a note of another size": (_a_note_of_another_size, Tampered, "checkpoint of size 299"),
    "a note that is not ours": (_a_note_that_is_not_ours, Tampered, "its own key did not sign"),
    "a signature that is wrong": (_a_signature_that_is_wrong, Tampered, "signature"),
    "a cosignature that is wrong": (_a_cosignature_that_is_wrong, Tampered, "signature"),
    "no word of how far it goes": (_nowhere, Malformed, "expected how far its log goes"),
}


@pytest.mark.parametrize("reason", CHANGED)
def test_what_was_not_signed_is_refused(
    there: Place, file: Path, tmp_path: Path, reason: str
) -> None:
    change, kind, said = CHANGED[reason]
    with (
        pytest.raises(kind, match=said),
        resealed(there, file, tmp_path / "made", change) as backup,
        empty(backup, there, tmp_path / "home") as (store, keyring),
    ):
        refill(backup, store, keyring)


def test_a_trail_that_has_something_already_is_not_filled(
    there: Place, file: Path, tmp_path: Path
) -> None:
    with (
        resealed(there, file, tmp_path / "made", _nothing) as backup,
        empty(backup, there, tmp_path / "home") as (store, keyring),
    ):
        refill(backup, store, keyring)
        with pytest.raises(Conflict, match="expected an empty trail, found 400 entries"):
            refill(backup, store, keyring)
        assert len(verified(store)) == SIZE
