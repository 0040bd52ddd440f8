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
_BESIDE_BYTES: Final = 300
"""What a kept disclosure costs besides its own bytes."""


class _Listing(msgspec.Struct, gc=False):
    """What of an entry names disclosures; the rest is not even decoded."""

    subjects: msgspec.Raw = msgspec.Raw(b"{}")
    sd: list[str] = msgspec.field(name="_sd", default_factory=list)


_listing: Final = msgspec.json.Decoder(_Listing)
_subjects: Final = msgspec.json.Decoder(dict[str, str])
_Wanted = tuple[str, bytes]
"""A digest, as an entry lists it and as it is."""


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
        self._kept: dict[str, tuple[bytes, bytes]] = {}
        """By how an entry lists it: the digest, and what was sealed."""
        self._octets = _Octets()
        self._subjects: dict[bytes, Subject | None] = {}
        self._epoch = -1

    def __call__(self, entries: Sequence[bytes]) -> Mapping[bytes, bytes]:
        with self._reading() as reader:
            epoch = reader.tree().epoch
            if epoch != self._epoch or self._bytes() > self._kept_bytes_max:
                # Whoever was erased meanwhile must not come back from memory.
                self._forget()
                self._epoch = epoch
            listed, wanted = self._wanted(entries)
            rows = list(reader.disclosures(wanted).values()) if wanted else []
        for row in rows:
            self._keep(*wanted[row.key], row.key[:SUBJECT_BYTES], row.sealed)
        kept = self._kept
        return dict([found for text in listed if (found := kept.get(text)) is not None])

    def _wanted(self, entries: Iterable[bytes]) -> tuple[set[str], dict[bytes, _Wanted]]:
        """What entries list, and by each name under which the vault may keep what isn't at hand.

        An entry doesn't say which of its subjects a digest belongs to.
        """
        kept, octets_of = self._kept, self._octets
        listed: set[str] = set()
        wanted: dict[bytes, _Wanted] = {}
        try:
            for octets in entries:
                listing = _listing.decode(octets)
                listed.update(listing.sd)
                if missing := [text for text in listing.sd if text not in kept]:
                    names = {*_subjects.decode(listing.subjects).values()}
                    for text in missing:
                        digest = _unlisted(text)
                        for name in names:
                            key = disclosure.key_of(octets_of[name], digest)
                            wanted[key] = text, digest
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Tampered(
                f"entry: expected subjects and digests as we write them; {error}"
            ) from None
        return listed, wanted

    def _keep(self, text: str, digest: bytes, id: bytes, sealed: bytes) -> None:
        if id not in self._subjects:
            self._subjects[id] = self._subject_of(id)
        subject = self._subjects[id]
        if subject is None:
            return
        try:
            found = disclosure.unsealed(
                subject, sealed, origin=self._origin, digest_expected=digest
            )
        except Tampered as error:
            self._tell("disclosure is not what was sealed", reason=str(error))
            return
        self._kept[text] = digest, found
        self._kept_bytes += len(found)

    def _bytes(self) -> int:
        return self._kept_bytes + _BESIDE_BYTES * (len(self._kept) + len(self._octets))

    def _forget(self) -> None:
        self._kept.clear()
        self._octets.clear()
        self._subjects.clear()
        self._kept_bytes = 0


def _unlisted(text: str) -> bytes:
    try:
        return unbase64url(text)
    except Malformed:
        # Not written by us: it stands for nothing that is anywhere.
        return b""


class _Octets(dict[str, bytes]):
    """What names of subjects stand for; each is decoded once."""

    def __missing__(self, text: str) -> bytes:
        found = self[text] = _unlisted(text)
        return found
