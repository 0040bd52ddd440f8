"""The figures of the fault tests, printed where the run ends."""

from __future__ import annotations

import pytest

from tests.crash.figures import Figures, Properties, lines

_told: Properties = []


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.node.user_properties)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _told.extend(report.user_properties)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if found := lines(_told):
        terminalreporter.section("figures of the faults")
        for line in found:
            terminalreporter.write_line(line)
