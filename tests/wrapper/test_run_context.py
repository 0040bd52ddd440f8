"""Who, where and why of a run, and what of its arguments and variables may be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.event import EVENT_BYTES_MAX, Event
from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.request import Request
from deploytrail.wrapper.run_context import RunContext, run_context
from deploytrail.wrapper.run_events import DEPLOYMENT, ended, started
from tests.fakes import FakeClock

SECRET = "hunter2-correct-horse"
SECRET_ARGUMENTS = {
    "a variable": ["terraform", "apply", "-var", f"password={SECRET}"],
    "a variable in one word": ["terraform", "apply", f"-var=db_password={SECRET}"],
    "a backend's setting": ["terraform", "init", f"-backend-config=secret_key={SECRET}"],
    "an option": ["deploy", f"--password={SECRET}"],
    "an option's value": ["deploy", "--token", SECRET],
    "a URL": ["git", "clone", f"https://alice:{SECRET}@git.example.test/x"],
}
SECRET_COMMANDS = {
    "an assignment": [f"TF_VAR_db_password={SECRET}", "terraform", "apply"],
    "a path that is assigned": [f"DB_PASS=/{SECRET}", "true"],
    "a name that says nothing": [f"X={SECRET}", "true"],
    "a whole line": [f"terraform apply -var password={SECRET}"],
    "a line that begins with an assignment": [f"X={SECRET} terraform apply"],
    "a URL": [f"https://alice:{SECRET}@git.example.test"],
}
TOKEN = "ghp" + "_16C7e42F292c6912E7710c838347Ae178B4a"
SECRET_VARIABLES = {
    "a variable of terraform": {"TF_VAR_password": SECRET},
    "arguments of terraform": {"TF_CLI_ARGS_apply": f"-var password={SECRET}"},
    "a cloud's key": {"AWS_SECRET_ACCESS_KEY": SECRET},
    "a token of CI": {"GITHUB_TOKEN": SECRET, "GITHUB_ACTIONS": "true"},
    "any other": {"MY_THING": SECRET},
}


def context(
    *command: str, directory: Path, environ: dict[str, str] | None = None, **asked: Any
) -> RunContext:
    return run_context(
        Request(command=command or ("true",), **asked),
        run="01a205c9-e61f-7a37-bf62-ba4121f2197e",
        environ=environ or {},
        directory=directory,
        is_interactive=False,
        tell=lambda _: None,
    )


def event_of(around: RunContext) -> bytes:
    """The start as it is recorded, once its own type has accepted it."""
    clock = FakeClock()
    start = started(around, DEPLOYMENT, event_id=clock.event_id(), now=clock.now())
    raw = msgspec.json.encode(start)
    assert msgspec.json.decode(raw, type=Event) == start
    return raw


@pytest.mark.parametrize("case", SECRET_ARGUMENTS)
def test_a_secret_argument_is_not_recorded(tmp_path: Path, case: str) -> None:
    assert SECRET.encode() not in event_of(context(*SECRET_ARGUMENTS[case], directory=tmp_path))


@pytest.mark.parametrize("case", SECRET_VARIABLES)
def test_a_secret_variable_is_not_recorded(tmp_path: Path, case: str) -> None:
    around = context("terraform", "apply", directory=tmp_path, environ=SECRET_VARIABLES[case])
    assert SECRET.encode() not in event_of(around)


@pytest.mark.parametrize("case", SECRET_COMMANDS)
def test_a_secret_in_place_of_a_command_is_not_recorded(tmp_path: Path, case: str) -> None:
    words = SECRET_COMMANDS[case]
    around = context(*words, directory=tmp_path)
    assert SECRET.encode() not in event_of(around)
    assert around.command.tool
    clock = FakeClock()
    start = started(around, DEPLOYMENT, event_id=clock.event_id(), now=clock.now())
    end = ended(
        start,
        DEPLOYMENT,
        Ending(exit_code=127, reason=f"{words[0]}: command not found"),
        event_id=clock.event_id(),
        now=clock.now(),
        part=1,
        duration_ms=1,
        outcome="failure",
    )
    assert end.error is not None
    assert end.error.text is not None
    assert end.error.text.endswith(": command not found")
    assert SECRET.encode() not in msgspec.json.encode(end)


@pytest.mark.parametrize("name", ["project", "unit", "environment", "deployment", "tickets"])
def test_a_token_in_what_is_stated_is_masked(tmp_path: Path, name: str) -> None:
    said: Any = (TOKEN, f"OPS-1 {TOKEN}") if name == "tickets" else f"a/{TOKEN}"
    asked: dict[str, Any] = {name: said}
    raw = event_of(context(directory=tmp_path, **asked))
    assert TOKEN.encode() not in raw
    assert b"[masked:github-token]" in raw


def test_a_token_in_what_is_found_is_masked(tmp_path: Path) -> None:
    folder = tmp_path / TOKEN
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(f"ref: refs/heads/{TOKEN}")
    environ = {"TF_WORKSPACE": TOKEN, "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": f"a/{TOKEN}"}
    around = context("terraform", "apply", directory=folder, environ=environ)
    told = repr((around.where, around.links))
    assert TOKEN not in told
    assert "[masked:github-token]" in told


def test_a_secret_in_a_reason_is_masked(tmp_path: Path) -> None:
    around = context(directory=tmp_path, reason=f"retry with password={SECRET}")
    assert around.reason.from_ == "stated"
    assert SECRET.encode() not in event_of(around)


def test_a_ticket_without_words_is_a_reason_too(tmp_path: Path) -> None:
    assert context(directory=tmp_path, tickets=("OPS-1",)).reason.from_ == "ticket"
    assert context(directory=tmp_path).reason.from_ == "none"


def test_what_is_stated_goes_before_what_is_found(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "live").mkdir()
    found = context("terraform", "apply", directory=tmp_path / "live").where
    stated = context(directory=tmp_path / "live", project="shop", unit="network").where
    assert (found.project, found.unit) == (tmp_path.name, "live")
    assert (stated.project, stated.unit) == ("shop", "network")


def test_the_directory_of_the_module_is_the_place(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "live").mkdir()
    where = context("terraform", "-chdir=live", "apply", directory=tmp_path).where
    assert where.raw is not None
    assert (where.unit, where.raw.path, where.raw.workspace) == ("live", "live", "default")


def test_no_path_of_the_machine_stands_in_clear(tmp_path: Path) -> None:
    around = context(directory=tmp_path)
    assert str(tmp_path) not in str(around.where)
    assert around.where.unit == tmp_path.name


def test_who_is_claimed_by_variables_does_not_become_the_actor(tmp_path: Path) -> None:
    around = context(directory=tmp_path, environ={"SUDO_USER": "bob"})
    assert around.on_behalf_of is not None
    assert around.on_behalf_of.auth is not None
    assert around.actor.auth is not None
    assert around.on_behalf_of.auth.assurance == 0
    assert around.actor.auth.assurance == 1
    assert around.actor.id != around.on_behalf_of.id


def test_arguments_without_end_are_cut_and_counted(tmp_path: Path) -> None:
    around = context(*["x" * 50] * 5000, directory=tmp_path)
    assert around.command.arguments[-1].endswith("more arguments]")
    assert len(event_of(around)) < EVENT_BYTES_MAX


def test_an_argument_without_end_is_left_out_and_counted(tmp_path: Path) -> None:
    around = context("deploy", "ü" * 100_000, directory=tmp_path)
    assert around.command.arguments == ("[100,000 characters]",)
    assert len(event_of(around)) < EVENT_BYTES_MAX


@pytest.mark.parametrize("character", ["x", "\x01", "€", "\U0001f680", '"'])
def test_a_start_fits_whatever_it_is_made_of(tmp_path: Path, character: str) -> None:
    long = character * 60_000
    around = context(
        long, long, *[character * 200] * 300, directory=tmp_path, reason=long, environ={"CI": long}
    )
    assert len(event_of(around)) < EVENT_BYTES_MAX


def test_what_is_not_unicode_is_told_all_the_same(tmp_path: Path) -> None:
    odd = os.fsdecode(b"deploy-\xff")
    around = context(odd, odd, directory=tmp_path, environ={"GITHUB_ACTIONS": "1", "CI": odd})
    assert around.command.tool == "deploy-�"
    assert event_of(around)


def test_what_can_not_be_found_out_costs_nothing_else(tmp_path: Path) -> None:
    told: list[str] = []
    found = run_context(
        Request(
            command=("terraform", f"-chdir={'x' * 5000}", "apply"), project="shop", reason="why"
        ),
        run="01a205c9-e61f-7a37-bf62-ba4121f2197e",
        environ={},
        directory=tmp_path,
        is_interactive=False,
        tell=told.append,
    )
    assert all(line.startswith("recorded without ") for line in told)
    assert (found.command.tool, found.where.project, found.reason.text) == (
        "terraform",
        "shop",
        "why",
    )
    assert (found.actor.id or "").startswith("os:")
    event_of(found)
