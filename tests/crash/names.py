"""Whether names and small files were durable in time, told from a trace of system calls.

Pure: lines of strace(1) with `-y` come in, what a power loss could take comes out. A new file is
synced before it takes over a name; before anything is promised, so is every file that was written
and the directory of every name that came or went. A fence falls when what it guards was synced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

_CALL = re.compile(r"^\d+\s+(?P<call>\w+)\((?P<rest>.*)= (?P<result>-?\d+)")
_OF_FILE = re.compile(r"^\d+<(?P<path>[^>]*)>")
_TWO_NAMES = re.compile(r'^"(?P<old>[^"]*)", "(?P<new>[^"]*)"')
_ONE_NAME = re.compile(r'^"(?P<path>[^"]*)"')
_OPENED = re.compile(r'^AT_FDCWD[^,]*, "(?P<path>[^"]*)", (?P<flags>[A-Z_|]+)')
_SYNCS = ("fsync", "fdatasync")
_WRITES = ("write", "pwrite64", "ftruncate")
_FOR_NOBODY = (".lock", "-shm")
"""Nobody holds a lock when the power comes back; the index of a write-ahead log is made anew."""
_OF_SQLITE = (".db", "-wal")
"""What of their bytes has to be synced when, `test_power_loss.py` knows better."""
_GUARDED = ("log.db", "keys.db")


class Names:
    """Follows a trace; `late` are the places where a sync was missing."""

    def __init__(self, prefix: str, existing: Iterable[str] = ()) -> None:
        """`existing` are the paths below `prefix` that stood there before."""
        self._prefix = prefix
        self._existing = {*existing}
        self._empty: set[str] = set()
        """Made, and nothing written yet: such a file says nothing."""
        self._synced_once: set[str] = set()
        self._falls_in = ""
        """The directory whose fence is gone and not yet durably so."""
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
            self._promised()
        elif call in {"rename", "link"} and (names := _TWO_NAMES.match(rest)) is not None:
            self._renamed(names["old"], names["new"], is_moved=call == "rename")
        elif call == "unlink" and (name := _ONE_NAME.match(rest)) is not None:
            self._unlinked(name["path"])
        elif call == "openat" and (opened := _OPENED.match(rest)) is not None:
            if "O_CREAT" in opened["flags"] and opened["path"] not in self._existing:
                self._empty.add(opened["path"])
        elif call == "mkdir" and (name := _ONE_NAME.match(rest)) is not None:
            self._named(name["path"])
        elif of_file is not None and call in _SYNCS:
            self._synced(of_file["path"])
        elif of_file is not None and call in _WRITES:
            self._written(of_file["path"], is_cut=call == "ftruncate")

    def _written(self, path: str, *, is_cut: bool) -> None:
        if path in self._empty and not is_cut:
            self._empty.discard(path)
            self._named(path)
        if self._falls_in and path.endswith("-wal") and not is_cut:
            # That SQLite syncs the directory of a write-ahead log is nothing to build on.
            self._falls_in = ""
            self.late.append("fence: behind it something was written before its fall was synced")
        # What has no name below ours is nobody's but the writer's.
        if path in self._existing:
            self._dirty.add(path)

    def _promised(self) -> None:
        unsynced = [
            f"{PurePath(path).name}: its bytes were not synced"
            for path in self._dirty
            if not path.endswith((*_OF_SQLITE, *_FOR_NOBODY))
        ]
        self.late += [f"promised, but {what}" for what in (*self._unnamed.values(), *unsynced)]
        self._unnamed.clear()

    def _renamed(self, old: str, new: str, *, is_moved: bool) -> None:
        if old in self._dirty:
            self.late.append(f"{PurePath(new).name}: took its name before it was synced")
            self._dirty.discard(old)
        if is_moved:
            self._unnamed.pop(old, None)
        self._named(new)

    def _named(self, path: str) -> None:
        if path.startswith(self._prefix) and not path.endswith(_FOR_NOBODY):
            self._existing.add(path)
            self._unnamed[path] = f"{PurePath(path).name}: its name was not synced"

    def _unlinked(self, path: str) -> None:
        self._dirty.discard(path)
        # What came and went since the last promise, nobody was told of.
        self._existing.discard(path)
        if self._unnamed.pop(path, None) is None and PurePath(path).name == "fence":
            self._falls_in = str(PurePath(path).parent)
            beside = [str(PurePath(path).with_name(name)) for name in _GUARDED]
            self.late += [
                f"fence: fell before {PurePath(one).name} was synced"
                for one in beside
                if one not in self._synced_once
            ]

    def _synced(self, path: str) -> None:
        self._dirty.discard(path)
        self._synced_once.add(path)
        if path == self._falls_in:
            self._falls_in = ""
        inside = [name for name in self._unnamed if str(PurePath(name).parent) == path]
        for name in inside:
            del self._unnamed[name]
