"""A file is there whole or not at all, and takes nobody's place, whatever the disk can do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploytrail.stores.files import whole_file
from tests.conftest import ROOT, tool

WRITING = """
import sys
from pathlib import Path
from deploytrail.stores.files import whole_file

path = Path(sys.argv[1])
with whole_file(path) as stream:
    stream.write(b"whole")
    if len(sys.argv) > 2:
        path.write_bytes(b"meanwhile")
"""


@pytest.mark.parametrize("error", ["EPERM", "EOPNOTSUPP"])
def test_a_disk_that_knows_no_links_gets_the_file_too(tmp_path: Path, error: str) -> None:
    done = _on_a_disk_without_links(tmp_path, error)
    assert (done.returncode, _files(tmp_path)) == (0, {"target": b"whole"}), done.stderr


def test_a_file_that_came_meanwhile_stays_there_too(tmp_path: Path) -> None:
    done = _on_a_disk_without_links(tmp_path, "EPERM", "meanwhile")
    assert "FileExistsError" in done.stderr
    assert _files(tmp_path) == {"target": b"meanwhile"}


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(FileExistsError), whole_file(target):
        target.write_bytes(b"meanwhile")
    assert _files(tmp_path) == {"target": b"meanwhile"}


def test_a_folder_that_is_not_there_is_told_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "target"
    with pytest.raises(FileNotFoundError, match=r"nowhere/target'$"), whole_file(target):
        raise AssertionError("is never entered")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _on_a_disk_without_links(
    folder: Path, error: str, *meanwhile: str
) -> subprocess.CompletedProcess[str]:
    """A writer whose links are refused by the kernel, as on FAT."""
    calls = "link,linkat"
    faults = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}", "-o", os.devnull]
    return subprocess.run(
        [tool("strace"), *faults, sys.executable, "-c", WRITING, folder / "target", *meanwhile],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
