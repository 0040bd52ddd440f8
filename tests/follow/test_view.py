"""Views are functions of entries: nothing that makes one has a clock, in whatever form.

What a contract of imports sees and what it can't is looked for in the sources as well, and both are
tried on sources that have one.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deploytrail.follow.view import Read
from tests.conftest import ROOT

SOURCE = ROOT / "src"
ROOM = SOURCE / "deploytrail" / "index"
CONTRACT = "A view is given no clock, so that it says the same whenever it is built"
FORMS = {
    "by its names": "from deploytrail.clock import SystemClock",
    "by other names": "from deploytrail.clock import SystemClock as _Made",
    "as a module": "import deploytrail.clock",
    "as a module by another name": "import deploytrail.clock as _clock",
    "out of its package": "from deploytrail import clock",
    "out of its package by another name": "from deploytrail import clock as _clock",
    "in a function": "def _now():\n    from deploytrail import clock as _clock\n    return _clock",
    "for its types": "if TYPE_CHECKING:\n    from deploytrail.clock import Clock",
}
"""How a module gets at the clock, as the contract sees it."""
DETOURS = {
    "as a part of the package": "import deploytrail\nnow = deploytrail.clock.SystemClock().now()",
    "through who has one": "from deploytrail.follow.rounds import Clock",
    "through who has one, by another name": "from deploytrail.app.home import SystemClock as _Made",
    "with everything": "from deploytrail.clock import *",
}
"""How it might without importing it, or in a form that is not seen for a name."""


def clocks(source: str) -> Iterator[str]:
    """Each place where a source gets at the clock."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        else:
            continue
        yield from (
            f"line {node.lineno}: {name}"
            for name in names
            if f"{name}.".startswith("deploytrail.clock.")
            or name.rpartition(".")[2] in {"Clock", "SystemClock"}
        )


def makes_a_view(path: Path) -> bool:
    """Whether a module has a class with everything that makes a view."""
    return any(
        {"apply", "cursor", "erase"}
        <= {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )


@cache
def views() -> frozenset[Path]:
    return frozenset(path for path in SOURCE.rglob("*.py") if makes_a_view(path))


def test_a_view_is_given_no_clock() -> None:
    """Neither `Read` nor any module of a view has one, so that it can't depend on when."""
    assert ROOM / "engine.py" in views()
    follow = SOURCE / "deploytrail" / "follow"
    looked_at = views() | set(ROOM.rglob("*.py")) | {follow / "view.py", follow / "reading.py"}
    found = {path: [*clocks(path.read_text(encoding="utf-8"))] for path in looked_at}
    assert {str(path): places for path, places in found.items() if places} == {}
    assert Read._fields == ("first", "entries", "fields", "disclosures")


def test_the_contract_names_every_room_that_has_a_view() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        one for one in contracts["tool"]["importlinter"]["contracts"] if one["name"] == CONTRACT
    ]
    # Without an exception: that there is none is why a module that reads the clock is found.
    assert "ignore_imports" not in contract
    named = [Path(*module.split(".")) for module in contract["source_modules"]]
    for path in views():
        view = path.relative_to(SOURCE).with_suffix("")
        assert any(view.is_relative_to(room) for room in named), view


@pytest.mark.parametrize("form", FORMS | DETOURS)
def test_a_clock_in_a_view_is_found(form: str) -> None:
    plain = (ROOM / "engine.py").read_text(encoding="utf-8")
    assert [*clocks(plain)] == []
    assert len([*clocks(f"{plain}\n\n{(FORMS | DETOURS)[form]}\n")]) >= 1


def test_a_clock_in_any_module_of_the_index_breaks_the_contract(tmp_path: Path) -> None:
    """Each form in another module, of a copy of the sources."""
    copied = tmp_path / "src"
    shutil.copytree(SOURCE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert lint(tmp_path).returncode == 0
    room = copied / "deploytrail" / "index"
    modules = [room / "engine.py", room / "sqlite" / "store.py", room / "postgres" / "shelf.py"]
    modules += sorted(set(room.glob("*.py")) - {*modules, room / "__init__.py"})
    mutants = dict(zip(FORMS, modules, strict=False))
    assert len(mutants) == len(FORMS)
    for form, path in mutants.items():
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\nTYPE_CHECKING = False\n{FORMS[form]}\n")
    found = lint(tmp_path)
    assert found.returncode == 1
    told = " ".join(found.stdout.split())
    for form, path in mutants.items():
        module = ".".join(path.relative_to(copied).with_suffix("").parts)
        assert f"{module} -> deploytrail.clock" in told, (form, told)


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory / "src"), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
