"""What a start needs in each mode, and what it leaves behind where it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploytrail.wrapper.keeping import keep_modes
from tests.wrapper.spooled import Spooling, told
from tests.wrapper.test_run import Wrapped, _path  # noqa: F401 (a fixture that is used by itself)

DOWN = ["disk full"] * 9
STARTED, FINISHED = "runtime.command.started", "runtime.command.finished"


@pytest.fixture
def wrapped(tmp_path: Path) -> Wrapped:
    return Wrapped(tmp_path)


def spooled(wrapped: Wrapped) -> list[dict[str, Any]]:
    """The events in the one spool that waits."""
    (path,) = (wrapped.home / "spool").glob("*.spool")
    _, *lines = path.read_bytes().splitlines()
    return [json.loads(line.rpartition(b" ")[0])["body"] for line in lines]


def test_async_starts_and_keeps_what_the_trail_did_not_take(wrapped: Wrapped) -> None:
    wrapped.failures = DOWN
    done = wrapped.run("sh", "-c", "echo deployed")
    assert (done.returncode, done.stdout) == (0, b"deployed\n")
    assert [one["action"] for one in spooled(wrapped)] == [STARTED, FINISHED]


@pytest.mark.parametrize("mode", ["guarded", "strict"])
def test_a_guarded_start_is_refused_where_the_trail_does_not_take_it(
    wrapped: Wrapped, mode: str
) -> None:
    wrapped.failures = DOWN
    wrapped.request = {"mode": mode}
    done = wrapped.run("touch", "was-run")
    assert done.returncode == 125
    assert f"not started: mode {mode} expects the start in the trail".encode() in done.stderr
    assert not (wrapped.folder / "was-run").exists()
    _, end = spooled(wrapped)
    assert end["error"]["code"] == "not_started"
    assert end["command"]["exit_code"] == 125


def test_a_guarded_run_whose_trail_goes_away_keeps_its_end(wrapped: Wrapped) -> None:
    wrapped.failures = ["", "disk full"]
    wrapped.request = {"mode": "guarded"}
    assert wrapped.run("sh", "-c", "exit 3").returncode == 3
    assert [event.action for event in wrapped.events] == [STARTED]
    assert [one["action"] for one in spooled(wrapped)] == [STARTED, FINISHED]


def test_a_guarded_start_waits_for_nothing_of_earlier_runs(wrapped: Wrapped) -> None:
    wrapped.failures = DOWN
    wrapped.run("true")
    wrapped.failures = []
    wrapped.request = {"mode": "guarded"}
    assert wrapped.run("true").returncode == 0
    assert not list((wrapped.home / "spool").iterdir())
    assert len(wrapped.events) == 4


def test_a_strict_start_is_made_once_earlier_runs_are_in_the_trail(wrapped: Wrapped) -> None:
    wrapped.failures = DOWN
    wrapped.run("false")
    wrapped.failures = []
    wrapped.request = {"mode": "strict"}
    assert wrapped.run("true").returncode == 0
    tools = [event.command.tool for event in wrapped.events if event.command]
    assert tools == ["true", "false", "false", "true"]


def test_a_strict_start_is_refused_while_an_earlier_run_waits(wrapped: Wrapped) -> None:
    wrapped.failures = DOWN
    wrapped.run("false")
    # The start is taken; what waits is not, nor is anything that comes after.
    wrapped.failures = ["", *DOWN]
    wrapped.request = {"mode": "strict"}
    done = wrapped.run("touch", "was-run")
    assert done.returncode == 125
    assert b"1 earlier run waited in" in done.stderr
    assert not (wrapped.folder / "was-run").exists()


@pytest.mark.parametrize("mode", ["guarded", "strict"])
def test_whoever_breaks_the_glass_starts_and_says_so_first(wrapped: Wrapped, mode: str) -> None:
    wrapped.failures = DOWN
    token = "gh" + "p_" + "x1Y2" * 9
    wrapped.request = {"mode": mode, "break_glass": f"prod is down, {token}"}
    done = wrapped.run("sh", "-c", "exit 4")
    assert done.returncode == 4
    assert b"THE GLASS IS BROKEN" in done.stderr
    asked, _, used, _ = events = spooled(wrapped)
    actions = ["breakglass.requested", STARTED, "breakglass.used", FINISHED]
    assert [one["action"] for one in events] == actions
    for one in (asked, used):
        assert one["reason"]["emergency"] is True
        assert one["reason"]["text"].startswith("prod is down, ")
        assert token not in json.dumps(one)
    wrapped.failures = []
    wrapped.request = {}
    wrapped.run("true")
    assert [event.action for event in wrapped.events][2:] == actions


def test_a_glass_that_need_not_be_broken_is_told_as_asked_for(wrapped: Wrapped) -> None:
    wrapped.request = {"mode": "guarded", "break_glass": "prod is down"}
    assert wrapped.run("true").returncode == 0
    actions = [event.action for event in wrapped.events]
    assert actions == ["breakglass.requested", STARTED, FINISHED]


def test_async_has_no_glass(wrapped: Wrapped) -> None:
    wrapped.request = {"break_glass": "prod is down"}
    done = wrapped.run("true")
    assert b"--break-glass is not needed" in done.stderr
    assert [event.action for event in wrapped.events] == [STARTED, FINISHED]


def test_no_secret_of_a_command_stands_in_a_spool(wrapped: Wrapped) -> None:
    wrapped.failures = DOWN
    token = "gh" + "p_" + "a1B2" * 9
    wrapped.request = {"reason": f"with {token}", "is_output_kept": True}
    wrapped.run("sh", "-c", f"echo {token}", f"--password={token}")
    (path,) = (wrapped.home / "spool").iterdir()
    octets = path.read_bytes()
    assert token.encode() not in octets
    assert b"attachment_of" in octets


def test_an_event_of_a_run_bears_its_line(tmp_path: Path) -> None:
    spool = Spooling(tmp_path).spool()
    first, second = spool.stamped([told(), told()], {})
    assert first.source.delivery == f"spool:{spool.id}:1"
    assert (second.source.delivery, second.source.sequence) == (f"spool:{spool.id}:2", 2)


def test_the_mode_of_an_environment_is_what_its_trail_last_told(wrapped: Wrapped) -> None:
    keep_modes(wrapped.home, {"prod": "guarded", "live": "guarded", "dev": "async"})
    wrapped.failures = DOWN
    for environment, expected in {"prod": 125, "LIVE": 125, "dev": 0, "elsewhere": 0}.items():
        wrapped.request = {"environment": environment}
        assert wrapped.run("true").returncode == expected, environment


def test_a_mode_that_is_said_goes_before_what_is_declared(wrapped: Wrapped) -> None:
    keep_modes(wrapped.home, {"prod": "strict"})
    wrapped.failures = DOWN
    wrapped.request = {"environment": "prod", "mode": "async"}
    assert wrapped.run("true").returncode == 0


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"prod": "lax"}', '{"prod": 7}'])
def test_what_is_no_mode_keeps_nothing_from_starting(wrapped: Wrapped, text: str) -> None:
    wrapped.home.mkdir(parents=True, exist_ok=True)
    (wrapped.home / "modes").write_text(text)
    wrapped.failures = DOWN
    wrapped.request = {"environment": "prod"}
    assert wrapped.run("true").returncode == 0
