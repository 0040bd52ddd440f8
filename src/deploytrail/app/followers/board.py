"""How the followers stand, written where others can see it: a small file beside the trail.

It says what no cursor can: what failed, and that it was given up. Nobody depends on it: where it
is absent or can't be read, nothing is known.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from deploytrail.clock import rfc3339
from deploytrail.follow.told import Standing
from deploytrail.stores.files import new_file

_BYTES_MAX: Final = 1_000_000


class Board(Struct, frozen=True, kw_only=True):
    """How they stood at a time (UTC, RFC 3339), as the process of that id had it.

    `published` is why publishing failed last, empty while it doesn't.
    """

    at: str
    process: int
    followers: tuple[Standing, ...]
    published: str = ""


class Writable(Protocol):
    """Where it is written how followers stand."""

    def write(self, at: datetime, followers: Sequence[Standing], *, published: str) -> None: ...
    def remove(self) -> None: ...


class NoBoard:
    """Where nobody else would find it."""

    def write(self, at: datetime, followers: Sequence[Standing], *, published: str) -> None:
        """Tells nobody."""

    def remove(self) -> None:
        """There is none."""


class FileBoard:
    """Written by one process, whole each time; not synced, since a crash ends what it tells."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, at: datetime, followers: Sequence[Standing], *, published: str) -> None:
        board = Board(
            at=rfc3339(at), process=os.getpid(), followers=tuple(followers), published=published
        )
        new = self._path.with_name(self._path.name + ".new")
        # A full disk must not end what it is only told about.
        with suppress(OSError):
            file = new_file(new)
            try:
                os.write(file, msgspec.json.encode(board))
            finally:
                os.close(file)
            new.rename(self._path)

    def remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def load_board(path: Path) -> Board | None:
    """What was written last; None where nobody follows, or that can't be read."""
    try:
        with path.open("rb") as stream:
            return msgspec.json.decode(stream.read(_BYTES_MAX), type=Board)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
