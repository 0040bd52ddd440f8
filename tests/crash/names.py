"""Whether names and small files were durable in time, told from a trace of system calls.

Pure: lines of strace(1) with `-y` come in, what a power loss could take comes out. A new file is
synced before it takes over a name, and the directory of a new name before anything is promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

_CALL = re.compile(r"^\d+\s+(?P<call>\w+)\((?P<rest>.*)= (?P<result>-?\d+)")
_OF_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_TWO_NAMES = re.compile(r'^"(?P<old>[^"]*)", "(?P<new>[^"]*)"')
_ONE_NAME = re.compile(r'^"(?P<path>[^"]*)"')
_SYNCS = ("fsync", "fdatasync")
_WRITES = ("write", "pwrite64", "ftruncate")


class Names:
    """Follows a trace; `late` are the places where a sync was missing."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._dirty: set[str] = set()
        self._unnamed: dict[str, str] = {}
        self.late: list[str] = []

    def follow(self, lines: Iterable[str]) -> None:
        for line in lines:
            match = _CALL.match(line)
            if match is not None and not match["result"].startswith("-"):
                self._follow(match["call"], match["rest"])

    def _follow(self, call: str, rest: str) -> None:
        of_file = _OF_FILE.match(rest)
        if call == "writev" and "ack " in rest:
            self.late += [f"promised, but {what}" for what in self._unnamed.values()]
            self._unnamed.clear()
        elif call == "rename" and (names := _TWO_NAMES.match(rest)) is not None:
            self._renamed(names["old"], names["new"])
        elif call == "mkdir" and (name := _ONE_NAME.match(rest)) is not None:
            self._named(name["path"])
        elif of_file is not None and call in _SYNCS:
            self._synced(of_file["path"])
        elif of_file is not None and call in _WRITES:
            self._dirty.add(of_file["path"])

    def _renamed(self, old: str, new: str) -> None:
        if old in self._dirty:
            self.late.append(f"{PurePath(new).name}: took its name before it was synced")
        self._named(new)

    def _named(self, path: str) -> None:
        if path.startswith(self._prefix):
            self._unnamed[path] = f"{PurePath(path).name}: its name was not synced"

    def _synced(self, path: str) -> None:
        self._dirty.discard(path)
        inside = [name for name in self._unnamed if str(PurePath(name).parent) == path]
        for name in inside:
            del self._unnamed[name]
