"""`deploytrail actions`: the catalogue where no page of documentation is at hand."""

from __future__ import annotations

import json

import pytest

from deploytrail.actions import CATALOGUE
from tests.cli.on_terminal import ESCAPE, on_terminal
from tests.cli.program import Program, error_of


def test_every_action_has_its_line(program: Program) -> None:
    rows = [line.split("\t") for line in program("actions").stdout.splitlines()]
    assert [row[0] for row in rows] == list(CATALOGUE)
    assert all(row[1:] == [CATALOGUE[row[0]].severity, CATALOGUE[row[0]].meaning] for row in rows)
    assert not program.home.exists()


def test_a_beginning_chooses_and_json_tells_all(program: Program) -> None:
    found = program.lines("actions", "deployment.f", "--json")
    assert [each["name"] for each in found] == ["deployment.failed"]
    assert (found[0]["severity"], found[0]["outcome"]) == ("medium", "failure")
    assert found[0]["meaning"] == CATALOGUE["deployment.failed"].meaning


def test_a_table_fits_its_terminal(program: Program) -> None:
    seen = on_terminal(program, "actions", "deployment", columns=80, NO_COLOR="1")
    assert "deployment.succeeded" in seen
    assert max(len(line) for line in seen.splitlines()) <= 80


def test_no_such_beginning_is_answered_with_the_families(program: Program) -> None:
    done = program("actions", "deplyoment")
    assert done.returncode == 2
    assert "the families are code, build, " in error_of(done)


def test_no_error_points_to_a_page_that_an_installation_has_not(program: Program) -> None:
    bodies: tuple[dict[str, object], ...] = (
        {},
        {"action": "xyzzy"},
        {"action": "code.pushed", "who": 1},
    )
    lines = "".join(json.dumps(body) + "\n" for body in bodies)
    done = program("record", "--json", "-", input=lines)
    assert done.returncode == 2
    assert "docs/" not in done.stderr
    assert done.stderr.count("'deploytrail actions' lists ") == 2
    assert "it has id, action, outcome, " in done.stderr


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_meanings_fit_the_terminal(columns: int, program: Program) -> None:
    seen = ESCAPE.sub("", on_terminal(program, "actions", "deployment.s", columns=columns))
    assert max(len(line) for line in seen.splitlines()) <= columns
    assert "A deployment ended as wanted." in " ".join(seen.split())
