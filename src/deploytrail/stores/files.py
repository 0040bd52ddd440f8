"""Small files, replaced whole or not at all, and the directories that they lie in."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploytrail.stores.sqlite.place import sync_directory


def replace_file(path: Path, octets: bytes) -> None:
    """Write a file (0600) so that a crash leaves the old one or the new one, durably.

    Stopped before the rename, the old file stands and a `.new` lies beside it, which the next
    call removes.
    """
    new = path.with_name(path.name + ".new")
    file = new_file(new)
    try:
        with open(file, "wb", closefd=False) as stream:
            stream.write(octets)
        os.fsync(file)
    finally:
        os.close(file)
    new.rename(path)
    sync_directory(path.parent)


def new_file(path: Path) -> int:
    """The descriptor of an empty file (0600), made in place of whatever a crash left there."""
    # A file that lies there may have other permissions, or be a link to somewhere else.
    path.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file (0600) that appears when the block ends, whole and durable; if it raises, not at all.

    Written beside its place, under a name that nothing else has. Raises FileExistsError where there
    is a file of that name.
    """
    if os.path.lexists(path):
        raise _exists(path)
    try:
        file, name = tempfile.mkstemp(prefix=".deploytrail-", dir=path.parent)
    except OSError as error:
        # The name that was asked for tells more than the one that was made up.
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None
    try:
        with open(file, "wb", closefd=False) as stream:
            yield stream
        os.fsync(file)
        _put(Path(name), path)
    finally:
        os.close(file)
        Path(name).unlink(missing_ok=True)
    sync_directory(path.parent)


def _put(new: Path, path: Path) -> None:
    # Unlike a rename, a link never takes the place of a file that came meanwhile.
    try:
        os.link(new, path)
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        if os.path.lexists(path):
            raise _exists(path) from None
        new.rename(path)


# What disks say that know no second name of a file: FAT, and some shares.
WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "File exists", str(path))


def make_directory(directory: Path) -> None:
    """Make a directory (0700) and what is missing above it, their names durable on return.

    Its own name is synced also where it exists: whoever made it may have been stopped before.
    """
    unnamed = [directory]
    while not unnamed[-1].parent.exists():
        unnamed.append(unnamed[-1].parent)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in reversed(unnamed):
        sync_directory(each.parent)
