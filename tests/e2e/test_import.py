"""What was delivered live is known when its history is imported over the same connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.e2e.test_connections import RUN, added, deliver
from tests.web.running import Running, running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    found = Program(tmp_path)
    assert found("init").returncode == 0
    return found


@pytest.fixture
def server(program: Program) -> Iterator[Running]:
    with running(program.home) as found:
        yield found


def test_what_came_live_is_known_in_an_import(program: Program, server: Running) -> None:
    secret = added(program, server)
    assert deliver(server, "tfc-acme", secret) == 200
    file = program.folder / "run.json"
    file.write_bytes(json.dumps(RUN).encode())
    done = program("import", "--connection", "tfc-acme", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{file}: 0 new events, ")
    assert done.stdout.endswith(" that stood there\n")
    alone = program("import", "--source", "hcp-terraform", file)
    assert "that stood there" not in alone.stdout
    assert not alone.stdout.startswith(f"{file}: 0 new events")
