"""The page of commands: every visible verb, in order, as a user sees it."""

from __future__ import annotations

import typer
from typer.main import get_command

from tools.cli_docs import commands, page

app = typer.Typer()
config = typer.Typer()
app.add_typer(config, name="config")


@app.command()
def verify() -> None: ...


@app.command(hidden=True)
def secret() -> None: ...


@config.command()
def check() -> None: ...


@config.command()
def apply() -> None: ...


def test_every_visible_verb_has_its_place() -> None:
    assert list(commands(get_command(app))) == [
        (),
        ("config",),
        ("config", "apply"),
        ("config", "check"),
        ("verify",),
    ]


def test_the_page_holds_what_help_prints() -> None:
    text = page([("deploytrail", "Usage: deploytrail"), ("deploytrail verify", "Usage: verify")])
    assert text.startswith("# Commands\n")
    assert "## deploytrail verify\n\n```text\nUsage: verify\n```\n" in text
