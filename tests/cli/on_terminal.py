"""The program as somebody sees it who sits at a terminal."""

from __future__ import annotations

import re

from tests.cli.program import PROGRAM, Program
from tests.wrapper.terminal import Terminal

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
"""What sets a colour."""


def on_terminal(program: Program, *words: str, columns: int = 80, **environ: str) -> str:
    """What a person sees; the program has to end well."""
    environ = program.environ | {"TERM": "xterm-256color"} | environ
    with Terminal([*PROGRAM, *words], columns=columns, env=environ) as terminal:
        assert terminal.wait() == 0
        return terminal.seen.decode().replace("\r\n", "\n")
