"""Leases of followers over what the stores offer: a file of a directory, a lock of a database."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

from deploytrail.errors import Unreachable
from deploytrail.stores.sqlite.locks import FileLock


def lease_file(directory: Path, name: str) -> Path:
    """The file that whoever moves the follower of that name holds."""
    return directory / f"follow-{name}.lock"


class FileLease:
    """`follow.lease.Lease` in a directory; the kernel lets go of it when its holder dies."""

    def __init__(self, directory: Path, name: str) -> None:
        self._lock = FileLock(lease_file(directory, name))

    def is_ours(self) -> bool:
        return self._lock.try_exclusive()

    def release(self) -> None:
        self._lock.release()

    def close(self) -> None:
        self._lock.close()


class Holding(Protocol):
    """A lease of a database, held by a connection of its own until that is closed or lost."""

    def held(self, *, seconds_max: float) -> AbstractContextManager[None]: ...
    def try_hold(self) -> bool: ...
    @property
    def is_held(self) -> bool: ...
    def close(self) -> None: ...


class DatabaseLease:
    """`follow.lease.Lease` in a database; a lost connection is a lost lease."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._has_it = False

    def is_ours(self) -> bool:
        # Asked for only where it is not held: each time that it is taken counts.
        if not (self._has_it and self._holding.is_held):
            self._has_it = False
            self._has_it = self._holding.try_hold()
        return self._has_it

    def release(self) -> None:
        self._has_it = False
        with suppress(Unreachable):
            self._holding.close()

    def close(self) -> None:
        self.release()
