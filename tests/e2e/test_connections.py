"""A tool is connected by the printed text, delivers to the real server, and is found there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.signing import signed
from tests.cli.program import Program, error_of
from tests.web.running import Running, running

RUN = {
    "payload_version": 1,
    "run_id": "run-7Kd2sQ",
    "run_url": "https://app.terraform.io/app/acme/network-prod/runs/run-7Kd2sQ",
    "run_message": "Widen the subnet",
    "run_created_at": "2026-11-22T10:00:00.000Z",
    "run_created_by": "alice",
    "workspace_id": "ws-1",
    "workspace_name": "network-prod",
    "organization_name": "acme",
    "notifications": [
        {
            "message": "Run Completed",
            "trigger": "run:completed",
            "run_status": "applied",
            "run_updated_at": "2026-11-22T10:05:00.000Z",
            "run_updated_by": "alice",
        }
    ],
}
ENVIRONMENTS = """\
[prod]
class = "prod"
aliases = ["production"]

[[where]]
name = "workspaces"
match = "workspace:acme/{unit}-{environment}"
project = "payments"
"""
SECRET = re.compile(r"Token: (\S+)")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    found = Program(tmp_path)
    assert found("init").returncode == 0
    return found


@pytest.fixture
def server(program: Program) -> Iterator[Running]:
    with running(program.home) as found:
        yield found


def deliver(server: Running, name: str, secret: str, said: Any = RUN) -> int:
    now = datetime.now(UTC)
    delivery = signed(
        SCHEMES["hcp-terraform"], fetched(json.dumps(said).encode(), now), secret, at=now
    )
    headers = {key.replace("-", "_"): value for key, value in delivery.headers}
    return server.ask("POST", f"/in/{name}", delivery.body, **headers).status


def added(program: Program, server: Running, name: str = "tfc-acme") -> str:
    """The secret that was printed for a new connection."""
    done = program("connection", "add", "hcp-terraform", name, "--server", server.url)
    assert done.returncode == 0, done.stderr
    assert f"{server.url}/in/{name}" in done.stdout
    found = SECRET.search(done.stdout)
    assert found is not None, done.stdout
    return found[1]


def test_a_tool_is_connected_and_its_events_are_found(program: Program, server: Running) -> None:
    folder = program.home / "config"
    folder.mkdir()
    (folder / "environments.toml").write_text(ENVIRONMENTS)
    assert program("config", "apply").returncode == 0
    secret = added(program, server)
    tried = program("connection", "test", "tfc-acme", "--server", server.url)
    assert (tried.returncode, tried.stdout.split()[0]) == (0, "taken"), tried.stdout
    assert deliver(server, "tfc-acme", secret) == 200
    found = program.lines("search", "env:prod unit:network project:payments", "--json")
    assert found
    event = found[0]["event"]
    assert event["links"]["run"] == "hcp_terraform:run-7Kd2sQ"
    assert event["where"]["mapping"] == "workspaces"
    assert event["actor"]["auth"]["verified_by"] == "tfc-acme"
    shown = program("connection", "list").stdout
    assert shown.split("\t")[:4] == ["tfc-acme", "hcp-terraform", "hcp-terraform", "live"]
    assert "secret 1 of 1" in shown


def test_a_secret_is_rotated_without_a_delivery_lost(program: Program, server: Running) -> None:
    old = added(program, server)
    done = program("connection", "rotate", "tfc-acme", "--server", server.url)
    assert done.returncode == 0, done.stderr
    found = SECRET.search(done.stdout)
    assert found is not None
    new = found[1]
    assert new != old
    # At once, before anybody may know of it by age.
    assert deliver(server, "tfc-acme", new) == 200
    assert deliver(server, "tfc-acme", old, RUN | {"run_id": "run-2"}) == 200
    assert "secret 2 of 2" in program("connection", "list").stdout
    assert deliver(server, "tfc-acme", new, RUN | {"run_id": "run-3"}) == 200
    assert "secret 1 of 2" in program("connection", "list").stdout
    assert program("connection", "rotate", "tfc-acme", "--finish").returncode == 0
    assert deliver(server, "tfc-acme", new, RUN | {"run_id": "run-4"}) == 200
    told = program.lines("log", "--json")
    actions = [one["event"]["action"] for one in told]
    assert actions.count("integration.credential.rotated") == 2


def test_what_is_not_proven_is_refused_and_told(program: Program, server: Running) -> None:
    secret = added(program, server)
    forged = secret[::-1]
    assert deliver(server, "tfc-acme", forged) == 401
    assert "1 (mismatch)" in program("connection", "list").stdout
    assert deliver(server, "nobody", secret) == 404
    assert server.stop() == 0
    text = server.told.read_text()
    assert "expected a signature by a secret of this connection" in text
    assert secret not in text
    assert forged not in text


def test_a_connection_that_is_paused_takes_nothing(program: Program, server: Running) -> None:
    secret = added(program, server)
    file = program.home / "config" / "connections.toml"
    file.write_text(f"{file.read_text()}enabled = false\n")
    assert "enabled = true → false" in program("config", "diff").stdout
    assert program("config", "apply", "--reason", "too loud").returncode == 0
    told = program.lines("log", "--json")[0]["event"]
    assert (told["action"], told["reason"]["text"]) == ("integration.connection.paused", "too loud")
    deadline = datetime.now(UTC).timestamp() + 10
    while deliver(server, "tfc-acme", secret) != 404:
        assert datetime.now(UTC).timestamp() < deadline


def test_a_tool_with_a_protocol_of_its_own_is_tried_in_our_words(
    program: Program, server: Running
) -> None:
    done = program("connection", "add", "otlp", "otlp-acme", "--server", server.url)
    assert done.returncode == 0, done.stderr
    tested = program("connection", "test", "otlp-acme", "--server", server.url)
    assert tested.returncode == 0, tested.stderr
    assert "1 event is in the log" in tested.stdout


def test_what_no_rule_places_is_counted_with_a_proposal(program: Program, server: Running) -> None:
    secret = added(program, server)
    assert deliver(server, "tfc-acme", secret) == 200
    done = program("config", "unmapped")
    assert "of 1 place:" in done.stdout
    assert "workspace:acme/network-prod" in done.stdout
    assert "[[where]]" in done.stdout


REFUSED: dict[str, tuple[list[str], str]] = {
    "another source": (["add", "githab"], "expected one that is known, found 'githab'; did you"),
    "a name with capitals": (["add", "opa", "Opa"], "expected the name of a connection"),
    "a name that leads elsewhere": (["add", "opa", "../up"], "expected the name of a connection"),
    "the secret itself": (["add", "opa", "--secret", "hunter2"], "expected where a secret is"),
    "another scheme": (["add", "opa", "--credential", "slack"], "expected a scheme of opa"),
    "nobody tested": (["test", "nobody"], "expected a connection that is applied, found 'nobody'"),
    "the end and a secret": (["rotate", "a", "--finish", "--secret", "env:A"], "expected none"),
    "nobody rotated": (["rotate", "nobody"], "expected a connection of connections.toml"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_can_not_be_is_told(program: Program, why: str) -> None:
    words, expected = REFUSED[why]
    done = program("connection", *words)
    assert done.returncode == 2
    assert expected in error_of(done)
    assert "hunter2" not in done.stderr
    # Not even a secret was made for it.
    assert not (program.home / "config").exists()


def test_a_name_is_taken_once(program: Program) -> None:
    assert program("connection", "add", "opa").returncode == 0
    done = program("connection", "add", "opa")
    assert done.returncode == 2
    assert "found opa; name another, such as opa-2" in error_of(done)


def test_faults_of_the_files_are_told_with_their_lines(program: Program) -> None:
    folder = program.home / "config"
    folder.mkdir()
    (folder / "environments.toml").write_text('[prod]\nclass = "live"\n')
    (folder / "connections.toml").write_text('[a]\nsource = "opa"\nsecrets = ["hunter2"]\n')
    for verb in ("check", "diff", "apply"):
        done = program("config", verb)
        assert done.returncode == 2, verb
        assert "environments.toml line 2: prod.class: expected dev, test, staging or prod" in (
            done.stderr
        )
        assert "hunter2" not in done.stderr
    assert "connections.toml line 3: a.secrets[0]" in program("config", "check").stderr


def test_a_rotation_that_can_not_be_changes_nothing(program: Program) -> None:
    assert program("connection", "add", "opa").returncode == 0
    file = program.home / "config" / "connections.toml"
    before = file.read_text()
    done = program("connection", "rotate", "opa", "--secret", "hunter2")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr
    assert file.read_text() == before
    for number in range(3):
        given = program("connection", "rotate", "opa", "--secret", f"env:NEW_{number}")
        assert given.returncode == 0, given.stderr
    done = program("connection", "rotate", "opa")
    assert (done.returncode, "expected a list of at most 4" in done.stderr) == (2, True)
    assert len(list((program.home / "config" / "secrets").iterdir())) == 1


def test_what_is_added_is_told_as_json(program: Program) -> None:
    done = program("connection", "add", "opa", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["name"] == "opa"
