"""Entries as readers see them: found by id, and revealed as far as the vault still knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from deploytrail import entry
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.errors import NotFound
from deploytrail.event import EventId
from deploytrail.log import merkle
from deploytrail.log.reading import bundle_entries, entries_from, entry_at
from deploytrail.log.store import Reader, Store, VaultRow
from deploytrail.log.tiles import WIDTH
from deploytrail.sentence import counted
from deploytrail.trail import Shown, Withheld
from deploytrail.vault import disclosure
from deploytrail.vault.conceal import reveal
from deploytrail.vault.keys import Keyring
from deploytrail.vault.listed import listed
from deploytrail.vault.subject import SUBJECT_BYTES, Subject

_ERASED: Final = b'"action":"audit.subject.erased"'
_SLACK_MICROSECONDS: Final = 60_000_000
_BUNDLES_BEFORE: Final = 4
_MOMENT_MAX: Final = 253_402_300_799_000_000
"""The end of the year 9999: a UUIDv7 can name later times, and no calendar of ours does."""


class Showing:
    """Reveals entries of one log. Remembers which subjects the log says were erased."""

    def __init__(self, store: Store, keyring: Keyring, origin: str) -> None:
        self._store = store
        self._keyring = keyring
        self._origin = origin
        self._subjects: dict[bytes, Subject | None] = {}
        self._erased: set[str] = set()
        self._erased_upto = 0

    def shown(self, reader: Reader, found: list[tuple[int, bytes]]) -> list[Shown]:
        """Each (index, entry) revealed; raises Tampered for a disclosure that doesn't belong."""
        fields = [entry.fields(octets) for _, octets in found]
        rows = _rows(reader, fields)
        return [
            self._shown(reader, index, octets, each, rows)
            for (index, octets), each in zip(found, fields, strict=True)
        ]

    def disclosures(self, reader: Reader, entries: Iterable[bytes]) -> dict[bytes, bytes]:
        """The JSON of what these entries list, by digest; what is gone is left out."""
        rows = _rows(reader, [entry.fields(octets) for octets in entries])
        found = {digest: self._opened(digest, rows) for digest in rows}
        return {digest: octets for digest, octets in found.items() if octets is not None}

    def _shown(
        self,
        reader: Reader,
        index: int,
        octets: bytes,
        fields: dict[str, Any],
        rows: dict[bytes, VaultRow],
    ) -> Shown:
        revealed = reveal(fields, lambda digest: self._opened(digest, rows))
        withheld = tuple(
            Withheld(
                pointer=pointer,
                state="redacted" if self._is_erased(reader, owner) else "missing",
            )
            for pointer, owner in revealed.withheld.items()
        )
        leaf = merkle.leaf_hash(octets).hex()
        return Shown(index=index, leaf=leaf, entry=octets, event=revealed.event, withheld=withheld)

    def _opened(self, digest: bytes, rows: dict[bytes, VaultRow]) -> bytes | None:
        """The disclosure's JSON, or None where it or its key is gone."""
        row = rows.get(digest)
        if row is None:
            return None
        id = row.key[:SUBJECT_BYTES]
        if id not in self._subjects:
            self._subjects[id] = self._keyring.subject(id)
        subject = self._subjects[id]
        if subject is None:
            return None
        return disclosure.unseal(subject, row.sealed, origin=self._origin, digest_expected=digest)

    def _is_erased(self, reader: Reader, subject: str) -> bool:
        """Whether an entry of the log says so. Absence of an entry is never taken for consent."""
        size = reader.tree().size
        for number in range(self._erased_upto // WIDTH, -(-size // WIDTH)):
            for octets in bundle_entries(reader, number, size):
                if _ERASED in octets:
                    targets = entry.fields(octets).get("targets", ())
                    self._erased |= {each.get("id") for each in targets}
        self._erased_upto = size
        return subject in self._erased


def _rows(reader: Reader, fields: Iterable[dict[str, Any]]) -> dict[bytes, VaultRow]:
    """The vault's rows for these entries, by the whole digest of what they disclose."""
    keys = {key: digest for each in fields for key, digest in listed(each).keys.items()}
    return {keys[key]: row for key, row in reader.disclosures(keys).items()}


def find_event(reader: Reader, event: EventId | int) -> tuple[int, bytes]:
    """(index, entry) of an event, by its id or by that index. Raises NotFound."""
    if isinstance(event, int):
        return event, entry_at(reader, event)
    return _find_id(reader, event)


def _find_id(reader: Reader, id: EventId) -> tuple[int, bytes]:
    """By bisection, then by a scan.

    A UUIDv7 says when the event was made, which is mostly just before it was logged: the scan
    begins a little before that time, oldest first, and only then looks at what was logged before.
    Somebody may send the id of another's event once more, under a delivery of its own: the first
    one since that time is it.
    """
    size = reader.tree().size
    start = _first_logged_since(reader, size, _made(id) - _SLACK_MICROSECONDS)
    begin = max(0, start // WIDTH - _BUNDLES_BEFORE)
    found = _first_of(reader, id, range(begin, -(-size // WIDTH)))
    if found is None or found[0] < start:
        # Logged before its own time: so may others be, that came before.
        found = _first_of(reader, id, range(begin)) or found
    if found is None:
        raise NotFound(
            f"event {id}: not in this log of {counted(size, 'entry')}; 'deploytrail log' lists them"
        )
    return found


def _first_of(reader: Reader, id: EventId, bundles: Iterable[int]) -> tuple[int, bytes] | None:
    size = reader.tree().size
    wanted = f'"id":"{id}"'.encode()
    for number in bundles:
        entries = bundle_entries(reader, number, size)
        if wanted not in b"".join(entries):
            continue
        for at, octets in enumerate(entries, number * WIDTH):
            if wanted in octets and entry.fields(octets)["id"] == id:
                return at, octets
    return None


def _first_logged_since(reader: Reader, size: int, moment: int) -> int:
    """The first index logged at or after a time in microseconds; `logged` only rises."""
    text = rfc3339(at_microseconds(min(max(0, moment), _MOMENT_MAX)))
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        ((_, octets),) = entries_from(reader, middle, middle + 1)
        if entry.logged_of(octets) < text:
            low = middle + 1
        else:
            high = middle
    return low


def _made(id: EventId) -> int:
    try:
        return int(id.replace("-", "")[:12], 16) * 1000
    except ValueError:
        raise NotFound(f"event {id[:60]!r}: expected a UUIDv7") from None
