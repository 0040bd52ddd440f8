"""`deploytrail doctor --url https://…`: what can be seen of a server from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.web.running import Running, running


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def server(program: Program) -> Iterator[Running]:
    with running(program.home) as found:
        program.environ |= {"DEPLOYTRAIL_URL": found.url, "DEPLOYTRAIL_TOKEN": found.token}
        # Somebody else, who has seen nothing yet.
        program.environ["XDG_STATE_HOME"] = str(program.folder / "elsewhere")
        del program.environ["DEPLOYTRAIL_HOME"]
        yield found


@pytest.mark.usefixtures("server")
def test_a_server_is_examined_from_where_its_clients_are(program: Program) -> None:
    receipt = program.json("record", "deployment.succeeded")
    assert program("proof", "--index", str(receipt["index"])).returncode == 0
    first = {one["what"]: one for one in program.lines("doctor", "--json")}
    assert {"server", "token", "signed", "checkpoint", "version"} <= first.keys()
    assert first["checkpoint"]["state"] == "note"
    assert first["version"]["state"] == "ok"
    assert program("verify").returncode == 0
    done = program("doctor")
    assert done.returncode == 0, done.stdout
    (line,) = [one for one in done.stdout.splitlines() if "checkpoint" in one]
    assert "by the key that was seen before" in line
