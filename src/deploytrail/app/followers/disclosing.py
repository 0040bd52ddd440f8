"""Disclosures for whoever follows: what the vault still has of many entries, fetched once.

Most of what people are called and say comes again and again; it is kept in memory until somebody
is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from deploytrail.entry import unbase64url
from deploytrail.errors import Malformed, Tampered
from deploytrail.follow.told import Tell
from deploytrail.log.store import Reader, Reading
from deploytrail.vault import disclosure
from deploytrail.vault.subject import SUBJECT_BYTES, Subject

_KEPT_BYTES_MAX: Final = 32 * 1024 * 1024
_BESIDE_BYTES: Final = 200
"""What a kept disclosure costs besides its own bytes."""


class _Listing(msgspec.Struct, gc=False):
    """What of an entry names disclosures; the rest is not even decoded."""

    subjects: dict[str, str] = {}
    sd: list[str] = msgspec.field(name="_sd", default_factory=list)


_listing: Final = msgspec.json.Decoder(_Listing)


class Disclosing:
    """`follow.reading.Disclose` over a store and the keys of its subjects; of one thread.

    What doesn't belong (a row that somebody changed) is left out and told: it must not keep the
    rest of the log from being found.
    """

    def __init__(
        self,
        reading: Reading[Reader],
        subject_of: Callable[[bytes], Subject | None],
        *,
        origin: str,
        tell: Tell,
        kept_bytes_max: int = _KEPT_BYTES_MAX,
    ) -> None:
        self._reading = reading
        self._subject_of = subject_of
        self._origin = origin
        self._tell = tell
        self._kept_bytes_max = kept_bytes_max
        self._kept_bytes = 0
        self._kept: dict[bytes, bytes] = {}
        self._octets = _Octets()
        self._subjects: dict[bytes, Subject | None] = {}
        self._epoch = -1

    def __call__(self, entries: Sequence[bytes]) -> Mapping[bytes, bytes]:
        listings = [_listed(octets) for octets in entries]
        with self._reading() as reader:
            epoch = reader.tree().epoch
            if epoch != self._epoch or self._bytes() > self._kept_bytes_max:
                # Whoever was erased meanwhile must not come back from memory.
                self._forget()
                self._epoch = epoch
            wanted = self._wanted(listings)
            rows = list(reader.disclosures(wanted).values()) if wanted else []
        for row in rows:
            self._keep(wanted[row.key], row.key[:SUBJECT_BYTES], row.sealed)
        octets, kept = self._octets, self._kept
        digests = {octets[text] for listing in listings for text in listing.sd}
        return {digest: kept[digest] for digest in digests if digest in kept}

    def _wanted(self, listings: Iterable[_Listing]) -> dict[bytes, bytes]:
        """The digest by each name under which the vault may keep what isn't at hand.

        An entry doesn't say which of its subjects a digest belongs to.
        """
        octets, kept = self._octets, self._kept
        wanted: dict[bytes, bytes] = {}
        for listing in listings:
            missing = [octets[text] for text in listing.sd if octets[text] not in kept]
            if missing:
                for id in {octets[name] for name in listing.subjects.values()}:
                    for digest in missing:
                        wanted[disclosure.key_of(id, digest)] = digest
        return wanted

    def _keep(self, digest: bytes, id: bytes, sealed: bytes) -> None:
        if id not in self._subjects:
            self._subjects[id] = self._subject_of(id)
        subject = self._subjects[id]
        if subject is None:
            return
        try:
            found = disclosure.unseal(subject, sealed, origin=self._origin, digest_expected=digest)
        except Tampered as error:
            self._tell("disclosure is not what was sealed", reason=str(error))
            return
        self._kept[digest] = found
        self._kept_bytes += len(found)

    def _bytes(self) -> int:
        return self._kept_bytes + _BESIDE_BYTES * (len(self._kept) + len(self._octets))

    def _forget(self) -> None:
        self._kept.clear()
        self._octets.clear()
        self._subjects.clear()
        self._kept_bytes = 0


def _listed(octets: bytes) -> _Listing:
    try:
        return _listing.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Tampered(f"entry: expected subjects and digests as we write them; {error}") from None


class _Octets(dict[str, bytes]):
    """What digests, and names of subjects, stand for; each is decoded once."""

    def __missing__(self, text: str) -> bytes:
        try:
            found = unbase64url(text)
        except Malformed:
            # Not written by us: it stands for nothing that is anywhere.
            found = b""
        self[text] = found
        return found
