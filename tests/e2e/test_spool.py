"""A server that goes and comes back, a CI job whose runner goes, and the file that is carried over.

The real program and the real server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploytrail.app.verifying import verify
from tests.web.running import Running, running

NOBODY = "http://127.0.0.1:1"
QUIET = ("audit.trail.created", "audit.token.created")
STARTED, FINISHED = "runtime.command.started", "runtime.command.finished"


class Machine:
    """A machine with the program, and a home that no trail is in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        quiet = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CI", "GITHUB_", "GITLAB_", "DEPLOYTRAIL_"))
        }
        self.environ = quiet | {
            "DEPLOYTRAIL_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploytrail", *words], env=self.environ, cwd=self.folder,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60,
        )  # fmt: skip

    def at(self, server: Running) -> None:
        """From now on it records there, as the owner of the server's files."""
        self.environ |= {"DEPLOYTRAIL_URL": server.url, "DEPLOYTRAIL_TOKEN": server.token}

    def events(self) -> list[dict[str, Any]]:
        """Oldest first, without what the trail says of itself while nothing is spooled."""
        lines = self("log", "--all", "--json").stdout.splitlines()
        found = [json.loads(line)["event"] for line in lines][::-1]
        return [one for one in found if one["action"] not in QUIET]

    def actions(self) -> list[str]:
        return [one["action"] for one in self.events()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "trail"


@pytest.fixture
def alice(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "alice")
    # Whatever port the server comes back at.
    machine.environ["DEPLOYTRAIL_SPOOL"] = str(machine.folder / "spool")
    return machine


def test_what_runs_kept_while_the_server_was_down_is_drained_in_order(
    alice: Machine, home: Path, tmp_path: Path
) -> None:
    alice.environ["DEPLOYTRAIL_URL"] = NOBODY
    alice.environ["DEPLOYTRAIL_DRAIN_SECONDS"] = "30"
    for at in range(2):
        done = alice("run", "--reason", f"release {at}", "--", "sh", "-c", f"exit {at}")
        assert done.returncode == at
    _hold_one_file(alice, Machine(tmp_path / "bob"))
    with running(home) as server:
        alice.at(server)
        assert alice("run", "--reason", "release 2", "--", "true").returncode == 0
        events = alice.events()
    reasons = [one["reason"]["text"] for one in events]
    assert reasons == [f"release {at}" for at in (2, 2, 0, 0, 1, 1)]
    assert [one["action"] for one in events] == [STARTED, FINISHED] * 3
    assert not list((alice.folder / "spool").iterdir())
    report = verify(home, environment={"XDG_STATE_HOME": str(home / "seen")}, disclosures=True)
    assert report.exit_code == 0


def _hold_one_file(alice: Machine, bob: Machine) -> None:
    """Of several spools, which wait where they are all the same."""
    listed = json.loads(alice("spool", "list", "--json").stdout)
    assert [(one["state"], one["events"]) for one in listed] == [("waits", 2), ("waits", 2)]
    assert alice("spool", "export", "all.spool").returncode == 0
    assert alice("spool", "export", "all.spool").returncode == 2
    done = bob("spool", "import", str(alice.folder / "all.spool"))
    assert "4 events of 2 spools" in done.stdout
    assert bob.actions().count(STARTED) == 2


def test_a_guarded_start_needs_the_server_and_glass_can_be_broken(
    alice: Machine, home: Path
) -> None:
    alice.environ |= {"DEPLOYTRAIL_URL": NOBODY, "DEPLOYTRAIL_MODE": "guarded"}
    refused = alice("run", "--", "touch", "deployed")
    assert refused.returncode == 125
    assert not (alice.folder / "deployed").exists()
    broken = alice("run", "--break-glass", "prod is down", "--", "touch", "deployed")
    assert broken.returncode == 0
    assert (alice.folder / "deployed").exists()
    with running(home) as server:
        alice.at(server)
        assert alice("spool", "drain").returncode == 0
        events = alice.events()
    asked, used = (one for one in events if one["action"].startswith("breakglass."))
    assert (asked["action"], used["action"]) == ("breakglass.requested", "breakglass.used")
    assert asked["reason"] == {"from": "stated", "text": "prod is down", "emergency": True}
    assert [one["action"] for one in events][:2] == [STARTED, FINISHED]
    assert events[1]["error"]["code"] == "not_started"


def test_a_run_that_was_killed_leaves_a_gap_that_says_so(alice: Machine, home: Path) -> None:
    alice.environ["DEPLOYTRAIL_URL"] = NOBODY
    run = subprocess.Popen(
        [sys.executable, "-m", "deploytrail", "run", "--", "sh", "-c", "echo up; sleep 0.3"],
        env=alice.environ, cwd=alice.folder, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert run.stdout is not None
    assert run.stdout.readline() == b"up\n"
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=30)
    with running(home) as server:
        alice.at(server)
        done = alice("spool", "drain")
        assert (done.returncode, "the run was killed" in done.stderr) == (3, True), done.stderr
        start, gap = alice.events()
    assert (start["action"], gap["action"]) == (STARTED, "audit.gap.noticed")
    assert gap["links"]["run"] == start["links"]["run"]
    assert "lines all from 2 on" in gap["error"]["location"]


def test_a_spool_is_sealed_to_the_server_that_was_reached_last(tmp_path: Path, home: Path) -> None:
    alice = Machine(tmp_path / "alice")
    with running(home) as server:
        alice.at(server)
        assert alice("run", "--", "true").returncode == 0
        key = alice("spool", "key").stdout.strip()
        (file,) = alice.folder.glob("home/databases/*/spool-key")
        assert file.read_text() == key
    done = alice("run", "--reason", "the read replica lags", "--", "true")
    assert "kept 2 events" in done.stderr
    (spool,) = alice.folder.glob("home/databases/*/spool/*.spool")
    octets = spool.read_bytes()
    assert b"replica" not in octets
    assert octets.count(b'"sealed":') == 2
    assert alice("spool", "export", "all.spool").returncode == 0
    bob, carol = Machine(tmp_path / "bob"), Machine(tmp_path / "carol")
    bob.environ["DEPLOYTRAIL_HOME"] = str(home)
    assert bob("spool", "import", str(alice.folder / "all.spool")).returncode == 0
    assert bob.events()[-2]["reason"]["text"] == "the read replica lags"
    # Another trail has not got the key.
    assert carol("spool", "import", str(alice.folder / "all.spool")).returncode == 3


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/infra",
    "GITHUB_RUN_ID": "7",
    "GITHUB_ACTOR": "alice",
}


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Path, str]:
    """The file that a job left, and what it told."""
    runner = Machine(tmp_path / "runner")
    drained = {"DEPLOYTRAIL_DRAIN_SECONDS": "1"}
    runner.environ |= GITHUB | drained | {"DEPLOYTRAIL_URL": NOBODY}
    done = runner("run", "--", "sh", "-c", "exit 3")
    assert done.returncode == 3
    (file,) = runner.folder.glob("deploytrail-*.spool")
    return file, done.stderr


