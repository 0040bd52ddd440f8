"""A backup that comes from elsewhere: kept as two whole files, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from deploytrail.app.backups.backing_up import both, keys_beside, named
from deploytrail.app.backups.backup_file import KEYS_FORMAT, LOG_FORMAT, BackupFile
from deploytrail.errors import Tampered
from deploytrail.trail import Backup


def keep_backup(write: Callable[[IO[bytes], IO[bytes]], Backup], target: Path) -> Backup:
    """What `write` puts into the log's stream and the keys' gets its names once both are whole.

    Raises what `write` raises, FileExistsError where there is one of the files, Incomplete and
    Tampered where one is not what it says itself. Whether this trail made them is for `restore`,
    which has its key.
    """
    with both(target) as (log, keys):
        done = write(log, keys)
        _refuse_unlike(done, target, log, keys)
    return named(done, target)


def _refuse_unlike(done: Backup, target: Path, log: IO[bytes], keys: IO[bytes]) -> None:
    for path, format, stream in (
        (target, LOG_FORMAT, log),
        (keys_beside(target), KEYS_FORMAT, keys),
    ):
        stream.flush()
        stream.seek(0)
        # Of its own: the one that is written has no way to be read.
        with (
            os.fdopen(os.dup(stream.fileno()), "rb") as written,
            BackupFile(path, format, written) as file,
        ):
            file.refuse_damaged()
            said, standing = file.manifest, file.manifest.standing
        root = done.root if standing is None else standing.root
        if (said.origin, root) != (done.origin, done.root):
            raise Tampered(
                f"{path}: expected a backup of {done.origin} whose root is {done.root}, found "
                f"{said.origin} and {root}; nothing was written, take it again"
            )
