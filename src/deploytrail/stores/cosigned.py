"""What a witness cosigned of each log, in small files of their own.

`cosigned/<sha256(origin)>` has the newest checkpoint, with the log's signatures and ours;
`forks/<sha256(origin)>` two checkpoints of one size, where a log was found to have signed both.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from deploytrail.errors import Misconfigured
from deploytrail.stores.files import make_directory, replace_file

_BETWEEN: Final = b"\n---\n"


class CosignedFiles:
    """`witness.keeping.Kept` over a directory."""

    def __init__(self, directory: Path) -> None:
        self._cosigned = directory / "cosigned"
        self._forks = directory / "forks"
        if not self._cosigned.is_dir():
            # Beginning anew would mean to cosign what contradicts what was cosigned before.
            raise Misconfigured(
                f"{self._cosigned}: expected what this witness has cosigned, found nothing; "
                "restore it, or make a new witness with a new key: deploytrail witness init "
                "--home DIRECTORY"
            )

    @staticmethod
    def create(directory: Path) -> None:
        """Make the folders, their names durable on return."""
        make_directory(directory / "cosigned")
        make_directory(directory / "forks")

    def load(self, origin: str) -> bytes | None:
        return _read(self._cosigned / _name(origin))

    def all(self) -> list[bytes]:
        """The newest checkpoint of every log that was ever cosigned."""
        files = sorted(each for each in self._cosigned.iterdir() if each.suffix != ".new")
        return [each.read_bytes() for each in files]

    def replace(self, origin: str, note: bytes) -> None:
        replace_file(self._cosigned / _name(origin), note)

    def keep_fork(self, origin: str, before: bytes, now: bytes) -> None:
        path = self.fork_file(origin)
        if not path.exists():
            replace_file(path, before + _BETWEEN + now)

    def fork_file(self, origin: str) -> Path:
        return self._forks / _name(origin)

    def fork(self, origin: str) -> tuple[bytes, bytes] | None:
        """The pair that was kept, as it was given; None where there is none."""
        octets = _read(self.fork_file(origin))
        if octets is None:
            return None
        before, _, now = octets.partition(_BETWEEN)
        return before, now


def _name(origin: str) -> str:
    return hashlib.sha256(origin.encode("utf-8")).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
