"""The program as its users start it: a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

PROGRAM = [sys.executable, "-m", "deploytrail"]
ANSWERING = """
import io, json, os, sys
from deploytrail.cli.program import main

def answer(words):
    streams = sys.stdout, sys.stderr = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in "oe"]
    code = main(words)
    for stream in streams:
        stream.flush()
    return [code, *(stream.buffer.getvalue().decode() for stream in streams)]
"""
"""How a program of Python's begins that gives many commands their answers."""
MANY = f"""{ANSWERING}
answers = [answer(words) for words in json.load(sys.stdin)]
json.dump(answers, sys.__stdout__)
"""
Answer = tuple[int, str, str]
"""Exit code, standard output, standard error."""


class Program:
    """`deploytrail` in an empty home, away from whatever this machine says of itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "trail"
        self.user = folder / "user"
        self.user.mkdir(exist_ok=True)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.user),
            "DEPLOYTRAIL_HOME": str(self.home),
            "XDG_STATE_HOME": str(folder / "state"),
            "LC_ALL": "C.UTF-8",
            # This checkout's own program, whatever is installed.
            "PYTHONPATH": str(ROOT / "src"),
        }

    def __call__(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        environ = self.environ | options.pop("environ", {})
        return subprocess.run(
            [*PROGRAM, *map(str, words)],
            env=environ,
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=None if "input" in options else subprocess.DEVNULL,
            **options,
        )

    def many(self, calls: dict[str, list[str]]) -> dict[str, Answer]:
        """The answer to each of many calls, one after the other: a process for each takes long."""
        done = subprocess.run(
            [sys.executable, "-c", MANY],
            env=self.environ,
            cwd=self.folder,
            check=True,
            input=json.dumps(list(calls.values())),
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        answers = json.loads(done.stdout)
        return {case: tuple(each) for case, each in zip(calls, answers, strict=True)}

    def json(self, *words: str | Path, **options: Any) -> Any:
        """The one JSON document that a successful command prints."""
        done = self(*words, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lines(self, *words: str | Path, **options: Any) -> list[Any]:
        """The JSON lines that a command prints, whatever its exit code."""
        return [json.loads(line) for line in self(*words, **options).stdout.splitlines()]


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a failed command: exactly one line, and nothing for programs to misread."""
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").rstrip("\n")
