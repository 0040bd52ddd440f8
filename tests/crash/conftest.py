"""The figures of the fault tests, printed where the run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.figures import Figures, Properties, lines, shortfalls
from tests.crash.form import IS_LONG

_told: Properties = []


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.node.user_properties)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _told.extend(report.user_properties)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole long run that did too little has failed, whatever its tests say."""
    if session.exitstatus == pytest.ExitCode.OK and _missing(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if found := lines(_told):
        terminalreporter.section("figures of the faults")
        for line in found:
            terminalreporter.write_line(line)
    for line in _missing(terminalreporter.config):
        terminalreporter.write_line(f"TOO FEW {line}", red=True)


def _missing(config: pytest.Config) -> list[str]:
    """What the run did too little of; nothing where only a part was asked for."""
    is_worker = hasattr(config, "workerinput")
    is_part = config.getoption("keyword") or any(not Path(one).is_dir() for one in config.args)
    return [] if is_worker or is_part or not IS_LONG else shortfalls(_told)
