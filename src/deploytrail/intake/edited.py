"""One value of a TOML text changed in place: whatever else people wrote there stays.

Pure.
"""

from __future__ import annotations

import tomllib

from deploytrail.errors import Misconfigured
from deploytrail.toml_line import Path, line_at


def edited(text: str, path: Path, value: str) -> str:
    """The text in which the statement that says a path says `value`, a value as TOML writes it.

    Raises Misconfigured where that can't be found as a statement of its own, as `NAME = VALUE`.
    """
    name = str(path[-1])
    begin = line_at(text, path)
    lines = text.split("\n")
    if begin is not None and lines[begin - 1].lstrip().startswith(name):
        indent = lines[begin - 1][: -len(lines[begin - 1].lstrip()) or None]
        for end in range(begin, len(lines) + 1):
            made = "\n".join([*lines[: begin - 1], f"{indent}{name} = {value}", *lines[end:]])
            if _is_toml("\n".join(lines[:end])) and _is_toml(made):
                return made
    raise Misconfigured(
        f"{'.'.join(map(str, path))}: expected a line '{name} = …' of its own, found none; write "
        f"there {name} = {value}"
    )


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
