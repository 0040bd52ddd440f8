"""Which state is vouched for: a row counts where the newest event that names it has its digest.

Whoever can write rows, and nothing else, could else make himself a token of which no entry tells.
Events of one row are numbered, and the number is their delivery id: so the newest is found by
looking two of them up, however long the log is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from deploytrail.actions import OWN_TOOL
from deploytrail.app.events.reading import first_logged_since
from deploytrail.clock import microseconds
from deploytrail.entry import delivery_key
from deploytrail.errors import Malformed
from deploytrail.event import EventId, Source, Target
from deploytrail.log.accounts import IN_BUNDLE
from deploytrail.log.reading import bundle_entries, entry_at
from deploytrail.log.store import BUNDLES_A_MOMENT, Reader, Reading
from deploytrail.log.tiles import WIDTH
from deploytrail.trail import LOCAL_INSTANCE

_ROWS_A_MOMENT: Final = 32
_SLACK_MICROSECONDS: Final = 5_000_000
_BUNDLES_MAX: Final = 8 * BUNDLES_A_MOMENT
"""So far behind the time when it was made is the event of a row without a number looked for."""


class Row(NamedTuple):
    """A row of state, and the number of the event that set it, from 1; None for a row of before
    they were numbered, which was `made` then.
    """

    id: str
    value: bytes
    edition: int | None
    made: datetime


def digest(value: bytes) -> str:
    """Of a row's value, as its event has it."""
    return f"sha256:{hashlib.sha256(value).hexdigest()}"


def source(kind: str, id: str, edition: int) -> Source:
    """Of the event that sets a row for the `edition`th time."""
    return Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=_delivery(kind, id, edition))


def is_unset(reader: Reader, kind: str, id: str) -> bool:
    """Whether no event ever set the row: where one did, and there is none, it was taken away."""
    return not reader.deliveries([_key(kind, id, 1)])


def vouched(reading: Reading[Reader], kind: str, rows: Sequence[Row]) -> set[str]:
    """The ids of the rows that their newest event vouches for.

    What the log says is taken as it is stored: whether that is what was signed, `verify` tells. Of
    a row without a number only the event that made it is looked for, which has no digest yet.
    """
    found: set[str] = set()
    for at in range(0, len(rows), _ROWS_A_MOMENT):
        with reading() as reader:
            some = rows[at : at + _ROWS_A_MOMENT]
            found |= {row.id for row in _numbered(reader, kind, some)}
    unnumbered = (row for row in rows if row.edition is None)
    return found | {row.id for row in unnumbered if _is_told(reading, kind, row)}


def _numbered(reader: Reader, kind: str, rows: Iterable[Row]) -> Iterable[Row]:
    ours = {row: row.edition for row in rows if row.edition is not None}
    keys = {row: _key(kind, row.id, edition) for row, edition in ours.items()}
    later = {row: _key(kind, row.id, edition + 1) for row, edition in ours.items()}
    known = reader.deliveries({*keys.values(), *later.values()})
    for row, key in keys.items():
        if key in known and later[row] not in known:
            octets = entry_at(reader, known[key].entry_index)
            if _digests(octets, kind).get(row.id) == digest(row.value):
                yield row


def _is_told(reading: Reading[Reader], kind: str, row: Row) -> bool:
    """Whether an event without a digest names the row about when it was made.

    Nobody passes a new row off for an old one so: the events of new ones have a digest.
    """
    with reading() as reader:
        size = reader.tree().size
        since = microseconds(row.made) - _SLACK_MICROSECONDS
        begin = first_logged_since(reader, size, since) // WIDTH
        first = _key(kind, row.id, 1)
        if reader.deliveries([first]):
            return False
    end = min(begin + _BUNDLES_MAX, -(-size // WIDTH))
    for at in range(begin, end, BUNDLES_A_MOMENT):
        with reading() as reader:
            for number in range(at, min(at + BUNDLES_A_MOMENT, end)):
                entries = bundle_entries(reader, number, size)
                told: dict[str, str | None] = {}
                for octets in entries:
                    told |= _digests(octets, kind)
                if row.id in told:
                    return told[row.id] is None
    return False


class _Target(msgspec.Struct):
    type: str = ""
    id: str = ""
    digest: str | None = None


class _Told(msgspec.Struct):
    action: str
    targets: list[_Target] = []


_told = msgspec.json.Decoder(_Told)


def _digests(octets: bytes, kind: str) -> Mapping[str, str | None]:
    """What an entry of the trail's own says of rows of a kind: their digests by id."""
    if IN_BUNDLE not in octets:
        return {}
    try:
        told = _told.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"entry: expected canonical JSON; {error}") from None
    if not told.action.startswith(f"audit.{kind}."):
        return {}
    return {one.id: one.digest for one in told.targets if one.type == kind}


def target(kind: str, id: str, value: bytes) -> Target:
    """What the event of a row names: the row, by the digest of what it says."""
    return Target(type=kind, id=id, digest=digest(value))


def _key(kind: str, id: str, edition: int) -> bytes:
    return delivery_key(
        tool=OWN_TOOL,
        instance=LOCAL_INSTANCE,
        delivery=_delivery(kind, id, edition),
        part=0,
        id=EventId(""),
    )


def _delivery(kind: str, id: str, edition: int) -> str:
    return f"{kind}:{id}:{edition}"
