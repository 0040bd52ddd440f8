"""docs/connections.md shows what an import prints."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.program import Program
from tests.cli.test_import import call
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "connections.md").read_text(encoding="utf-8")
NAME = "111122223333_CloudTrail_eu-central-1_{}"
SHELL = f'deploytrail() {{ "{sys.executable}" -m deploytrail "$@"; }}\n'


def history(folder: Path) -> None:
    folder.mkdir()
    first = json.dumps({"Records": [call(1), call(2)]}).encode()
    (folder / f"{NAME.format(1)}.json.gz").write_bytes(gzip.compress(first))
    (folder / f"{NAME.format(2)}.json").write_text(json.dumps({"Records": [call(3)]}))
    (folder / "notes.txt").write_text("what these are")


def test_the_examples_print_what_they_say(program: Program) -> None:
    assert program("init").returncode == 0
    history(program.folder / "history")
    found = re.search(r"## Import\n.*?```console\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    examples = re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", found[1], re.MULTILINE)
    assert len(examples) == 4
    for command, expected in examples:
        done = subprocess.run(
            ["/bin/sh", "-c", SHELL + command], env=program.environ, cwd=program.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, expected), command
