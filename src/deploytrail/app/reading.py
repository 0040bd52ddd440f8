"""Entries as readers see them: found by id, and revealed as far as the vault still knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from deploytrail import entry
from deploytrail.app.signed import Signed
from deploytrail.clock import at_microseconds, rfc3339
from deploytrail.entry import base64url, unbase64url
from deploytrail.errors import NotFound
from deploytrail.event import EventId
from deploytrail.log import merkle
from deploytrail.log.reading import bundle_entries, entries_from, entry_at
from deploytrail.log.store import LogReader, Reader, VaultRow
from deploytrail.log.tiles import WIDTH
from deploytrail.sentence import counted
from deploytrail.trail import Shown, Withheld
from deploytrail.vault import attachment, disclosure
from deploytrail.vault.conceal import reveal
from deploytrail.vault.listed import listed
from deploytrail.vault.subject import SUBJECT_BYTES, Subject

_ERASED: Final = b'"action":"audit.subject.erased"'
_SLACK_MICROSECONDS: Final = 60_000_000
_BUNDLES_BEFORE: Final = 4
_MOMENT_MAX: Final = 253_402_300_799_000_000
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


class Showing(Generic[_Reads]):
    """Reveals entries of one log. Remembers which subjects the log says were erased.

    Where `signed` is given, only an erasure that is signed excuses what is not there.
    """

    def __init__(self, vault: Vault[_Reads], signed: Signed | None = None) -> None:
        self._vault = vault
        self._signed = signed
        self._erased: set[str] = set()
        self._erased_upto = 0

    def shown(self, reader: _Reads, found: list[tuple[int, bytes]]) -> list[Shown]:
        """Each (index, entry) revealed; raises Tampered for a disclosure that doesn't belong."""
        fields = [entry.fields(octets) for _, octets in found]
        opened = self._vault.opened(reader, fields)
        return [
            self._shown(reader, index, octets, each, opened)
            for (index, octets), each in zip(found, fields, strict=True)
        ]

    def disclosures(self, reader: _Reads, entries: Iterable[bytes]) -> dict[bytes, bytes]:
        """The JSON of what these entries list, by digest; what is gone is left out."""
        fields = [entry.fields(octets) for octets in entries]
        opened = self._vault.opened(reader, fields)
        found = {digest: opened.json(digest) for each in fields for digest in listed(each).digests}
        return {digest: octets for digest, octets in found.items() if octets is not None}

    def _shown(
        self,
        reader: _Reads,
        index: int,
        octets: bytes,
        fields: dict[str, Any],
        opened: Opened,
    ) -> Shown:
        revealed = reveal(fields, opened.json)
        withheld = tuple(
            Withheld(pointer=pointer, state=self._state(reader, owner, opened))
            for pointer, owner in revealed.withheld.items()
        )
        leaf = merkle.leaf_hash(octets).hex()
        return Shown(index=index, leaf=leaf, entry=octets, event=revealed.event, withheld=withheld)

    def _state(
        self, reader: _Reads, owner: str, opened: Opened
    ) -> Literal["redacted", "withheld", "sealed", "missing"]:
        if owner in opened.sealed:
            return "sealed"
        return "redacted" if self._is_erased(reader, owner) else self._vault.absent

    def _is_erased(self, reader: _Reads, subject: str) -> bool:
        """Whether an entry of the log says so. Absence of an entry is never taken for consent."""
        size = reader.tree().size
        for number in range(self._erased_upto // WIDTH, -(-size // WIDTH)):
            entries: Sequence[bytes] = bundle_entries(reader, number, size)
            if self._signed is not None and any(_ERASED in octets for octets in entries):
                entries = self._signed.covered(reader, number, entries)
            for octets in entries:
                if _ERASED in octets:
                    targets = entry.fields(octets).get("targets", ())
                    self._erased |= {each.get("id") for each in targets}
        self._erased_upto = size
        return subject in self._erased


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


def find_event(reader: LogReader, event: EventId | int) -> tuple[int, bytes]:
    """(index, entry) of an event, by its id or by that index. Raises NotFound."""
    if isinstance(event, int):
        return event, entry_at(reader, event)
    return _find_id(reader, event)


def _find_id(reader: LogReader, id: EventId) -> tuple[int, bytes]:
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


def _first_of(reader: LogReader, id: EventId, bundles: Iterable[int]) -> tuple[int, bytes] | None:
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


def _first_logged_since(reader: LogReader, size: int, moment: int) -> int:
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
