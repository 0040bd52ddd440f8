"""Spools as one file that can be carried elsewhere: one after the other, as they are.

What signs them is gone with their runs, so nobody can change on the way what they say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from deploytrail.spool.line import LINE_BYTES_MAX
from deploytrail.wrapper.spool_file import sync


def export(spools: Sequence[Path], target: Path) -> int:
    """How many spools a new file (0600) now holds, durably; raises OSError, also where it is there.

    Stopped before the link, a hidden file remains.
    """
    partial = target.with_name(f".{target.name}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    count = 0
    try:
        with open(os.open(partial, flags, 0o600), "wb") as file:  # noqa: PTH123 (a descriptor)
            for each in spools:
                # Another run may have drained it meanwhile.
                with suppress(FileNotFoundError), each.open("rb") as spool:
                    _copy(spool, file)
                    count += 1
        sync(partial)
        # Unlike a rename, a link replaces nothing.
        os.link(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    sync(target.absolute().parent)
    return count


def _copy(spool: BinaryIO, file: BinaryIO) -> None:
    while line := spool.readline(LINE_BYTES_MAX + 2):
        if not line.endswith(b"\n"):
            # Torn by a crash: behind it, the next spool would be torn, too.
            return
        file.write(line)
