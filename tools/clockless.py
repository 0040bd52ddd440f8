"""Finds what reads time or randomness without the clock: `python -m tools.clockless FOLDER…`

The import contracts keep `time`, `random`, `uuid` and `secrets` to `clock.py`. This looks for what
hides in modules that everybody may import: `datetime.now()`, `os.urandom()`, a generated key; under
whatever name they were imported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

READERS: Final = frozenset(
    {
        "datetime.now",
        "datetime.today",
        "datetime.utcnow",
        "date.today",
        "os.urandom",
        "os.getrandom",
        # Keys come from the clock's random bytes, so that a test's keys are the same each time.
        "Ed25519PrivateKey.generate",
        "AESGCM.generate_key",
    }
)
CLOCK: Final = "clock.py"


def readings(source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each use of time or randomness; a mere mention counts as one."""
    tree = ast.parse(source)
    named = _renamed(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = ".".join(_dotted(node, named)[-2:])
            if name in READERS:
                yield node.lineno, name
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (
                (node.lineno, f"os.{alias.name}")
                for alias in node.names
                if f"os.{alias.name}" in READERS
            )


def _renamed(tree: ast.Module) -> dict[str, str]:
    """What is called otherwise here than where it comes from."""
    return {
        alias.asname: alias.name.split(".")[-1]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _dotted(node: ast.expr, named: Mapping[str, str]) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value, named), node.attr]
    return [named.get(node.id, node.id)] if isinstance(node, ast.Name) else [""]


def main(folders: list[str]) -> int:
    found = [
        f"{path}:{line}: {name} outside of {CLOCK}: take it from the Clock that is passed in"
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        if path.name != CLOCK
        for line, name in readings(path.read_text(encoding="utf-8"))
    ]
    print("\n".join(found) or "Time and randomness come from the clock alone.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
