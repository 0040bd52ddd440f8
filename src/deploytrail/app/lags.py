"""How far behind what follows a log is, in seconds: index, publisher, and the quorum of witnesses.

Read from the store alone, so that any process tells the same, whoever follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from typing import Final

from deploytrail.app.cosigning import policies
from deploytrail.app.proofs.trust import quorum_since
from deploytrail.clock import microseconds
from deploytrail.errors import DeploytrailError
from deploytrail.follow.lag import lag
from deploytrail.index.contract import NAME
from deploytrail.log import note as notes
from deploytrail.log.policy import NO_QUORUM, Policy
from deploytrail.log.reading import whole_note
from deploytrail.log.store import BEHIND_ALL, Reader, Store
from deploytrail.trail import PUBLISHER, Quorum

_ROWS: Final = 256
_PAGES: Final = 64
"""So many cosignatures are looked at: of a quorum that has owed its own for hours it is known that
it does, and what its last one was is not worth reading all for.
"""


def lag_seconds(
    store: Store, *, indexed: int | None, signed: int, now: datetime
) -> dict[str, float | None]:
    """By name of ours; an index that is not there yet lacks everything."""
    cursors = {NAME: indexed or 0, PUBLISHER: signed}
    return {name: lag(store.reading, cursor, now).seconds for name, cursor in cursors.items()}


def quorum(store: Store, now: datetime) -> Quorum | None:
    """None where nobody is asked, or whoever is asked need not answer."""
    with store.reading() as reader:
        policy = policies.stated(reader)
        if policy is None or policy.quorum == NO_QUORUM:
            return None
        size = _newest_met(reader, policy)
        since = None if size is None else _since(reader, size, policy)
    seconds = None if since is None else max(0.0, microseconds(now) / 1_000_000 - since)
    return Quorum(size=size, seconds=seconds)


def _newest_met(reader: Reader, policy: Policy) -> int | None:
    """The size of the newest checkpoint of which enough cosignatures are stored."""
    names = {one.key.id: name for name, one in policies.outside(policy).items()}
    for size, rows in groupby(_cosigners(reader), key=_size):
        if policy.is_met({names[key_id] for _, key_id in rows if key_id in names}):
            return size
    return None


def _size(row: tuple[int, bytes]) -> int:
    return row[0]


def _cosigners(reader: Reader) -> Iterator[tuple[int, bytes]]:
    before = BEHIND_ALL
    for _ in range(_PAGES):
        page = reader.cosigners(before=before, count=_ROWS)
        yield from page
        if len(page) < _ROWS:
            return
        before = page[-1]


def _since(reader: Reader, size: int, policy: Policy) -> int | None:
    """Since when (POSIX seconds) there are enough of them; None where they are not to be believed,
    which is for `verify` to say.
    """
    with suppress(DeploytrailError):
        for _, octets in reader.notes(after=size - 1, count=1):
            found = policy.evaluate(notes.decode(whole_note(reader, size, octets)))
            return quorum_since(found, policy, found.checkpoint.origin)
    return None
