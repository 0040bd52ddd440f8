"""Mallory hands over an export: what she changed is found, what she claims is not believed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.exporting import export
from deploytrail.app.verifying import verify
from deploytrail.errors import Malformed
from deploytrail.log import checkpoint, note, policy
from deploytrail.log.note import COSIGNATURE_V1, Signer
from deploytrail.report import Report
from tests.app.places import Place, recorded

COUNT = 300


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return recorded(tmp_path_factory.mktemp("original"), COUNT)


def states(report: Report) -> set[str]:
    return {found.state for found in report.found}


def test_nobody_witnesses_a_log_by_its_own_word(exported: Path, tmp_path: Path) -> None:
    own = policy.decode(dict(members(exported))["policy"])
    (name,) = own.witnesses
    renamed = policy.Policy(own.logs, {b"bob": own.witnesses[name]}, {}, b"bob")
    for claim in (own.__class__(own.logs, own.witnesses, {}, name), renamed):
        octets = policy.encode(claim)
        path = written(tmp_path / "x.tar", replaced(members(exported), "policy", octets))
        given = tmp_path / "policy"
        given.write_bytes(octets)
        # The second look finds a policy that was kept at the first.
        for _ in range(2):
            report = verify(path, state=tmp_path / "state", environment={})
            assert (report.exit_code, report.anchoring) == (0, "UNANCHORED")
        report = verify(path, policy=given, state=tmp_path / "none", environment={})
        assert (report.exit_code, report.anchoring, report.witnesses) == (0, "UNANCHORED", ())


def test_a_witness_that_came_with_the_log_is_nobody_s(exported: Path, tmp_path: Path) -> None:
    """Mallory names a witness of her own making, has it cosign, and asks for its signature."""
    bob = Signer("bob.example/witness", b"b" * 32, COSIGNATURE_V1)
    head = dict(members(exported))
    own = policy.decode(head["policy"])
    asked = policy.encode(policy.Policy(own.logs, {b"bob": policy.Witness(bob.key)}, {}, b"bob"))
    line = checkpoint.cosign(note.decode(head["checkpoint"]).text, bob, 1_800_000_000)
    files = replaced(members(exported), "policy", asked)
    cosigned = head["checkpoint"] + note.encode_signature(line).encode()
    path = written(tmp_path / "x.tar", replaced(files, "checkpoint", cosigned))
    # The second look finds what was kept at the first: her keys, and not whom she asks for.
    for key_from in ("directory", "state"):
        report = verify(path, state=tmp_path / "state", environment={})
        assert (report.exit_code, report.key_from) == (0, key_from)
        assert report.anchoring == "UNANCHORED"
    given = tmp_path / "policy"
    given.write_bytes(asked)
    report = verify(path, policy=given, state=tmp_path / "none", environment={})
    assert (report.exit_code, report.anchoring, report.witnesses) == (0, "WITNESSED", ("bob",))


def test_another_log_s_policy_is_unmet_and_no_tampering(exported: Path, tmp_path: Path) -> None:
    own = policy.decode(dict(members(exported))["policy"])
    mallory = Signer(own.logs[0].key.name, b"m" * 32).key
    given = tmp_path / "policy"
    given.write_bytes(policy.encode(policy.Policy((policy.Log(mallory),), {}, {}, b"none")))
    report = verify(exported, policy=given, state=tmp_path / "state", environment={})
    assert (report.exit_code, report.found) == (4, ())
    assert mallory.id.hex() in report.why
    assert "every checkpoint's signature and root" not in report.checked


@pytest.mark.parametrize("name", ["checkpoint", "policy"])
def test_a_damaged_head_of_an_export_is_tampering(
    exported: Path, tmp_path: Path, name: str
) -> None:
    octets = bytearray(dict(members(exported))[name])
    octets[octets.index(b"deploytrail.local") + 1] ^= 1
    path = written(tmp_path / "x.tar", replaced(members(exported), name, bytes(octets)))
    assert verify(path, state=tmp_path / "state", environment={}).exit_code in {1, 4}
    path = written(tmp_path / "y.tar", replaced(members(exported), name, b"nonsense"))
    assert verify(path, state=tmp_path / "state", environment={}).exit_code == 1


@pytest.fixture(scope="module")
def exported(original: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "trail.tar"
    with original.opened() as opened:
        export(opened, path)
    return path


def members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        return [(each.name, read(tar, each)) for each in tar]


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()


def written(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:") as tar:
        for name, octets in files:
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            tar.addfile(member, io.BytesIO(octets))
    return path


def replaced(files: list[tuple[str, bytes]], name: str, octets: bytes | None) -> list[Any]:
    changed = ((each, octets if each == name else old) for each, old in files)
    return [(each, value) for each, value in changed if value is not None]


EXPORTS: dict[str, tuple[Callable[[list[tuple[str, bytes]]], list[Any]], int, str]] = {
    "a member twice, the first one forged": (
        lambda files: [("tile/entries/000", b"forged"), *files],
        1,
        "found it twice",
    ),
    "an entry bundle far away": (
        lambda files: [*files, ("tile/entries/x100/x000/000", b"")],
        1,
        "not part of an export",
    ),
    "a bundle wider than the checkpoint": (
        lambda files: [*files, ("tile/entries/001.p/45", b"")],
        1,
        "not part of an export",
    ),
    "its disclosures gone": (
        lambda files: replaced(files, "disclosures.jsonl", None),
        3,
        "its disclosure is not there",
    ),
    "its disclosures emptied": (
        lambda files: replaced(files, "disclosures.jsonl", b""),
        3,
        "its disclosure is not there",
    ),
    "disclosures that are no text": (
        lambda files: replaced(files, "disclosures.jsonl", b'["\xff","a"]\n'),
        1,
        "expected [digest, disclosure]",
    ),
    "disclosures without end": (
        lambda files: replaced(files, "disclosures.jsonl", b"[" * 100_000),
        1,
        "expected [digest, disclosure]",
    ),
    "a partial tile gone": (
        lambda files: replaced(files, "tile/0/001.p/44", None),
        3,
        "tile 0/1",
    ),
    "a tile of a megabyte": (
        lambda files: replaced(files, "tile/0/000", bytes(1 << 20)),
        1,
        "expected at most 8192 bytes",
    ),
}


@pytest.mark.parametrize("what", EXPORTS)
def test_a_doctored_export_is_found(exported: Path, tmp_path: Path, what: str) -> None:
    change, code, message = EXPORTS[what]
    path = written(tmp_path / "x.tar", change(members(exported)))
    report = verify(path, disclosures=True, state=tmp_path, environment={})
    assert report.exit_code == code, report.found[:3]
    assert any(message in found.what for found in report.found), report.found[:3]


def test_an_export_that_says_so_withholds(original: Place, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with original.opened() as opened:
        export(opened, path, disclosures=False)
    report = verify(path, disclosures=True, state=tmp_path, environment={})
    assert (report.exit_code, states(report)) == (0, {"WITHHELD"})


@pytest.mark.parametrize("name", ["checkpoint", "policy", "format"])
def test_a_sparse_or_linked_member_is_no_part_of_an_export(
    exported: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w:") as tar:
        for each, octets in members(exported):
            member = tarfile.TarInfo(each)
            member.size = len(octets)
            if each == name:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
            tar.addfile(member, io.BytesIO(octets))
    with pytest.raises(Malformed, match="expected"):
        verify(path, state=tmp_path, environment={})
