"""`deploytrail log`: the table, the columns, the JSON lines."""

from __future__ import annotations

import json

import pytest

from tests.cli.on_terminal import ESCAPE, on_terminal
from tests.cli.program import Program, error_of


def test_without_a_trail_it_says_how_to_begin(program: Program) -> None:
    done = program("log")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {program.home}: expected a trail, found none")
    assert "deploytrail run -- terraform apply" in done.stderr
    assert not program.home.exists()


def test_an_empty_trail_says_how_to_begin(program: Program) -> None:
    program("init")
    done = program("log")
    assert (done.returncode, done.stdout) == (0, "")
    assert "deploytrail run -- terraform apply" in done.stderr


def test_programs_get_columns_newest_first(recorded: Program) -> None:
    rows = [line.split("\t") for line in recorded("log").stdout.splitlines()]
    assert [row[1] for row in rows] == ["success", "success", "pending"]
    assert [row[3] for row in rows] == [
        "pushed to a branch",
        "deployed network to prod",
        "started to deploy a unit to prod",
    ]
    assert [row[4] for row in rows] == ["", "prod network", "prod"]
    times = [row[0] for row in rows]
    assert times == sorted(times, reverse=True)
    assert all(len(row) == 6 and len(row[5]) == 36 for row in rows)


def test_json_is_a_document_a_line_with_stable_names(recorded: Program) -> None:
    newest, *_ = entries = recorded.lines("log", "--json")
    assert [entry["index"] for entry in entries] == [2, 1, 0]
    assert sorted(newest) == ["event", "id", "index", "leaf", "receipt", "summary", "withheld"]
    # JSON is escaped by its own rules: what was sent comes back.
    assert newest["event"]["actor"]["name"] == "Al\u202eice\x1b[2J"


def test_as_many_as_asked_for_are_listed(recorded: Program) -> None:
    assert recorded("log", "-n", "1").stdout.count("\n") == 1
    assert recorded("log", "--all").stdout.count("\n") == 3
    both = recorded("log", "-n", "1", "--all")
    assert both.returncode == 2
    assert error_of(both).startswith("--all: expected no -n beside it")


FILTERS: dict[str, tuple[list[str], list[int]]] = {
    "a place": (["--environment", "prod"], [1, 0]),
    "a unit": (["--unit", "network"], [1]),
    "the beginning of an action": (["--action", "deployment"], [1, 0]),
    "a whole action": (["--action", "code.pushed"], [2]),
    "an outcome": (["--outcome", "pending"], [0]),
    "two of them": (["--outcome", "success", "--environment", "prod"], [1]),
    "as many as are asked for": (["--environment", "prod", "-n", "1"], [1]),
    "all of them": (["--action", "deployment", "--all"], [1, 0]),
    "a span": (["--since", "2h"], [2, 1, 0]),
    "a day long ago": (["--since", "2026-01-01"], [2, 1, 0]),
    "a time to come": (["--since", "2999-01-01T00:00:00+01:00"], []),
    "no such place": (["--environment", "dev"], []),
}


def test_filters_leave_what_passes_all_of_them(recorded: Program) -> None:
    calls = {case: ["log", "--json", *words] for case, (words, _) in FILTERS.items()}
    for case, (code, printed, told) in recorded.many(calls).items():
        found = [json.loads(line)["index"] for line in printed.splitlines()]
        assert (case, code, found) == (case, 0, FILTERS[case][1])
        assert told == ("" if found else "none of 3 entries passes\n")


BAD_FILTERS = {
    "an outcome that is none": (["--outcome", "good"], "expected one of success, failure"),
    "no name": (["--unit", ""], "leave it out"),
    "an action that is none": (["--action", "deployed"], "'deploytrail actions' lists them"),
    "a time that is none": (["--since", "yesterday"], "such as 30m, 2h or 7d"),
    "a time without a zone": (["--since", "2026-11-22T10:11:12"], "add Z"),
    "a span beyond all calendars": (["--since", "999999w"], "such as 30m, 2h or 7d"),
}


