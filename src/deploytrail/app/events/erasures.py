"""Whose data was erased, as the log says: what excuses a disclosure that is not there.

Only an entry that is signed excuses, as in `log.accounts`: whoever can write rows, but not sign,
could else take anything away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deploytrail import entry
from deploytrail.app.events.signed import Signed
from deploytrail.log.accounts import ERASED
from deploytrail.log.reading import bundle_entries
from deploytrail.log.store import BUNDLES_A_MOMENT, LogReader, Reading
from deploytrail.log.tiles import WIDTH

_ERASED: Final = b'"action":"%s"' % ERASED.encode()


class Erasures:
    """Remembers what it has read. The log is only read for it once something is missing."""

    def __init__(self, signed: Signed) -> None:
        self._signed = signed
        self._subjects: set[str] = set()
        self._upto = 0

    def __contains__(self, subject: str) -> bool:
        return subject in self._subjects

    def catch_up(self, reading: Reading[LogReader]) -> None:
        """Read on, up to the newest checkpoint; in as many moments as it takes."""
        is_behind = True
        while is_behind:
            with reading() as reader:
                is_behind = self._read_some(reader)

    def _read_some(self, reader: LogReader) -> bool:
        """Whether there is more to be read."""
        signed = self._signed.newest(reader)
        until = 0 if signed is None else signed.size
        size = reader.tree().size
        numbers = range(self._upto // WIDTH, -(-until // WIDTH))
        for number in numbers[:BUNDLES_A_MOMENT]:
            entries = bundle_entries(reader, number, size)
            if any(_ERASED in octets for octets in entries):
                self._gather(self._signed.covered(reader, number, entries))
            self._upto = min(until, (number + 1) * WIDTH)
        return len(numbers) > BUNDLES_A_MOMENT

    def _gather(self, entries: Sequence[bytes]) -> None:
        for octets in entries:
            if _ERASED in octets:
                targets = entry.fields(octets).get("targets", ())
                self._subjects |= {each.get("id") for each in targets}
