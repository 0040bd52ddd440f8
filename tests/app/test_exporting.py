"""An export is one file that verifies elsewhere, and nothing in it can be changed unnoticed."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from deploytrail.app.exporting import export, export_events
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.app.verifying import verify
from deploytrail.errors import DeploytrailError, Malformed
from deploytrail.report import Report
from deploytrail.trail import Shown
from tests.app.places import Place, recorded

Told = Callable[[int, int], None]


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return recorded(tmp_path_factory.mktemp("trail"), 600)


@pytest.fixture(scope="module")
def exported(trail: Place) -> Path:
    path = trail.home.parent / "trail.tar"
    with trail.opened() as opened:
        assert export(opened, path) == 600
    return path


def _verified(path: Path, state: Path) -> Report:
    return verify(path, disclosures=True, state=state, environment={})


def _rewritten(source: Path, target: Path, change: dict[str, bytes | None]) -> Path:
    """A copy of an export with some members changed, or dropped where None."""
    with tarfile.open(source) as old, tarfile.open(target, "w:") as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream is not None
            octets: bytes | None = stream.read()
            octets = change.get(member.name, octets)
            if octets is not None:
                member.size = len(octets)
                new.addfile(member, io.BytesIO(octets))
    return target


def _member(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        stream = tar.extractfile(name)
        assert stream is not None
        return stream.read()


EXPORTS: dict[str, Callable[[DirectoryTrail, Path, Told], int]] = {
    "proofs": lambda trail, path, told: export(trail, path, told=told),
    "events": lambda trail, path, told: export_events(trail, path, _entry_of, told=told),
}


def _entry_of(shown: Shown) -> bytes:
    return shown.entry


@pytest.mark.parametrize("how", EXPORTS)
def test_an_export_that_fails_half_way_leaves_no_file(
    trail: Place, tmp_path: Path, how: str
) -> None:
    def fail(done: int, total: int) -> None:
        if done > 300:
            raise InterruptedError(f"{done} of {total}")

    with trail.opened() as opened, pytest.raises(InterruptedError):
        EXPORTS[how](opened, tmp_path / "half", fail)
    assert list(tmp_path.iterdir()) == []


def test_events_are_exported_a_line_each(trail: Place, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with trail.opened() as opened:
        assert export_events(opened, path, _entry_of) == 600
        lines = [shown.entry for shown in opened.entries()]
        with pytest.raises(FileExistsError):
            export_events(opened, path, _entry_of)
    assert path.read_bytes().split(b"\n") == [*lines, b""]


def test_an_export_verifies_elsewhere(exported: Path, tmp_path: Path) -> None:
    report = _verified(exported, tmp_path)
    assert (report.exit_code, report.found, report.size) == (0, (), 600)
    assert report.key_from == "directory"
    assert report.disclosures == 1200


def test_an_export_has_the_paths_of_c2sp_and_says_its_format(
    trail: Place, exported: Path, tmp_path: Path
) -> None:
    """What stands here stands in files that others keep."""
    with tarfile.open(exported) as tar:
        assert tar.getnames() == [
            "format", "policy", "checkpoint",
            "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
            "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
            "disclosures.jsonl",
        ]  # fmt: skip
    assert _member(exported, "format") == b"deploytrail-export/1\n"
    with trail.opened() as opened:
        export(opened, tmp_path / "bare.tar", disclosures=False)
        assert _member(exported, "checkpoint") == opened.publish().note.encode()
    assert _member(tmp_path / "bare.tar", "format") == b"deploytrail-export/1 concealed\n"


def test_the_same_log_gives_the_same_bytes(trail: Place, exported: Path, tmp_path: Path) -> None:
    with trail.opened() as opened:
        export(opened, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == exported.read_bytes()


def test_an_existing_file_is_not_replaced(trail: Place, exported: Path) -> None:
    before = exported.read_bytes()
    with trail.opened() as opened, pytest.raises(FileExistsError):
        export(opened, exported)
    assert exported.read_bytes() == before
    assert not list(exported.parent.glob("*.new"))


def test_the_files_beside_it_stay_as_they_were(
    trail: Place, exported: Path, tmp_path: Path
) -> None:
    beside = {"trail.tar.new": b"mine", "trail.tar~": b"older", ".trail.tar": b"hidden"}
    for name, octets in beside.items():
        (tmp_path / name).write_bytes(octets)
    target = tmp_path / "trail.tar"
    with trail.opened() as opened:
        export(opened, target)
    assert target.stat().st_mode & 0o777 == 0o600
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == beside | {"trail.tar": exported.read_bytes()}


def test_a_link_to_nowhere_is_a_file_that_stands_there(trail: Place, tmp_path: Path) -> None:
    target = tmp_path / "trail.tar"
    target.symlink_to(tmp_path / "nowhere")
    with trail.opened() as opened, pytest.raises(FileExistsError, match=r"trail\.tar"):
        export(opened, target)
    assert [path.name for path in tmp_path.iterdir()] == ["trail.tar"]


def test_an_export_holds_little_of_the_disclosures_in_memory(tmp_path: Path) -> None:
    """Not all of them, whatever the log's size: they are put aside in a file."""
    there = recorded(tmp_path, 512)

    def peak() -> int:
        with there.opened() as opened:
            tracemalloc.start()
            export(opened, tmp_path / f"{opened.size()}.tar")
            held = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return held

    few = peak()
    there.record(4096)
    grown = peak() - few
    # What is held grows by a digest for each, and not by the lines themselves.
    assert grown < len(_member(tmp_path / "4608.tar", "disclosures.jsonl"))


