"""The files of an import: found in folders, opened with care, and how far each was taken in.

How far it was is only a help: taken in again, nothing changes. It is kept in the user's state
directory; where that can't be written, the next import begins anew.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from deploytrail.errors import Malformed, NotFound, NotPermitted

USUAL: Final = ("*.json", "*.jsonl", "*.ndjson", "*.log")
"""What files are called that hold events, also with `.gz` behind it."""
_HEAD_BYTES: Final = 4096
_FILE_BYTES_MAX: Final = 16 * 1024 * 1024
_WRITTEN_MAX: Final = 20_000


class Found(NamedTuple):
    """Files to take in, in order, and what of the folders was left out, each with the reason."""

    files: list[Path]
    left_out: list[tuple[Path, str]]


def found(paths: Sequence[Path], names: Sequence[str]) -> Found:
    """The files that were named, and those of folders whose names are usual.

    Raises NotFound for a path that is not there. Links within folders are not followed: what they
    lead to may be anywhere.
    """
    all_: Found = Found([], [])
    for path in paths:
        if path.is_dir():
            for file in sorted(_within(path)):
                why = _refusal(file, names)
                if why is None:
                    all_.files.append(file)
                else:
                    all_.left_out.append((file, why))
        elif path.exists():
            all_.files.append(path)
        else:
            raise NotFound(f"{path}: expected a file or a folder, found nothing there")
    return all_


def _within(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(base) / name for name in files)


def _refusal(file: Path, names: Sequence[str]) -> str | None:
    if file.is_symlink():
        return "a link"
    name = file.name.removesuffix(".gz")
    if not any(fnmatch.fnmatch(name, pattern) for pattern in (*USUAL, *names)):
        return "its name is none of a file of events"
    return None


def opened(path: Path) -> IO[bytes]:
    """A regular file, to be read; raises NotPermitted, and Malformed for what is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise NotPermitted(f"{path}: expected to read it, but you may not") from None
    except OSError as error:
        raise NotFound(f"{path}: can't be opened ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Malformed(f"{path}: expected a file, found a pipe, a device or a folder; use -")
    return os.fdopen(descriptor, "rb")


class _Reached(msgspec.Struct, omit_defaults=True):
    """Up to where a file was taken in; `head` tells whether it is still the same one."""

    head: str
    end: int
    size: int
    changed_ns: int = 0


class Reached:
    """How far files were taken in, of one trail over one connection."""

    def __init__(self, folder: Path, name: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._path = folder / f"{digest}.json"
        self._all = self._load()

    def end(self, path: Path, stream: IO[bytes], *, is_lines: bool) -> int:
        """Where to go on; 0 for a file that is new, or another than it was.

        Of lines more may have come since. A document that changed is taken in anew.
        """
        known = self._all.get(str(path.resolve()))
        if known is None:
            return 0
        now = _state(stream, known.end)
        is_same = now.head == known.head and now.size >= known.size
        if not is_lines:
            is_same &= (now.size, now.changed_ns) == (known.size, known.changed_ns)
        return known.end if is_same else 0

    def reach(self, path: Path, stream: IO[bytes], end: int) -> None:
        self._all[str(path.resolve())] = _state(stream, end)

    def save(self) -> bool:
        """Whether it could be kept."""
        newest = dict(list(self._all.items())[-_WRITTEN_MAX:])
        partial = self._path.with_suffix(".partial")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(newest))
            partial.replace(self._path)
        except OSError:
            return False
        return True

    def _load(self) -> dict[str, _Reached]:
        try:
            with self._path.open("rb") as file:
                octets = file.read(_FILE_BYTES_MAX)
            return msgspec.json.decode(octets, type=dict[str, _Reached])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}


def _state(stream: IO[bytes], end: int) -> _Reached:
    descriptor = stream.fileno()
    about = os.fstat(descriptor)
    head = os.pread(descriptor, min(_HEAD_BYTES, about.st_size), 0)
    return _Reached(
        head=hashlib.sha256(head).hexdigest(),
        end=end,
        size=about.st_size,
        changed_ns=about.st_mtime_ns,
    )
