"""Where a database lies: its files' identity, its fence, and whether its disk can be trusted.

A database is three files that SQLite keeps open. If one of them is unlinked or replaced below us,
commits succeed into nowhere; so their inodes are compared before each commit.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from deploytrail.errors import Fenced, Misconfigured

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs",
}  # fmt: skip
_SYNC_UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
MOUNTS = Path("/proc/self/mountinfo")

Identity = tuple[tuple[int, int] | None, ...]


def identity(database: Path) -> Identity:
    """(device, inode) of the database, its write-ahead log and its index; None where absent."""
    return tuple(_identity(f"{database}{suffix}") for suffix in ("", "-wal", "-shm"))


def is_first_use(before: Identity, after: Identity) -> bool:
    """SQLite makes `-wal` and `-shm` when they are first needed; that replaces nothing."""
    return all(old is None or old == new for old, new in zip(before, after, strict=True))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (a string: this runs before each commit)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def refuse_network(directory: Path, *, mounts: Path = MOUNTS) -> None:
    """Raise Misconfigured on a network file system: its locks and syncs keep no promise."""
    kind = filesystem(directory, mounts=mounts)
    if kind in _NETWORK:
        raise Misconfigured(
            f"{directory}: expected a local disk, found the network file system {kind}; "
            "locks and syncs don't hold there. Choose a local directory, or PostgreSQL"
        )


def filesystem(directory: Path, *, mounts: Path = MOUNTS) -> str:
    """The kind of file system that holds a directory; empty where the system doesn't tell."""
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return mounted(str(directory.resolve()), text)


def mounted(path: str, mounts: str) -> str:
    """The type of the longest mount point above `path`, from the text of mountinfo (proc(5))."""
    best, kind = "", ""
    for line in mounts.split("\n"):
        left, dash, right = line.partition(" - ")
        point = left.split(" ")[4] if dash and left.count(" ") >= 4 else ""
        point = point.replace("\\040", " ")
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if point and is_above and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind


def refuse_fenced(fence: Path) -> None:
    """Raise Fenced while the fence stands. One system call when it does not."""
    if not os.access(fence, os.F_OK):
        return
    try:
        # Whoever raises it may have made the file and not yet written into it.
        reason = fence.read_text(encoding="utf-8", errors="replace").strip() or "just now"
    except OSError:
        reason = "the fence can't be read"
    raise Fenced(
        f"the log is fenced: {reason}. No entry is taken until "
        "'deploytrail doctor --clear-fence' has examined it"
    )


def raise_fence(fence: Path, reason: str) -> None:
    """Write the fence durably. Where even that fails, this process still refuses."""
    with suppress(OSError):
        file = os.open(fence, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{reason}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        sync_directory(fence.parent)


def sync_directory(directory: Path) -> None:
    """Make the directory's names durable; raises OSError where that fails.

    A file system that knows no sync of directories is believed to need none.
    """
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _SYNC_UNKNOWN:
            raise
    finally:
        os.close(file)