def test_a_filter_that_can_not_be_understood_is_refused(recorded: Program) -> None:
    answers = recorded.many({case: ["log", *words] for case, (words, _) in BAD_FILTERS.items()})
    for case, (words, advice) in BAD_FILTERS.items():
        code, printed, told = answers[case]
        assert (code, printed) == (2, "")
        assert told.startswith(f"error: {words[0]}: expected ")
        assert advice in told


def test_what_came_in_of_late_is_listed_whatever_time_it_claims(recorded: Program) -> None:
    claimed = '{"action": "approval.granted", "time": "2020-01-01T00:00:00Z"}'
    assert recorded("record", "--json", "-", input=claimed).returncode == 0
    assert "2020-01-01" in recorded("log", "--since", "2h", "--action", "approval").stdout


def test_outcomes_are_listed_together(recorded: Program) -> None:
    for outcome in ("failure", "partial", "denied", "unknown"):
        assert recorded("record", "runtime.command.finished", "--outcome", outcome).returncode == 0
    asked = ("log", "--action", "runtime", "--json")
    failed = [line["event"]["outcome"] for line in recorded.lines(*asked, "--failed")]
    assert failed == ["denied", "partial", "failure"]
    words = ("--outcome", "unknown", "--outcome", "partial")
    named = [line["event"]["outcome"] for line in recorded.lines(*asked, *words)]
    assert named == ["unknown", "partial"]


def test_json_on_a_terminal_moves_no_cursor(recorded: Program) -> None:
    odd = "pr\u009bod\u202e\x7f"
    assert recorded("record", "code.pushed", "--environment", odd).returncode == 0
    for words in (("log", "-n", "1", "--json"), ("show", "--index", "3", "--entry")):
        seen = on_terminal(recorded, *words, columns=200)
        assert not set(seen) & set("\u009b\u202e\x7f")
        said = json.loads("".join(seen.split("\n")))
        assert said.get("event", said)["where"]["environment"] == odd


@pytest.mark.parametrize("columns", [40, 59, 60, 72, 80, 120, 200])
def test_a_table_fits_its_terminal(columns: int, recorded: Program) -> None:
    seen = ESCAPE.sub("", on_terminal(recorded, "log", columns=columns))
    assert max(len(line) for line in seen.splitlines()) <= columns
    assert "deployed network" in " ".join(seen.split())
    for entry in recorded.lines("log", "--json"):
        assert entry["id"][-8:] in seen


@pytest.mark.parametrize("columns", [45, 60, 72, 120])
def test_a_claimed_actor_is_marked_however_long_the_name(columns: int, recorded: Program) -> None:
    seen = ESCAPE.sub("", on_terminal(recorded, "log", columns=columns))
    assert seen.count(" (claimed)") == 1
    assert "Al\\u202eice\\e[2J (claimed)" in recorded("log").stdout


@pytest.mark.parametrize("words", [("log",), ("show", "last")])
def test_foreign_marks_are_spelled_out(words: tuple[str, ...], recorded: Program) -> None:
    if words[0] == "show":
        words = ("show", recorded.lines("log", "-n", "1", "--json")[0]["id"])
    for seen in (recorded(*words).stdout, on_terminal(recorded, *words, columns=120)):
        assert "Al\\u202eice\\e[2J" in seen
        assert "\u202e" not in seen
        assert "\x1b[2J" not in seen


def test_colour_is_for_terminals_that_want_it(recorded: Program) -> None:
    assert ESCAPE.search(on_terminal(recorded, "log"))
    assert not ESCAPE.search(on_terminal(recorded, "log", NO_COLOR="1"))
    assert not ESCAPE.search(on_terminal(recorded, "log", TERM="dumb"))
    assert not ESCAPE.search(recorded("log").stdout)


def test_reading_changes_no_entry(recorded: Program) -> None:
    before = recorded.json("verify", "--json")["root"]
    recorded("log")
    assert recorded.json("verify", "--json", "--disclosures")["root"] == before
