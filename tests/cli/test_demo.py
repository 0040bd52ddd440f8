"""`make demo`: what a stranger sees first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, tool

TOOLS = ("bash", "sh", "env", "mkdir", "rm", "cat", "cut", "grep", "cp", "chmod", "basename")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH without terraform."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in (*TOOLS, "dirname"):
        (folder / name).symlink_to(tool(name))
    return folder


@pytest.mark.parametrize("has_terraform", [False, True])
def test_it_ends_well_without_a_terminal(has_terraform: bool, path: Path, tmp_path: Path) -> None:
    if has_terraform:
        (path / "terraform").symlink_to(tool("terraform"))
    place = tmp_path / "demo"
    home = tmp_path / "home"
    home.mkdir()
    environ = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}", "HOME": str(home)}
    environ["PYTHONPATH"] = str(ROOT / "src")
    # What an earlier, interrupted one left behind is no obstacle.
    (place / "trail").mkdir(parents=True)
    (place / "trail" / "log.db").write_text("half a file")
    done = subprocess.run(
        [str(ROOT / "tools" / "demo"), str(place)],
        env=environ,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("stand-in" in done.stdout) is not has_terraform
    for word in ("c2sp.org/tlog-proof", "TAMPERED", "CORRUPT", "INCOMPLETE", "Done."):
        assert word in done.stdout
    assert [each.name for each in home.iterdir() if each.name != ".terraform.d"] == []
