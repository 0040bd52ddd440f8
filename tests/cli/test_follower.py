"""The process that follows, as the one that serves starts it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deploytrail.address import Directory
from deploytrail.app.published import size_signed
from deploytrail.app.trails.directory import open_directory
from deploytrail.cli.follower import Follower
from deploytrail.clock import SystemClock
from tests.conftest import ROOT
from tests.events import event
from tests.fakes import FakeClock

PATIENCE_SECONDS = 60.0


def _environment(base: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(base / "state"), "PYTHONPATH": str(ROOT / "src")}


def test_what_lies_where_it_was_started_is_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('somebody else')\n")
    monkeypatch.chdir(tmp_path)
    place, environment = Directory(tmp_path / "home"), _environment(tmp_path)
    with open_directory(place.path, environment=environment) as trail:
        trail.record([event()])
        until = time.monotonic() + PATIENCE_SECONDS
        with Follower(place, environment, SystemClock()).running():
            while not size_signed(trail.store) and time.monotonic() < until:
                time.sleep(0.1)
        assert size_signed(trail.store) == 1


def test_one_that_cannot_be_started_is_tried_again_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Linux gives no program a variable of more than 128 KB.
    environment = {"NOTE": "x" * 200_000}
    told = ""
    until = time.monotonic() + PATIENCE_SECONDS
    with Follower(Directory(tmp_path), environment, FakeClock()).running():
        while told.count("nobody follows the log") < 2 and time.monotonic() < until:
            told += capsys.readouterr().err
            time.sleep(0.01)
    assert "can't be started (Argument list too long); tried again" in told
