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
            for file, unread in sorted(_within(path)):
                why = unread or _refusal(file, names)
                if why is None:
                    all_.files.append(file)
                else:
                    all_.left_out.append((file, why))
        elif path.exists():
            all_.files.append(path)
        else:
            raise NotFound(f"{path}: expected a file or a folder, found nothing there")
    return all_


def _within(folder: Path) -> Iterator[tuple[Path, str]]:
    """Its files, and with the reason the folders that were not looked into."""
    closed: list[OSError] = []
    for base, folders, files in os.walk(folder, onerror=closed.append):
        here = Path(base)
        yield from ((here / name, "") for name in files)
        yield from ((here / name, "a link") for name in folders if (here / name).is_symlink())
    for error in closed:
        yield Path(error.filename), "it can't be looked into"


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


class _State(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file as it was when it was opened, and up to where it was taken in.

    `head` is a hash of its first bytes, at most `size`: it tells whether it is still the same one.
    """

    head: str
    end: int
    size: int
    changed_ns: int = 0
    is_whole: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """`entries` is how many the log had at least, once it held what is said of the files."""

    entries: int
    files: dict[str, _State]


class Reading:
    """A file that is being taken in: where to go on, and how far it is."""

    def __init__(self, of: dict[str, _State], path: Path, stream: IO[bytes]) -> None:
        self._of = of
        # A name may be no UTF-8, which JSON is.
        self._path = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
        self._stream = stream
        self._known = of.get(self._path)
        # Before it is read: what is written to it while it is read is still to be taken in.
        self._now = _state(stream, _HEAD_BYTES)

    def since(self, *, is_lines: bool) -> int:
        """Where to go on; 0 for a file that is new, or another than it was.

        Of lines more may have come since. A document that changed is taken in anew.
        """
        known = self._known
        if known is None or not (self.is_taken() or (is_lines and self._is_same(known))):
            return 0
        return known.end

    def is_taken(self) -> bool:
        """Whether nothing changed since all of it was taken in."""
        known = self._known
        if known is None or not known.is_whole:
            return False
        is_untouched = (known.size, known.changed_ns) == (self._now.size, self._now.changed_ns)
        return is_untouched and self._is_same(known)

    @property
    def end(self) -> int:
        """Up to where it is taken in, as was said last."""
        found = self._of.get(self._path)
        return 0 if found is None else found.end

    def reach(self, end: int, *, is_whole: bool = False) -> None:
        # Last of all: when there are too many, the oldest are forgotten.
        self._of.pop(self._path, None)
        self._of[self._path] = msgspec.structs.replace(self._now, end=end, is_whole=is_whole)

    def _is_same(self, known: _State) -> bool:
        """Whether it begins as it did, however much came behind that."""
        now = _state(self._stream, min(_HEAD_BYTES, known.size))
        return now.size >= known.size and now.head == known.head


class Reached:
    """How far files were taken in, of one trail over one connection."""

    def __init__(self, folder: Path, name: str, *, entries: int) -> None:
        """`entries` are those of the log: of one that was restored from before, nothing is kept."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._path = folder / f"{digest}.json"
        self._entries = entries
        found = self._load()
        self._files = found.files if found.entries <= entries else {}

    def reading(self, path: Path, stream: IO[bytes]) -> Reading:
        return Reading(self._files, path, stream)

    def grown(self, entries: int) -> None:
        """So many more stand in the log."""
        self._entries += entries

    def save(self) -> bool:
        """Whether it could be kept."""
        newest = dict(list(self._files.items())[-_WRITTEN_MAX:])
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(_Kept(self._entries, newest)))
            partial.replace(self._path)
        except OSError:
            return False
        return True

    def _load(self) -> _Kept:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_FILE_BYTES_MAX), type=_Kept)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return _Kept(0, {})


def _state(stream: IO[bytes], head_bytes: int) -> _State:
    descriptor = stream.fileno()
    about = os.fstat(descriptor)
    head = os.pread(descriptor, min(head_bytes, about.st_size), 0)
    return _State(
        head=hashlib.sha256(head).hexdigest(),
        end=0,
        size=about.st_size,
        changed_ns=about.st_mtime_ns,
    )