def test_a_job_says_how_its_spool_is_kept_and_another_machine_imports_it(
    exported: tuple[Path, str], tmp_path: Path
) -> None:
    file, told = exported
    assert "uses: actions/upload-artifact@v4" in told
    assert file.name in told
    assert file.stat().st_mode & 0o777 == 0o600
    bob = Machine(tmp_path / "bob")
    for _ in range(2):
        done = bob("spool", "import", str(file))
        assert (done.returncode, done.stdout) == (0, f"{file}: 2 events of 1 spool\n"), done.stderr
    events = bob.events()
    actions = [one["action"] for one in events]
    assert actions == [STARTED, FINISHED, "audit.spool.imported"]
    assert events[0]["links"]["run"] == "github:acme/infra/actions/runs/7"


CHANGES: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "a line is gone": (
        lambda raw: b"".join(raw.splitlines(keepends=True)[::2]),
        [FINISHED, "audit.gap.noticed", "audit.spool.imported"],
    ),
    "its exit code is another": (
        lambda raw: raw.replace(b'"exit_code":3', b'"exit_code":0'),
        [STARTED, "audit.gap.noticed", "audit.spool.imported"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_mallory_does_to_an_exported_file_shows(
    exported: tuple[Path, str], tmp_path: Path, change: str
) -> None:
    file, _ = exported
    change_octets, actions = CHANGES[change]
    file.write_bytes(change_octets(file.read_bytes()))
    bob = Machine(tmp_path / "bob")
    assert bob("spool", "import", str(file)).returncode == 3
    assert bob.actions() == actions


def test_what_is_no_spool_is_not_imported(tmp_path: Path) -> None:
    bob = Machine(tmp_path / "bob")
    (bob.folder / "rubbish").write_text("rubbish\n")
    assert bob("spool", "import", "rubbish").returncode == 2


def test_a_job_without_a_server_is_told_that_its_trail_dies_with_it(tmp_path: Path) -> None:
    runner = Machine(tmp_path / "runner")
    runner.environ |= GITHUB | {"HOME": str(runner.folder)}
    del runner.environ["DEPLOYTRAIL_HOME"]
    done = runner("run", "--", "true")
    assert (done.returncode, "this trail dies with the runner" in done.stderr) == (0, True)
