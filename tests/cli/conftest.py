"""What every test of a verb may ask for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.program import Program

EVENTS = """\
{"action": "deployment.started", "outcome": "pending", "where": {"environment": "prod"}}
{"action": "deployment.succeeded", "where": {"environment": "prod", "unit": "network"}}
{"action": "code.pushed", "actor": {"type": "user", "id": "x:a", "name": "Al\\u202eice\\u001b[2J"}}
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trail of three events."""
    folder = tmp_path_factory.mktemp("recorded")
    done = Program(folder)("record", "--json", "-", input=EVENTS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def recorded(recorded_once: Path, tmp_path: Path) -> Program:
    """The program, with a copy of that trail."""
    folder = tmp_path / "copy"
    shutil.copytree(recorded_once, folder)
    return Program(folder)
