"""A backup from elsewhere is kept whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from msgspec import structs

from deploytrail.app.backups.backing_up import keys_beside
from deploytrail.app.backups.keeping import keep_backup
from deploytrail.errors import DeploytrailError, Unreachable
from deploytrail.trail import Backup
from tests.app.backed_up import backed_up, restored
from tests.app.places import Place, recorded


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return recorded(tmp_path / "there", 20)


@pytest.fixture
def made(there: Place, tmp_path: Path) -> Backup:
    folder = tmp_path / "made"
    folder.mkdir()
    return backed_up(there, folder / "backup.tar")


Write = Callable[[IO[bytes], IO[bytes]], Backup]


def copying(
    made: Backup, harm: Callable[[bytes], bytes] = bytes, said: Backup | None = None
) -> Write:
    """Writes what was made elsewhere, its log harmed on the way."""

    def write(log: IO[bytes], keys: IO[bytes]) -> Backup:
        log.write(harm(Path(made.file).read_bytes()))
        keys.write(Path(made.keys).read_bytes())
        return said or made

    return write


def test_both_files_are_those_that_came_and_restore(
    there: Place, made: Backup, tmp_path: Path
) -> None:
    target = tmp_path / "kept.tar"
    done = keep_backup(copying(made), target)
    assert (done.file, done.keys, done.size) == (str(target), f"{target}.keys", 20)
    for path, other in ((target, made.file), (keys_beside(target), made.keys)):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes() == Path(other).read_bytes()
    assert restored(there, target, tmp_path / "again").report.exit_code == 0


def _flipped(octets: bytes) -> bytes:
    # In a member: behind the head of the second one.
    at = 2_060
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


HARMED: dict[str, Callable[[bytes], bytes]] = {
    "it was cut off": lambda octets: octets[: len(octets) // 2],
    "its end is missing": lambda octets: octets.rstrip(b"\x00")[:-100],
    "nothing came": lambda _: b"",
    "a byte was changed": _flipped,
}


@pytest.mark.parametrize("reason", HARMED)
def test_what_is_not_whole_leaves_no_file(made: Backup, tmp_path: Path, reason: str) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    with pytest.raises(DeploytrailError, match=r"kept\.tar"):
        keep_backup(copying(made, HARMED[reason]), folder / "kept.tar")
    assert list(folder.iterdir()) == []


def test_what_says_to_be_another_leaves_no_file(made: Backup, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for said in (structs.replace(made, origin="another"), structs.replace(made, root="00")):
        with pytest.raises(DeploytrailError, match="expected a backup of"):
            keep_backup(copying(made, said=said), folder / "kept.tar")
    assert list(folder.iterdir()) == []


def test_a_server_that_goes_away_leaves_no_file(made: Backup, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()

    def write(log: IO[bytes], keys: IO[bytes]) -> Backup:
        copying(made)(log, keys)
        raise Unreachable("gone")

    with pytest.raises(Unreachable):
        keep_backup(write, folder / "kept.tar")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["kept.tar", "kept.tar.keys"])
def test_no_file_is_replaced(made: Backup, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError):
        keep_backup(copying(made), tmp_path / "kept.tar")
    assert (tmp_path / name).read_text() == "mine"
    assert [one.name for one in tmp_path.glob("kept*")] == [name]
