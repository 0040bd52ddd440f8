"""What a log is read from where nobody may write: an export, or a directory's files.

`examined_trail` makes a trail of it, and says what is held against what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from deploytrail.app import home as homes
from deploytrail.app.events.reading import Opened, StoredVault, Vault, attached
from deploytrail.app.home import Home
from deploytrail.app.proofs.exported import ExportedEvidence
from deploytrail.errors import NotFound, NotPermitted, Tampered
from deploytrail.log.reading import whole_note
from deploytrail.log.store import LogReader
from deploytrail.log.tiles import WIDTH
from deploytrail.stores.sqlite.examined import ExaminedKeys, ExaminedLog, examined, unreadable

CONCEALED = "names, reasons and values"
"""What an event conceals, in short."""
_Reads = TypeVar("_Reads", bound=LogReader)


class HandedOver(Protocol[_Reads]):
    """A log to be read, with what came with it.

    `policy` tells its keys, None where nothing did. `unseen` says in a sentence what of it can't
    be shown, and why; empty where everything can. `is_live` tells a log that may still grow from
    a copy of how it once stood.
    """

    origin: str
    policy: bytes | None
    vault: Vault[_Reads]
    unseen: str
    is_live: bool

    @contextmanager
    def reading(self) -> Iterator[_Reads]: ...
    def note(self, reader: _Reads) -> bytes:
        """The newest checkpoint with its cosignatures; empty where there is none."""
        ...

    def attachment(self, reader: _Reads, index: int, octets: bytes, evidence: str) -> bytes:
        """As `trail.TrailReader.attachment`, of an entry; raises NotPermitted without its key."""
        ...

    def close(self) -> None: ...


class ExportReader:
    """An export as what a log is read from."""

    def __init__(self, export: ExportedEvidence) -> None:
        self._export = export

    def tree(self) -> ExportedEvidence:
        return self._export

    def bundle(self, number: int) -> bytes | None:
        is_full = (number + 1) * WIDTH <= self._export.size
        return self._export.bundle(number, WIDTH) if is_full else None

    def tail(self) -> list[tuple[int, int, bytes]]:
        number, width = divmod(self._export.size, WIDTH)
        octets = self._export.bundle(number, width) if width else None
        return [] if octets is None else [(number * WIDTH, width, octets)]

    def tile(self, level: int, number: int) -> bytes | None:
        return self._export.tile(level, number)

    def checkpoint(self) -> _Newest:
        return _Newest(self._export.size, self._export.newest)


class _Newest(NamedTuple):
    size: int
    note: bytes


class _ExportedVault:
    """The disclosures of an export, read once one is asked for."""

    def __init__(self, export: ExportedEvidence) -> None:
        self._export = export
        self._found: dict[bytes, bytes] | None = None

    @property
    def absent(self) -> Literal["missing", "withheld"]:
        return "withheld" if self._export.is_concealed else "missing"

    def opened(self, reader: ExportReader, fields: Iterable[dict[str, Any]]) -> Opened:
        if self._found is None:
            found, broken = self._export.disclosures()
            if broken:
                raise Tampered(broken[0])
            self._found = found
        return Opened(self._found.get)


class HandedExport:
    """`HandedOver` of an export's file."""

    is_live = False

    def __init__(self, path: Path) -> None:
        self._export = ExportedEvidence(path)
        self._reader = ExportReader(self._export)
        self.origin = self._export.origin
        self.policy: bytes | None = self._export.policy
        self.vault: Vault[ExportReader] = _ExportedVault(self._export)
        self.unseen = (
            f"{path}: {CONCEALED} were left out of this export" if self._export.is_concealed else ""
        )

    @contextmanager
    def reading(self) -> Iterator[ExportReader]:
        yield self._reader

    def note(self, reader: ExportReader) -> bytes:
        return self._export.newest

    def attachment(self, reader: ExportReader, index: int, octets: bytes, evidence: str) -> bytes:
        raise NotFound(
            f"attachment {evidence[:60]!r}: exports have none; ask whoever holds the trail for it"
        )

    def close(self) -> None:
        self._export.close()


class HandedDirectory:
    """`HandedOver` of a directory's files: no lock is taken, no file of it changed."""

    is_live = True

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        with ExitStack() as stack:
            self._log = ExaminedLog(stack.enter_context(examined(home.log)))
            stack.callback(self._log.close)
            with self.reading() as reader:
                self.origin = reader.tree().origin
            self.policy = home.policy.read_bytes() if home.policy.exists() else None
            self._keys, self.unseen = _keys(home, environment, stack)
            self._opened = stack.pop_all()
        subject_of = None if self._keys is None else self._keys.subject
        self.vault: Vault[ExaminedLog] = StoredVault(subject_of, self.origin)

    @contextmanager
    def reading(self) -> Iterator[ExaminedLog]:
        with unreadable("log.db"):
            self._log.renew()
            yield self._log

    def note(self, reader: ExaminedLog) -> bytes:
        newest = reader.checkpoint()
        return b"" if newest is None else whole_note(reader, newest.size, newest.note)

    def attachment(self, reader: ExaminedLog, index: int, octets: bytes, evidence: str) -> bytes:
        if self._keys is None:
            raise sealed_attachment(evidence)
        return attached(reader, index, octets, evidence, self._keys.secrets.attachment)

    def close(self) -> None:
        self._opened.close()


def sealed_attachment(evidence: str) -> NotPermitted:
    return NotPermitted(
        f"attachment {evidence[:60]!r}: concealed, and this trail's key is not at hand; "
        "ask whoever holds it"
    )


def _keys(
    home: Home, environment: Mapping[str, str], stack: ExitStack
) -> tuple[ExaminedKeys | None, str]:
    """The keyring; where it or its key can't be had, what that keeps from being shown."""
    try:
        wrapping = homes.wrapping_key(home, environment)
        connection = stack.enter_context(examined(home.keys))
    except (NotFound, NotPermitted) as error:
        return None, f"{home.directory}: {CONCEALED} can't be shown: {error}"
    return ExaminedKeys(connection, wrapping), ""
