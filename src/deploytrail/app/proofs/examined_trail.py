"""A trail that one may only read: an export, or a directory without the right to write or its key.

The reading half of `trail.Trail`. Nothing of it is believed but what its own log signed; whose key
that is, `trust` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from deploytrail.app.events.listing import Listing
from deploytrail.app.events.reading import Showing, find_event
from deploytrail.app.events.signed import Signed, inclusion
from deploytrail.app.home import Home
from deploytrail.app.proofs.handed_over import (
    ExportReader,
    HandedDirectory,
    HandedExport,
    HandedOver,
)
from deploytrail.app.proofs.trust import trust_in
from deploytrail.errors import Incomplete, NotFound
from deploytrail.event import EventId
from deploytrail.log import proof
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.publish import refuse_fork
from deploytrail.log.store import LogReader
from deploytrail.sentence import counted
from deploytrail.stores import kept
from deploytrail.stores.sqlite.examined import ExaminedLog
from deploytrail.xdg import state_directory

_BY_ITS_OWN_KEY: Final = (
    "the key by which this is read came with it; 'deploytrail verify --policy FILE' holds it "
    "against one that you got in another way"
)
_Reads = TypeVar("_Reads", bound=LogReader)


class ExaminedTrail(Listing[_Reads]):
    """`trail.TrailReader` over what somebody handed over, or lets be read.

    `told` is what whoever reads has to know of it, a sentence each. Raises Tampered for what was
    seen of this log otherwise before, Incomplete for a log that goes on and has gone back.
    """

    def __init__(self, handed: HandedOver[_Reads], states: Path) -> None:
        self._handed = handed
        trust = trust_in(handed.origin, given=None, states=states, own=handed.policy)
        # Whoever verified with a policy of several logs has all of their keys.
        logs = [log.key for log in trust.policy.logs if log.key.name == handed.origin]
        signed = Signed(logs)
        super().__init__(handed.reading, signed, Showing(handed.vault, signed))
        told = [handed.unseen, self._older_than_seen(states)]
        if trust.key_from == "directory" and not handed.is_live:
            told.append(_BY_ITS_OWN_KEY)
        self.told = tuple(text for text in told if text)

    @property
    def origin(self) -> str:
        return self._handed.origin

    def proof(self, event: EventId | int) -> bytes:
        index, octets = find_event(self._handed.reading, event)
        with self._handed.reading() as reader:
            signed = self._signed.newest(reader)
            size = 0 if signed is None else signed.size
            if signed is None or index >= size:
                raise NotFound(
                    f"proof: expected entry {index} under a signed checkpoint, found one of "
                    f"{counted(size, 'entry')}; 'deploytrail proof' of who may write the trail "
                    "publishes one"
                )
            hashes = inclusion(index, octets, signed, self._signed.hashes(reader, signed))
            return proof.encode(proof.Proof(index, hashes, self._handed.note(reader)))

    def attachment(self, event: EventId | int, evidence: str) -> bytes:
        index, octets = self.found(event)
        with self._handed.reading() as reader:
            return self._handed.attachment(reader, index, octets, evidence)

    def close(self) -> None:
        self._handed.close()

    def _older_than_seen(self, states: Path) -> str:
        """That more of this log was seen here before; refuses what is not consistent with it."""
        known = kept.load(states, self.origin)
        if known is None:
            return ""
        seen = known.checkpoint
        with self._handed.reading() as reader:
            signed = self._signed.newest(reader)
            if signed is not None and signed.size >= seen.size:
                hashes = self._signed.hashes(reader, signed)
                refuse_fork(seen, signed.size, signed.root, hashes)
                return ""
        return self._behind(signed, seen)

    def _behind(self, signed: Checkpoint | None, seen: Checkpoint) -> str:
        size = 0 if signed is None else signed.size
        if self._handed.is_live:
            raise Incomplete(
                f"log: expected at least {counted(seen.size, 'entry')} under a checkpoint, which "
                f"this log had when it was last seen here, found {size}; ask its owner for a newer "
                "copy"
            )
        return (
            f"an older copy: {counted(size, 'entry')} of this log, which had {seen.size:,} when it "
            "was last seen here"
        )


def open_export(path: Path, environment: Mapping[str, str]) -> ExaminedTrail[ExportReader]:
    """An export, to be read. Raises Malformed for another file, and what evidence raises."""
    return open_handed(HandedExport(path), environment)


def open_examined(home: Home, environment: Mapping[str, str]) -> ExaminedTrail[ExaminedLog]:
    """A directory's trail, to be read without its locks, and without its key if need be."""
    return open_handed(HandedDirectory(home, environment), environment)


def open_handed(
    handed: HandedOver[_Reads], environment: Mapping[str, str]
) -> ExaminedTrail[_Reads]:
    """What was handed over, as a trail; closed where that can't be."""
    try:
        return ExaminedTrail(handed, state_directory(environment))
    except BaseException:
        handed.close()
        raise