def test_an_export_without_disclosures_says_that_they_are_withheld(
    trail: Place, tmp_path: Path
) -> None:
    with trail.opened() as opened:
        export(opened, tmp_path / "bare.tar", disclosures=False)
    report = _verified(tmp_path / "bare.tar", tmp_path / "state")
    assert report.exit_code == 0
    assert {one.state for one in report.found} == {"WITHHELD"}


def test_nothing_concealed_stands_in_the_entries_of_an_export(exported: Path) -> None:
    assert b"github:alice" not in _member(exported, "tile/entries/000")
    assert b"github:alice" not in _member(exported, "tile/entries/002.p/88")


@pytest.mark.parametrize(
    "name",
    ["checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001",
     "tile/entries/002.p/88", "disclosures.jsonl", "policy", "format"],
)  # fmt: skip
def test_a_changed_byte_in_any_member_is_found(name: str, exported: Path, tmp_path: Path) -> None:
    octets = _member(exported, name)
    for at in range(0, len(octets), max(1, len(octets) // 7)):
        changed = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
        copy = _rewritten(exported, tmp_path / f"{at}.tar", {name: changed})
        try:
            report = _verified(copy, tmp_path / f"state{at}")
        except DeploytrailError:
            continue
        # Of a cosignature by an unknown key nothing is believed, and that nothing is told.
        assert report.exit_code != 0 or report.cosigned is None, (name, at)


@pytest.mark.parametrize("name", ["tile/0/000", "tile/entries/001", "tile/entries/002.p/88"])
def test_a_member_that_is_gone_is_found(name: str, exported: Path, tmp_path: Path) -> None:
    copy = _rewritten(exported, tmp_path / "gone.tar", {name: None})
    assert _verified(copy, tmp_path / "state").exit_code != 0


def test_a_truncated_export_is_found(exported: Path, tmp_path: Path) -> None:
    whole = exported.read_bytes().rstrip(b"\0")
    for length in range(0, len(whole), len(whole) // 23):
        part = tmp_path / "part.tar"
        part.write_bytes(whole[:length])
        try:
            assert _verified(part, tmp_path / "state").exit_code != 0, length
        except DeploytrailError:
            continue


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("not a tar at all")
    with pytest.raises(Malformed, match="expected a trail's directory or export"):
        _verified(tmp_path / "x.tar", tmp_path)
