"""Where actors stand, each in a small file: `follow.actor.Bookmarks` for a directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from deploytrail.errors import Conflict, Malformed
from deploytrail.stores.files import make_directory, replace_file

_is_name: Final = re.compile(r"[a-z][a-z0-9-]{0,62}").fullmatch
_is_number: Final = re.compile(rb"(0|[1-9][0-9]{0,15})\n").fullmatch


class FileBookmarks:
    """A file for each name, in a directory that is made with the first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, name: str) -> int | None:
        try:
            octets = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        if _is_number(octets) is None:
            raise Malformed(
                f"{self._path(name)}: expected the index of an entry in one line, found "
                f"{octets[:40]!r}; write there from which index on {name} is to act"
            )
        return int(octets)

    def replace(self, name: str, expected: int | None, new: int) -> None:
        found = self.load(name)
        if found != expected:
            raise Conflict(
                f"{self._path(name)}: expected {expected}, found {found}; another process moves "
                f"{name}"
            )
        make_directory(self._directory)
        replace_file(self._path(name), b"%d\n" % new)

    def _path(self, name: str) -> Path:
        if _is_name(name) is None:
            raise Malformed(
                f"name: expected small letters, digits and hyphens, found {name[:80]!r}"
            )
        return self._directory / name
