"""Small files, replaced whole or not at all, and the directories that they lie in."""

from __future__ import annotations

import errno
import os
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
    """A file that appears when the block ends, whole and durable; where it raises, not at all.

    Written beside its place. Raises FileExistsError where there is a file of that name.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, "File exists", str(path))
    new = path.with_name(path.name + ".new")
    file = new_file(new)
    try:
        with open(file, "wb", closefd=False) as stream:
            yield stream
        os.fsync(file)
        # Unlike a rename, a link never takes the place of a file that came meanwhile.
        os.link(new, path)
    finally:
        os.close(file)
        new.unlink(missing_ok=True)
    sync_directory(path.parent)


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
