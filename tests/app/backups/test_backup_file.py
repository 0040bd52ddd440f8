"""The files of a backup: a byte that is not as it was is found, or changes nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from deploytrail.app.backups.backing_up import keys_beside
from deploytrail.app.backups.backup_file import (
    CHUNK_BYTES,
    KEYS_FORMAT,
    LOG_FORMAT,
    BackupFile,
    BackupWriter,
)
from deploytrail.app.backups.refilling import open_keys, open_log, opened
from deploytrail.errors import DeploytrailError, Incomplete, Malformed, NotFound, Tampered
from deploytrail.log.store import StateRow, VaultRow
from deploytrail.vault import keys
from tests.app.backed_up import backed_up, members
from tests.app.places import Place, recorded

KEY = b"k" * 32
ROWS = [VaultRow(bytes([at]) * 28, bytes(1_000_000)) for at in range(11)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return recorded(tmp_path_factory.mktemp("there"), 12)


@pytest.fixture(scope="module")
def file(there: Place) -> Path:
    path = there.home.parent / "b.tar"
    backed_up(there, path)
    return path


def read(there: Place, log: Path, secret: Path) -> list[bytes]:
    """Everything that a restore reads, in its order."""
    wrapping = keys.wrapping_key((there.home / "key").read_bytes(), whence="key")
    with open_log(log) as one, open_keys(secret) as other:
        opened(one, other, wrapping)
        return [each.read(member.name) for each in (one, other) for member in each.manifest.members]


FILES: dict[str, Callable[[Path, Path], tuple[Path, Path]]] = {
    "the log": lambda log, changed: (changed, keys_beside(log)),
    "the keys": lambda log, changed: (log, changed),
}


@pytest.mark.parametrize("which", FILES)
def test_a_flipped_bit_is_refused_or_changes_nothing(
    there: Place, file: Path, tmp_path: Path, which: str
) -> None:
    whole = read(there, file, keys_beside(file))
    changed = tmp_path / "changed"
    octets = (file if which == "the log" else keys_beside(file)).read_bytes()
    refused = 0
    for at in range(0, len(octets), 5):
        flipped = bytes([octets[at] ^ 1 << at % 8])
        changed.write_bytes(octets[:at] + flipped + octets[at + 1 :])
        try:
            assert read(there, *FILES[which](file, changed)) == whole, at
        except DeploytrailError as error:
            refused += str(changed) in str(error)
    # What lies between members, and behind the last one, says nothing.
    unread = sum(octets[at] == 0 for at in range(0, len(octets), 5))
    assert refused > len(range(0, len(octets), 5)) - unread


@pytest.mark.parametrize("which", FILES)
def test_a_file_that_is_cut_off_anywhere_is_refused(
    there: Place, file: Path, tmp_path: Path, which: str
) -> None:
    changed = tmp_path / "changed"
    octets = (file if which == "the log" else keys_beside(file)).read_bytes().rstrip(b"\x00")
    for length in range(0, len(octets), 7):
        changed.write_bytes(octets[:length])
        with pytest.raises((Malformed, Incomplete), match="changed"):
            read(there, *FILES[which](file, changed))


def rewritten(file: Path, target: Path, change: dict[str, bytes | None]) -> Path:
    """With members that were changed, dropped where None, or added at the end."""
    with tarfile.open(file) as old, tarfile.open(target, "w:") as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream is not None
            octets = change.pop(member.name, stream.read())
            if octets is not None:
                member.size = len(octets)
                new.addfile(member, io.BytesIO(octets))
        for name, added in change.items():
            info = tarfile.TarInfo(name)
            info.size = len(added or b"")
            new.addfile(info, io.BytesIO(added or b""))
    return target


def manifest_of(file: Path) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(members(file)["backup.json"])
    return found


def _said(file: Path, **fields: object) -> dict[str, bytes | None]:
    return {"backup.json": msgspec.json.encode(manifest_of(file) | fields)}


CHANGED: dict[str, tuple[Callable[[Path], dict[str, bytes | None]], str]] = {
    "another origin": (lambda file: _said(file, origin="mallory.org/1"), "expected the keys of"),
    "another time": (lambda file: _said(file, made="2020"), "seal: not what this trail sealed"),
    "no seal": (lambda _: {"seal": None}, "expected the member seal at its end"),
    "an empty seal": (lambda _: {"seal": b""}, "seal: not what this trail sealed"),
    "no manifest": (lambda _: {"backup.json": None}, "expected the member backup.json"),
    "a manifest that is none": (lambda _: {"backup.json": b"{}"}, "backup.json: its bytes are not"),
    "a field too many": (lambda file: _said(file, more=1), "backup.json: its bytes are not"),
    "a member gone": (lambda _: {"log/0": None}, r"log/0: expected \d+ bytes.*found none"),
    "a member too many": (lambda _: {"log/9": b"x"}, "log/9: expected no bytes.*found 1"),
    "a member that is empty": (lambda _: {"log/0": b""}, r"log/0: expected \d+ bytes.*found 0"),
    "another format": (lambda _: {"format": b"deploytrail-backup/2\n"}, "expected the format"),
    "no format": (lambda _: {"format": None}, "expected the format .*, found b''"),
}


@pytest.mark.parametrize("reason", CHANGED)
def test_a_member_that_is_not_what_was_sealed_is_named(
    there: Place, file: Path, tmp_path: Path, reason: str
) -> None:
    change, said = CHANGED[reason]
    changed = rewritten(file, tmp_path / "changed", change(file))
    with pytest.raises(DeploytrailError, match=said):
        read(there, changed, keys_beside(file))


def test_a_member_s_changed_bytes_are_told_by_its_name(
    there: Place, file: Path, tmp_path: Path
) -> None:
    with tarfile.open(file) as tar:
        stream = tar.extractfile("vault/disclosures/0")
        assert stream is not None
        octets = stream.read()
    changed = rewritten(file, tmp_path / "c", {"vault/disclosures/0": octets[:-1] + b"?"})
    with pytest.raises(Tampered, match="vault/disclosures/0: its bytes are not those"):
        read(there, changed, keys_beside(file))


def test_a_manifest_that_somebody_else_made_is_refused(
    there: Place, file: Path, tmp_path: Path
) -> None:
    """Mallory may write where backups lie, and tells the right digests of her members."""
    made = tmp_path / "made"
    with made.open("wb") as stream:
        writer = BackupWriter(stream, LOG_FORMAT)
        writer.put("state/0", msgspec.msgpack.encode([StateRow("token", "mallory", b"admin")]))
        found = manifest_of(file)
        writer.end(KEY, origin=str(found["origin"]), made=str(found["made"]), counts={})
    with pytest.raises(Tampered, match="seal: not what this trail sealed"):
        read(there, made, keys_beside(file))


def test_the_seal_of_one_file_does_not_fit_the_other(tmp_path: Path) -> None:
    for name, format in (("log", LOG_FORMAT), ("keys", KEYS_FORMAT)):
        with (tmp_path / name).open("wb") as stream:
            BackupWriter(stream, format).end(KEY, origin="o", made="m", counts={})
    seal = members(tmp_path / "log")["seal"]
    changed = rewritten(tmp_path / "keys", tmp_path / "changed", {"seal": seal})
    with BackupFile(tmp_path / "keys", KEYS_FORMAT) as sound:
        sound.refuse_unsealed(KEY)
    with BackupFile(changed, KEYS_FORMAT) as found, pytest.raises(Tampered, match="seal"):
        found.refuse_unsealed(KEY)


def test_many_rows_are_cut_into_members_that_fit_into_memory(tmp_path: Path) -> None:
    def page(last: VaultRow | None) -> list[VaultRow]:
        start = 0 if last is None else ROWS.index(last) + 1
        return ROWS[start : start + 2]

    with (tmp_path / "made").open("wb") as stream:
        writer = BackupWriter(stream, LOG_FORMAT)
        assert writer.put_rows("rows", page, lambda row: len(row.sealed)) == len(ROWS)
        assert writer.put_rows("none", lambda _: list[VaultRow](), lambda _: 1) == 0
        writer.end(KEY, origin="o", made="m", counts={})
    with BackupFile(tmp_path / "made", LOG_FORMAT) as found:
        chunks = list(found.rows("rows", VaultRow))
        assert list(found.names("rows")) == ["rows/0", "rows/1"]
        assert list(found.names("none")) == []
    assert [row for chunk in chunks for row in chunk] == ROWS
    assert all(len(chunk) * 1_000_000 < CHUNK_BYTES + 2_000_001 for chunk in chunks)


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "made").open("wb") as stream:
        writer = BackupWriter(stream, LOG_FORMAT)
        writer.put("rows/0", msgspec.msgpack.encode([["text", b"bytes"]]))
        writer.put("rows/1", b"\xc1")
        writer.end(KEY, origin="o", made="m", counts={})
    with (
        BackupFile(tmp_path / "made", LOG_FORMAT) as found,
        pytest.raises(Malformed, match="rows/0: expected rows of a known kind"),
    ):
        list(found.rows("rows", VaultRow))


def _link(path: Path) -> None:
    with tarfile.open(path, "w:") as tar:
        info = tarfile.TarInfo("format")
        info.type = tarfile.SYMTYPE
        info.linkname = "elsewhere"
        tar.addfile(info)


def _twice(path: Path) -> None:
    with tarfile.open(path, "w:") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("format"))


FOREIGN: dict[str, tuple[Callable[[Path], object], type[DeploytrailError]]] = {
    "text": (lambda path: path.write_text("not a tar at all"), Malformed),
    "nothing": (lambda path: path.write_bytes(b""), Malformed),
    "zeros": (lambda path: path.write_bytes(bytes(20_480)), Malformed),
    "another tar": (lambda path: tarfile.open(path, "w:").close(), Malformed),
    "a directory": (lambda path: path.mkdir(), Malformed),
    "a link in it": (_link, Tampered),
    "a member twice": (_twice, Tampered),
    "no file": (lambda path: path.with_name("other").write_text(""), NotFound),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_another_file_is_told(tmp_path: Path, kind: str) -> None:
    make, expected = FOREIGN[kind]
    make(tmp_path / "foreign")
    with pytest.raises(expected, match="foreign"):
        BackupFile(tmp_path / "foreign", LOG_FORMAT)
