"""The house and its habits: what holds for every file, whatever it is about."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pytest_socket import SocketConnectBlockedError

from tests.conftest import ROOT, missing, tool

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MODULES = sorted(
    path for folder in ("src", "tests", "tools", "bench") for path in (ROOT / folder).rglob("*.py")
)
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 400
# In two halves, so that this file passes its own test.
FOREIGN = {
    "an address of a package registry": re.compile(
        r"py" r"pi\.org|python" r"hosted\.org|registry\.np" r"mjs|(deb|security)\.deb" r"ian\.org"
    ),
    "a path of one machine": re.compile(
        r"/wo" r"rk/|/fa" r"rm/|/ro" r"ot/|/Us" r"ers/|/tm" r"p/v/"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIV" r"ATE KEY-----"),
}
UNFINISHED = re.compile(
    r"TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error|mark\.(sk" r"ip|xf" r"ail)\b"
)
NAMELESS = {"base", "common", "core", "helpers", "manager", "service", "utils"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file that git keeps or would keep."""
    listing = subprocess.run(
        [tool("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / entry for entry in listing.split("\0") if entry]
    return {
        name(path): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.is_file()
    }


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(path: Path) -> Iterator[str]:
    """The top-level names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_file_contains(kind: str, texts: dict[str, str]) -> None:
    found = {
        path: hit.group() for path, text in texts.items() if (hit := FOREIGN[kind].search(text))
    }
    assert found == {}


def test_nothing_is_left_unfinished(texts: dict[str, str]) -> None:
    found = {
        path: hit.group()
        for path, text in texts.items()
        if path.endswith(".py") and (hit := UNFINISHED.search(text))
    }
    assert found == {}


def test_every_module_says_what_it_is_about_in_one_line() -> None:
    unsaid = []
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        lines = (ast.get_docstring(ast.parse(source)) or "").split("\n")
        is_empty_package = path.name == "__init__.py" and not source.strip()
        if not is_empty_package and (not lines[0] or (len(lines) > 1 and lines[1])):
            unsaid.append(name(path))
    assert unsaid == []


def test_files_are_short_enough_to_be_read() -> None:
    lengths = {name(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_functions_are_short_enough_to_be_read() -> None:
    long = {}
    for path in MODULES:
        for node in functions(path):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                long[f"{name(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_no_module_bears_a_name_that_says_nothing() -> None:
    assert [name(path) for path in MODULES if path.stem in NAMELESS] == []


def test_each_test_has_a_name_of_its_own() -> None:
    # A second function of the same name replaces the first, which is then never run.
    for path in (path for path in MODULES if path.name.startswith("test_")):
        tests = [
            node.name
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        assert len(tests) == len(set(tests)), name(path)


EXTRAS = {
    "web": "server",
    "witness": "server",
    "stores/postgres": "postgres",
    "index/postgres": "postgres",
}
"""The rooms that may import what an extra brings, and which."""


def installed(path: Path) -> set[str]:
    """What a module of ours may import: the base install, and the extra of its room."""
    declared = list(PYPROJECT["project"]["dependencies"])
    for room, extra in EXTRAS.items():
        if path.is_relative_to(ROOT / "src" / "deploytrail" / room):
            declared += PYPROJECT["project"]["optional-dependencies"][extra]
    names = {Requirement(line).name.split(".")[0].replace("-", "_") for line in declared}
    # Every type checker has `_typeshed`; nothing else could import it.
    return {"deploytrail", *sys.stdlib_module_names, "compression", "_typeshed", *names}


def test_the_package_imports_only_what_its_install_has() -> None:
    foreign = {
        name(path): sorted(set(imported(path)) - installed(path))
        for path in MODULES
        if path.is_relative_to(ROOT / "src") and not set(imported(path)) <= installed(path)
    }
    assert foreign == {}


def requirement_lines() -> Iterator[tuple[str, str]]:
    """The line above each requirement of pyproject.toml, and the requirement."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(
        r"^(?:dependencies|dev|requires) = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE
    )
    for block in lists:
        lines = [line.strip() for line in block.split("\n")]
        yield from (
            (lines[at - 1], line.strip('",')) for at, line in enumerate(lines) if line[:1] == '"'
        )


def test_every_dependency_has_a_reason() -> None:
    reasons = {requirement: above for above, requirement in requirement_lines()}
    # The build's own requirement stands on one line: its reason is above the key.
    declared = {*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]}
    assert declared <= set(reasons)
    assert [entry for entry in declared if not re.fullmatch(r"# .+\.", reasons[entry])] == []


def locked(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Name to version and hashes, of each requirement of a lock."""
    found: dict[str, tuple[str, list[str]]] = {}
    joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in joined.split("\n"):
        if line and not line.lstrip().startswith("#"):
            pin = re.match(r"([A-Za-z0-9._-]+)==([^ ]+)", line)
            assert pin, f"{name(path)}: not pinned: {line[:80]}"
            found[canonicalize_name(pin[1])] = (
                pin[2],
                re.findall(r"--hash=sha256:[0-9a-f]{64}", line),
            )
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_pinned_and_hashed(lock: Path) -> None:
    pins = locked(lock)
    assert pins
    assert [entry for entry, (_, hashes) in pins.items() if not hashes] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_says_nothing_about_where_files_come_from(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", text)) - {"--hash", "-r"}
    assert options == set()
    assert "://" not in text
    assert " @ " not in text


def test_the_lock_holds_what_the_project_asks_for() -> None:
    pins = locked(ROOT / "requirements" / "dev.txt")
    asked = [
        Requirement(line)
        for line in (
            *PYPROJECT["project"]["dependencies"],
            *PYPROJECT["dependency-groups"]["dev"],
            *PYPROJECT["build-system"]["requires"],
        )
    ]
    assert [str(wish) for wish in asked if canonicalize_name(wish.name) not in pins] == []
    unmet = [str(w) for w in asked if not w.specifier.contains(pins[canonicalize_name(w.name)][0])]
    assert unmet == [], "run tools/lock"


def test_the_commands_of_make_are_those_that_contributing_tells() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    told = re.findall(
        r"^\| `make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    commands = phony[1].split()
    assert sorted(told) == sorted(set(commands) - {"help"})
    listed = subprocess.run(
        [tool("make"), "-s", "-C", str(ROOT), "help"], check=True, capture_output=True, text=True
    ).stdout
    assert [line.split()[1] for line in listed.split("\n") if line.startswith("make ")] == commands


def test_the_program_starts_without_a_terminal_framework() -> None:
    if find_spec("deploytrail.__main__") is None:
        missing("there is no deploytrail.__main__ yet")
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, deploytrail.__main__; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert {"typer", "click", "rich"}.isdisjoint(loaded)
    assert "deploytrail.__main__" in loaded


def test_the_network_is_closed() -> None:
    # TEST-NET-1 (RFC 5737): even if this got out, it would reach nobody.
    with pytest.warns(UserWarning, match="192.0.2.1"), pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 9), timeout=1)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
