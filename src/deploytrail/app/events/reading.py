"""Entries as readers see them: found by id, and revealed as far as the vault still knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from deploytrail import entry
from deploytrail.app.events.erasures import Erasures
from deploytrail.app.events.signed import Signed
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.entry import base64url, unbase64url
from deploytrail.errors import NotFound
from deploytrail.event import EventId
from deploytrail.log import merkle
from deploytrail.log.reading import bundle_entries, entries_from, entry_at
from deploytrail.log.store import BUNDLES_A_MOMENT, LogReader, Reader, Reading, VaultRow
from deploytrail.log.tiles import WIDTH
from deploytrail.sentence import counted
from deploytrail.trail import Shown, Withheld
from deploytrail.vault import attachment, disclosure
from deploytrail.vault.conceal import reveal
from deploytrail.vault.listed import listed
from deploytrail.vault.subject import SUBJECT_BYTES, Subject

_SLACK_MICROSECONDS: Final = 60_000_000
_BUNDLES_BEFORE: Final = 4
_MICROSECONDS_MAX: Final = 253_402_300_799_000_000
"""The end of the year 9999: a UUIDv7 can name later times, and no calendar of ours does."""
_Reads = TypeVar("_Reads", bound=LogReader, contravariant=True)


class Opened(NamedTuple):
    """What of some entries' disclosures can be had.

    `json` gives a disclosure by its digest, None where there is none, and raises Tampered for one
    that doesn't belong. `sealed` names the subjects whose disclosures are there, but not their key.
    """

    json: Callable[[bytes], bytes | None]
    sealed: frozenset[str] = frozenset()


class Vault(Protocol[_Reads]):
    """Where the disclosures of one log are; `absent` says what it means that one is not there."""

    @property
    def absent(self) -> Literal["missing", "withheld"]: ...
    def opened(self, reader: _Reads, fields: Iterable[dict[str, Any]]) -> Opened:
        """The disclosures that entries with these fields list."""
        ...


class StoredVault:
    """Rows beside the log, opened by the keys of their subjects, as far as these are at hand.

    `subject_of` gives a subject by its id, None once it was erased; it is None without a key.
    """

    def __init__(self, subject_of: Callable[[bytes], Subject | None] | None, origin: str) -> None:
        self._subject_of = subject_of
        self._origin = origin
        self._subjects: dict[bytes, Subject | None] = {}

    @property
    def absent(self) -> Literal["missing"]:
        return "missing"

    def opened(self, reader: Reader, fields: Iterable[dict[str, Any]]) -> Opened:
        keys = {key: digest for each in fields for key, digest in listed(each).keys.items()}
        rows = {keys[key]: row for key, row in reader.disclosures(keys).items()}
        if self._subject_of is None:
            owners = frozenset(base64url(row.key[:SUBJECT_BYTES]) for row in rows.values())
            nothing: dict[bytes, bytes] = {}
            return Opened(nothing.get, owners)
        subject_of = self._subject_of
        return Opened(lambda digest: self._json(digest, rows, subject_of))

    def _json(
        self,
        digest: bytes,
        rows: dict[bytes, VaultRow],
        subject_of: Callable[[bytes], Subject | None],
    ) -> bytes | None:
        """The disclosure's JSON, or None where it or its key is gone."""
        row = rows.get(digest)
        if row is None:
            return None
        id = row.key[:SUBJECT_BYTES]
        if id not in self._subjects:
            self._subjects[id] = subject_of(id)
        subject = self._subjects[id]
        if subject is None:
            return None
        return disclosure.unseal(subject, row.sealed, origin=self._origin, digest_expected=digest)


class Revealed(NamedTuple):
    """An entry's event as far as its disclosures could be had.

    `withheld` has the blocks that lacked one, by pointer the name of their subject; of those in
    `sealed`, it is there and can't be opened.
    """

    entry_index: int
    entry: bytes
    event: dict[str, Any]
    withheld: dict[str, str]
    sealed: frozenset[str]


