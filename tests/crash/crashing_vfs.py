"""A file system below SQLite that writes down what SQLite asks of it, in order.

Everything is passed on to the real one, so that a database works as ever; `disk.states` then tells
what a power loss at any moment would have left. A file that is `deaf` has its syncs lost: that is
how the suite shows that it would notice.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from tests.crash.disk import Call, Sync, Told, Truncate, Write


class CrashingVfs(apsw.VFS):
    """`calls` grows while databases opened with `vfs=name` are used. `deaf` are file endings."""

    def __init__(self, name: str, *, deaf: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.deaf = deaf
        self.calls: list[Call] = []
        self._told = 0
        super().__init__(name, "")

    def told(self) -> None:
        """Note that somebody was promised something just now."""
        self._told += 1
        self.calls.append(Call("", Told(self._told)))

    def xOpen(  # noqa: N802 (SQLite's name)
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _CrashingFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's name)
        self.calls.append(Call(Path(filename).name, Truncate(0)))
        super().xDelete(filename, syncdir)


class _CrashingFile(apsw.VFSFile):
    def __init__(
        self, vfs: CrashingVfs, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path or "unnamed").name
        self._calls = vfs.calls
        self._is_deaf = any(self._name.endswith(each) for each in vfs.deaf)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        super().xWrite(data, offset)
        self._calls.append(Call(self._name, Write(offset, bytes(data))))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's name)
        super().xTruncate(newsize)
        self._calls.append(Call(self._name, Truncate(newsize)))

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        super().xSync(flags)
        if not self._is_deaf:
            self._calls.append(Call(self._name, Sync()))
