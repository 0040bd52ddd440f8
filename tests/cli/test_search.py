"""Questions on the command line: over a directory, without a server, as soon as it is recorded."""

from __future__ import annotations

import pytest

from tests.cli.program import Program

BAD_QUERIES = {
    "an unknown field": (["envv:prod"], "did you mean env:"),
    "an option in the query": (["--jsno"], "no such option: --jsno"),
    "a value that can't be": (["outcome:fine"], "expected one of success"),
    "no trail": (["env:prod", "--home", "nowhere"], "expected a trail, found none"),
}


def _ids(program: Program, *words: str) -> list[str]:
    return [each["id"] for each in program.lines(*words, "--json")]


def test_what_was_just_recorded_is_found(recorded: Program) -> None:
    recorded("record", "config.updated", "--environment", "prod", "--reason", "the replica lags")
    (found,) = recorded.lines("search", "env:prod", "action:config.*", "--json")
    assert found["event"]["reason"]["text"] == "the replica lags"
    assert _ids(recorded, "search", "replica lags") == [found["id"]]
    assert _ids(recorded, "search", '"lags replica"') == []


def test_a_dash_takes_a_term_back(recorded: Program) -> None:
    every = _ids(recorded, "search", "--all")
    some = _ids(recorded, "search", "action:deployment.*", "--all")
    assert some
    assert sorted(_ids(recorded, "search", "-action:deployment.*", "--all")) == sorted(
        set(every) - set(some)
    )


def test_the_oldest_come_first_where_that_is_asked(recorded: Program) -> None:
    newest = _ids(recorded, "search", "--all")
    assert _ids(recorded, "search", "--all", "--oldest") == newest[::-1]
    assert _ids(recorded, "search", "-n", "1") == newest[:1]


def test_nothing_that_matches_is_said(recorded: Program) -> None:
    done = recorded("search", "env:nowhere")
    assert (done.returncode, done.stdout) == (0, "")
    assert "none of 3 entries matches" in done.stderr


@pytest.mark.parametrize("case", BAD_QUERIES)
def test_a_query_that_cannot_be_is_told(recorded: Program, case: str) -> None:
    words, expected = BAD_QUERIES[case]
    done = recorded("search", *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") <= 3


def test_the_place_of_what_cannot_be_read_is_shown(recorded: Program) -> None:
    done = recorded("search", "env:prod", "envv:dev")
    *_, drawn, caret = done.stderr.rstrip("\n").split("\n")
    assert (drawn, caret) == ("env:prod envv:dev", " " * 9 + "^")


def test_changes_leave_out_what_only_looked(recorded: Program) -> None:
    for action in ("config.updated", "plan.created"):
        assert recorded("record", action, "--environment", "prod").returncode == 0
    found = recorded.lines("changes", "--environment", "prod", "--json")
    assert [each["event"]["action"] for each in found][:1] == ["config.updated"]
    assert "plan.created" not in [each["event"]["action"] for each in found]


def test_changes_of_an_or_keep_to_their_time_and_place(recorded: Program) -> None:
    long_ago = ("--time", "2026-01-01T00:00:00Z")
    for environment, more in (("prod", ()), ("dev", ()), ("dev", long_ago)):
        done = recorded("record", "config.updated", "--environment", environment, *more)
        assert done.returncode == 0
    asked = ("action:config.*", "OR", "action:config.updated")
    found = recorded.lines("changes", "--environment", "dev", *asked, "--json")
    (only,) = found
    assert only["event"]["where"]["environment"] == "dev"
    assert only["event"]["time"] > "2026-01-02"


def test_stats_tell_how_far_everything_is(recorded: Program) -> None:
    found = recorded.json("stats", "--json")
    assert (found["size"], found["size_signed"], found["followers"]) == (3, 3, {"index": 3})
    assert found["lag_seconds"] == {"index": 0.0, "publisher": 0.0}
    assert found["quorum"] is None
    said = recorded("stats").stdout
    assert "3 entries, of which 3 are signed" in said
    assert "  index: up to date\n  publisher: up to date\n" in said


def test_a_rebuilt_index_says_the_same(recorded: Program) -> None:
    before = _ids(recorded, "search", "--all")
    done = recorded("index", "rebuild")
    assert (done.returncode, done.stdout) == (0, "")
    assert "rebuilt the index of 3 entries" in done.stderr
    assert _ids(recorded, "search", "--all") == before
