"""A server whose witnesses are processes, too: cosigned, killed, set back, forked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deploytrail.app.verifying import verify
from deploytrail.clock import SystemClock
from deploytrail.errors import EXIT_OK, EXIT_POLICY_UNMET, EXIT_TAMPERED
from deploytrail.kit.http import Http
from deploytrail.log import note as notes
from deploytrail.report import Report
from tests.e2e.witness_process import WitnessProcess
from tests.postgresql import Server
from tests.web.running import Running, started

PATIENCE_SECONDS = 60


class Site:
    """Alice's trail, the witnesses, and what Carol has got of it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home = base / "home"
        self.trail: Path | str = self.home
        self.environment = {
            **os.environ,
            "DEPLOYTRAIL_HOME": str(self.home),
            "XDG_STATE_HOME": str(base / "state"),
            "XDG_CONFIG_HOME": str(base / "config"),
            **self.variables(),
        }
        self.pinned = base / "carol.policy"
        self.witnesses: list[WitnessProcess] = []
        self.server: Running | None = None
        self("init")
        self.log = self("witness", "log").strip()
        self.origin = notes.decode_vkey(self.log).name

    def variables(self) -> dict[str, str]:
        """What else says where the trail is."""
        return {}

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploytrail", *words],
            env=self.environment, check=False, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    def witness(self, name: str) -> WitnessProcess:
        made = WitnessProcess(self.base / name, f"witness.test/{name}")
        made.start("--log", self.log)
        self.witnesses.append(made)
        self("witness", "add", made.vkey, made.url, "--name", name)
        return made

    def pin(self) -> None:
        self.pinned.write_text(self("witness", "policy"))

    def up(self) -> Running:
        self.server = started(self.home, environment=self.environment)
        return self.server

    def down(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    def record(self, count: int = 1) -> None:
        for _ in range(count):
            self("record", "deployment.succeeded", "--environment", "prod")

    def served(self) -> notes.Note:
        """The checkpoint as anybody gets it."""
        assert self.server is not None
        return notes.decode(self.server.ask("GET", "/checkpoint").body)

    def cosigners(self) -> set[str]:
        names = {one.name for one in self.served().signatures}
        return names - {self.origin}

    def told(self, prefix: str) -> list[dict[str, Any]]:
        lines = self("log", "--all", "--json").splitlines()
        found = [json.loads(line)["event"] for line in reversed(lines)]
        return [one for one in found if one["action"].startswith(prefix)]

    def verified(self, **given: Any) -> Report:
        """What Carol finds in the directory, who has the policy and has seen nothing before."""
        return verify(
            self.trail, policy=self.pinned, state=self.base / "carol",
            environment=self.environment, **given,
        )  # fmt: skip

    def copied(self) -> Callable[[], None]:
        """Copy the directory and what its user has seen of it; called, it is put back."""
        aside = self.base / "aside"
        for name in ("home", "state"):
            shutil.copytree(self.base / name, aside / name)

        def put_back() -> None:
            for name in ("home", "state"):
                shutil.rmtree(self.base / name)
                shutil.copytree(aside / name, self.base / name)

        return put_back

    def seen_by(self, witness: WitnessProcess) -> Path:
        """What the witness hands out, in a file."""
        with Http() as http:
            found = http.get(f"{witness.url}/cosigned?origin={quote(self.origin, safe='')}")
        assert found.status == 200, found
        path = self.base / "seen"
        path.write_bytes(found.body)
        return path


class BaseSite(Site):
    """The same over a database; each server has a folder of its own for what it tells."""

    def __init__(self, base: Path, server: Server) -> None:
        self._postgres = server
        self._name = server.database()
        self._started = 0
        self._token = ""
        super().__init__(base)
        self.trail = server.url(self._name)

    def variables(self) -> dict[str, str]:
        return {"DEPLOYTRAIL_URL": self._postgres.url(self._name)}

    def up(self) -> Running:
        self._started += 1
        place = self.base / f"up-{self._started}"
        self.server = started(place, environment=self.environment)
        # Of all that are ever started, the first makes the token.
        self._token = self._token or self.server.token
        self.server.token = self._token
        return self.server

    def copied(self) -> Callable[[], None]:
        copy, states = f"{self._name}_copy", self.base / "state"
        self._postgres.run(f"CREATE DATABASE {copy} TEMPLATE {self._name}")
        shutil.copytree(states, self.base / "aside")

        def put_back() -> None:
            self._postgres.run(f"DROP DATABASE {self._name} WITH (FORCE)")
            self._postgres.run(f"CREATE DATABASE {self._name} TEMPLATE {copy}")
            shutil.rmtree(states)
            shutil.copytree(self.base / "aside", states)

        return put_back


class Later(SystemClock):
    """A clock that goes an hour ahead: whoever verifies later has it."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


@contextmanager
def ended(made: Site) -> Iterator[Site]:
    try:
        yield made
    finally:
        made.down()
        for one in made.witnesses:
            one.kill()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ended(Site(tmp_path)) as made:
        yield made


@pytest.fixture(params=["directory", "database"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "directory":
        made = Site(tmp_path)
    else:
        made = BaseSite(tmp_path, request.getfixturevalue("postgres_server"))
    with ended(made):
        yield made


def until(is_so: Callable[[], bool], what: Callable[[], object] = lambda: None) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, what()
        time.sleep(0.1)


def _is_told(server: Running, what: str) -> bool:
    return what in server.told.read_text()


def test_what_a_server_publishes_is_witnessed_on_the_disk_and_in_an_export(any_site: Site) -> None:
    site = any_site
    site.up()
    bob = site.witness("bob")
    site.pin()
    site.record(3)
    until(lambda: site.cosigners() == {bob.name})
    report = site.verified()
    assert (report.exit_code, report.anchoring, report.witnesses) == (0, "WITNESSED", ("bob",))
    # Of what comes in just now, too: whoever exports waits for a moment.
    site.record(1)
    export = site.base / "carol.tar"
    site("export", "--proofs", str(export))
    site.down()
    bob.stop()
    report = verify(
        export, policy=site.pinned, state=site.base / "carol", environment={}, clock=Later()
    )
    assert (report.exit_code, report.anchoring, report.size) == (EXIT_OK, "WITNESSED", 6)
    said = site("verify", str(export), "--policy", str(site.pinned))
    assert "WITNESSED\n  Others have cosigned it, as the policy asks.\n  by bob\n" in said


def test_what_is_signed_at_the_end_of_a_server_is_cosigned_too(site: Site) -> None:
    site.up()
    site.witness("bob")
    site.pin()
    site.record(5)
    site.down()
    report = site.verified(clock=Later())
    assert (report.exit_code, report.anchoring) == (EXIT_OK, "WITNESSED")
    assert report.size_signed == 7 == report.size


def test_a_witness_that_dies_holds_up_nobody_and_is_asked_again(site: Site) -> None:
    server = site.up()
    bob, carol, dan = (site.witness(name) for name in ("bob", "carol", "dan"))
    site("witness", "quorum", "2")
    site.pin()
    site.record()
    until(lambda: len(site.cosigners()) == 3)
    bob.kill()
    site.record()
    until(lambda: site.cosigners() == {carol.name, dan.name})
    assert site.verified().witnesses == ("carol", "dan")
    carol.kill()
    body = server.ask("GET", "/v1/stats").json()
    assert body
    started_at = time.monotonic()
    site.record(3)
    until(lambda: site.served().text.split("\n")[1] == str(site_size(server)))
    assert time.monotonic() - started_at < PATIENCE_SECONDS
    assert site.cosigners() <= {dan.name}
    bob.start("--log", site.log)
    carol.start("--log", site.log)
    until(lambda: len(site.cosigners()) == 3, lambda: server.journal()[-5:])
    assert site.verified(clock=Later()).anchoring == "WITNESSED"
    assert [one["action"] for one in site.told("audit.witness.")] == ["audit.witness.added"] * 3
    assert bob.refusals() == []


def site_size(server: Running) -> int:
    return int(server.ask("GET", "/v1/stats").json()["size"])


def test_a_trail_that_was_set_back_is_refused_and_found(any_site: Site) -> None:
    site = any_site
    site.up()
    bob = site.witness("bob")
    site.pin()
    until(lambda: site.cosigners() == {bob.name})
    site.down()
    put_back = site.copied()
    site.up()
    site.record(4)
    until(lambda: site.cosigners() == {bob.name})
    site.down()
    seen = site.seen_by(bob)
    put_back()
    for _ in range(2):
        # Whoever does so and starts it again is told of once.
        server = site.up()
        until(partial(_is_told, server, "witness refused"))
        until(lambda: len(site.told("audit.witness.refused")) == 1)
        site.down()
    (refused,) = site.told("audit.witness.refused")
    assert refused["targets"] == [{"type": "witness", "id": "bob"}]
    (refusal, *_) = bob.refusals()
    assert (refusal["refused"], refusal["proven"]) == (site.origin, False)
    late = site.verified(clock=Later())
    assert (late.exit_code, late.anchoring) == (EXIT_POLICY_UNMET, "UNANCHORED")
    assert "Its witnesses vouch for its first 2 entries" in late.why
    held = site.verified(checkpoints_seen=[seen])
    assert [one.state for one in held.found] == ["MISSING"]
    said = site("verify", "--policy", str(site.pinned), "--checkpoint", str(seen), code=3)
    assert "INCOMPLETE" in said


def test_a_trail_that_forked_is_refused_proven_and_found(any_site: Site) -> None:
    site = any_site
    site.up()
    bob = site.witness("bob")
    site.pin()
    until(lambda: site.cosigners() == {bob.name})
    site.down()
    put_back = site.copied()
    site.up()
    site.record(2)
    until(lambda: site.cosigners() == {bob.name})
    site.down()
    seen = site.seen_by(bob)
    put_back()
    # Another history, larger at once than what bob has seen.
    site.record(6)
    server = site.up()
    until(lambda: len(site.told("audit.witness.refused")) == 1, server.told.read_text)
    site.down()
    assert {one["status"] for one in bob.refusals()} == {422}
    late = site.verified(clock=Later())
    assert (late.exit_code, late.anchoring) == (EXIT_POLICY_UNMET, "UNANCHORED")
    held = site.verified(checkpoints_seen=[seen])
    assert held.exit_code == EXIT_TAMPERED
    assert any(str(seen) in one.what for one in held.found)


def test_without_a_server_witnesses_are_asked_by_a_command(site: Site) -> None:
    bob = site.witness("bob")
    site.pin()
    site.record(2)
    assert site.verified(clock=Later()).exit_code == EXIT_POLICY_UNMET
    site("witness", "ask")
    assert site.verified(clock=Later()).anchoring == "WITNESSED"
    bob.kill()
    site.record()
    site("witness", "ask", code=EXIT_POLICY_UNMET)
    (line,) = site("witness", "list", "--json").splitlines()
    assert (json.loads(line)["name"], json.loads(line)["size"]) == ("bob", 3)