class Showing(Generic[_Reads]):
    """Reveals entries of one log."""

    def __init__(self, vault: Vault[_Reads], signed: Signed) -> None:
        self._vault = vault
        self._erasures = Erasures(signed)

    def revealed(self, reader: _Reads, found: list[tuple[int, bytes]]) -> list[Revealed]:
        """Each (index, entry), within a moment; raises Tampered for a foreign disclosure."""
        fields = [entry.fields(octets) for _, octets in found]
        opened = self._vault.opened(reader, fields)
        return [
            Revealed(index, octets, *reveal(each, opened.json), opened.sealed)
            for (index, octets), each in zip(found, fields, strict=True)
        ]

    def shown(self, revealed: Sequence[Revealed], reading: Reading[_Reads]) -> list[Shown]:
        """As readers see them; after the moment, since to find why something is gone takes long."""
        if any(not one.sealed.issuperset(one.withheld.values()) for one in revealed):
            self._erasures.catch_up(reading)
        return [self._shown(one) for one in revealed]

    def disclosures(self, reader: _Reads, entries: Iterable[bytes]) -> dict[bytes, bytes]:
        """The JSON of what these entries list, by digest; what is gone is left out."""
        fields = [entry.fields(octets) for octets in entries]
        opened = self._vault.opened(reader, fields)
        found = {digest: opened.json(digest) for each in fields for digest in listed(each).digests}
        return {digest: octets for digest, octets in found.items() if octets is not None}

    def _shown(self, one: Revealed) -> Shown:
        withheld = tuple(
            Withheld(pointer=pointer, state=self._state(owner, one.sealed))
            for pointer, owner in one.withheld.items()
        )
        leaf = merkle.leaf_hash(one.entry).hex()
        return Shown(
            index=one.entry_index, leaf=leaf, entry=one.entry, event=one.event, withheld=withheld
        )

    def _state(
        self, owner: str, sealed: frozenset[str]
    ) -> Literal["redacted", "withheld", "sealed", "missing"]:
        if owner in sealed:
            return "sealed"
        return "redacted" if owner in self._erasures else self._vault.absent


def attached(
    reader: Reader, index: int, octets: bytes, evidence: str, wrapping_key: bytes
) -> bytes:
    """The bytes behind an `evidence[].id` of an entry; see `trail.TrailReader.attachment`."""
    digests = {each["id"]: each["digest"] for each in entry.fields(octets).get("evidence", ())}
    if evidence not in digests:
        raise NotFound(
            f"attachment {evidence[:60]!r}: expected one of entry {index}, which has "
            f"{', '.join(digests) or 'none'}"
        )
    row = reader.attachment(unbase64url(evidence))
    if row is None:
        raise NotFound(f"attachment {evidence}: not in the vault any more; it was erased")
    return attachment.unseal(
        row.id, row.wrapped_key, row.sealed, wrapping_key=wrapping_key, digest=digests[evidence]
    )


def find_event(reading: Reading[LogReader], event: EventId | int) -> tuple[int, bytes]:
    """(index, entry) of an event, by its id or by that index. Raises NotFound."""
    if isinstance(event, str):
        return _find_id(reading, event)
    with reading() as reader:
        return event, entry_at(reader, event)


def _find_id(reading: Reading[LogReader], id: EventId) -> tuple[int, bytes]:
    """By bisection, then by a scan.

    A UUIDv7 says when the event was made, which is mostly just before it was logged: the scan
    begins a little before that time, oldest first, and only then looks at what was logged before.
    Somebody may send the id of another's event once more, under a delivery of its own: the first
    one since that time is it.
    """
    with reading() as reader:
        size = reader.tree().size
        start = first_logged_since(reader, size, _made(id) - _SLACK_MICROSECONDS)
    begin = max(0, start // WIDTH - _BUNDLES_BEFORE)
    found = _first_of(reading, id, range(begin, -(-size // WIDTH)), size)
    if found is None or found[0] < start:
        # Logged before its own time: so may others be, that came before.
        found = _first_of(reading, id, range(begin), size) or found
    if found is None:
        raise NotFound(
            f"event {id}: not in this log of {counted(size, 'entry')}; 'deploytrail log' lists them"
        )
    return found


def _first_of(
    reading: Reading[LogReader], id: EventId, bundles: range, size: int
) -> tuple[int, bytes] | None:
    """In as many moments as it takes: none may last long."""
    for at in range(0, len(bundles), BUNDLES_A_MOMENT):
        with reading() as reader:
            for number in bundles[at : at + BUNDLES_A_MOMENT]:
                found = _within(bundle_entries(reader, number, size), id)
                if found is not None:
                    return number * WIDTH + found[0], found[1]
    return None


def _within(entries: Sequence[bytes], id: EventId) -> tuple[int, bytes] | None:
    wanted = f'"id":"{id}"'.encode()
    if wanted not in b"".join(entries):
        return None
    for at, octets in enumerate(entries):
        if wanted in octets and entry.fields(octets)["id"] == id:
            return at, octets
    return None


def first_logged_since(reader: LogReader, size: int, since: int) -> int:
    """The first index logged at or after a time in microseconds; `logged` only rises."""
    text = rfc3339(at_microseconds(min(max(0, since), _MICROSECONDS_MAX)))
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
