"""The help of every verb as a page: `python -m tools.cli_docs --write` or `--check`

docs/cli.md is what `deploytrail … --help` prints, so that it can't say anything else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD: Final = """\
# Commands

This page is written by `python -m tools.cli_docs --write` from the program's own help.
"""
# Help is set to the width of its terminal, and some of it to the user: both are fixed here.
PLAIN: Final = {
    "COLUMNS": "98",
    "TERMINAL_WIDTH": "98",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
    "PATH": os.defpath,
    # The program beside this tool, whatever is installed.
    "PYTHONPATH": str(PAGE.parent.parent / "src"),
}


def page(helps: list[tuple[str, str]]) -> str:
    """Pairs of command and what its `--help` prints, as Markdown, in their order."""
    sections = [f"## {command}\n\n```text\n{text}\n```\n" for command, text in helps]
    return "\n".join([HEAD, *sections])


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every visible command below a group, depth first; the group itself first."""
    yield path
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if not command.hidden:
            yield from commands(command, (*path, name))


def help_of(words: tuple[str, ...]) -> tuple[str, str]:
    """What a user sees: the real program in a process of its own, `run` included."""
    printed = subprocess.run(
        [sys.executable, "-m", "deploytrail", *words, "--help"],
        env=PLAIN,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [
        line.rstrip()
        for line in printed.replace("python -m deploytrail", "deploytrail").split("\n")
    ]
    return " ".join(("deploytrail", *words)), "\n".join(lines).strip("\n")


def generated() -> str:
    """The page as it should be. Raises CalledProcessError where a verb can't print its help."""
    program = get_command(import_module("deploytrail.cli").app)
    with ThreadPoolExecutor(2) as pool:
        return page(list(pool.map(help_of, commands(program))))


def main(arguments: list[str]) -> int:
    if arguments not in (["--write"], ["--check"]):
        print("expected --write or --check", file=sys.stderr)
        return 2
    cli = find_spec("deploytrail.cli")
    if cli is None or cli.origin is None:
        print("There is no CLI yet, so there is no page about it.")
        return 0
    text = generated()
    if arguments == ["--write"]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/cli.md is not what --help prints: run 'python -m tools.cli_docs --write'")
        return 1
    print("docs/cli.md is what --help prints.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
