"""CloudTrail's digest files, held against the bucket in which they stand: what is told of each.

The log files that a digest names are those of the bucket, byte for byte; it follows the digest
that it names before itself. Source: AWS CloudTrail User Guide, "Custom implementations of
CloudTrail log file integrity validation".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from deploytrail.errors import Malformed, NotPermitted, Tampered, TooLarge
from deploytrail.formats.cloudtrail_digest import (
    DIGEST_BYTES_MAX,
    SIGNATURE_METADATA,
    Digest,
    LogFile,
    parse,
    verify,
)
from deploytrail.formats.s3_listing import Object
from deploytrail.gzipped import unpacked
from deploytrail.kit.answer import Response
from deploytrail.kit.poller import Lost, Polled, accepted
from deploytrail.sources.cloudtrail_public_keys import NoKeys, PublicKeys

FOLDER: Final = "CloudTrail-Digest"
UNPACKED_BYTES_MAX: Final = 96 * 1024 * 1024
_HASH: Final = "SHA-256"
_WHOM: Final = "S3"
_NAME_CHARACTERS: Final = 200
is_digest: Final = re.compile(
    r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{12}_CloudTrail-Digest_[a-z0-9-]{2,40}_"
    r"[A-Za-z0-9._-]{1,160}_[a-z0-9-]{2,40}_[0-9]{8}T[0-9]{6}Z(_backfill)?\.json\.gz"
).fullmatch
_region: Final = re.compile(
    rf".*/{FOLDER}/([a-z]{{2,4}}(?:-[a-z]{{2,12}}){{1,3}}-[0-9]{{1,2}})/", re.DOTALL
).match
KEYS_SINCE: Final = timedelta(days=7)
"""So long before a digest was written the key was in use that proves it: they overlap by days."""


class _Stood(NamedTuple):
    """What stood beside the name of a digest: the hash of its bytes, and its signature."""

    hash_value: str
    signature: str


class _Wrong(Exception):
    """What is told instead of a success."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Digests:
    """Those of one poll. `fetch` answers for a key of the bucket; `before` gives keys of the same
    folder that come before one; `now` is the time of the server.
    """

    def __init__(
        self,
        bucket: str,
        *,
        fetch: Callable[[str], Response],
        before: Callable[[str], Iterator[str]],
        keys: PublicKeys,
        now: Callable[[], datetime],
    ) -> None:
        self._bucket = bucket
        self._fetch = fetch
        self._before = before
        self._keys = keys
        self._now = now
        self._hashes: dict[str, str] = {}
        self._last: dict[str, tuple[str, _Stood]] = {}

    def note(self, key: str, octets: bytes) -> None:
        """A log file as it was fetched, unpacked: it is not fetched again."""
        self._hashes[key] = hashlib.sha256(octets).hexdigest()

    def checked(self, one: Object) -> Iterator[Polled]:
        """What is wrong, a step each, or one step that nothing is; others say where to rest."""
        key = one.key
        try:
            digest, stood = self._proven(key, one.modified - KEYS_SINCE)
        except NoKeys as why:
            folder = key.rpartition("/")[0]
            # Once a day, and not for each hour.
            yield _told("unproven", folder, f"the digests of {folder} are not checked: {why}")
            return
        except _Wrong as wrong:
            yield _told(wrong.code, key, f"the digest {key}: {wrong}")
            return
        is_whole = True
        for step in self._against(digest, key):
            is_whole = is_whole and step.lost is None
            yield step
        self._last[digest.chain] = (key, stood)
        if is_whole:
            yield Polled(0, verified=key[-_NAME_CHARACTERS:])

    def _against(self, digest: Digest, key: str) -> Iterator[Polled]:
        yield from self._chained(key, digest)
        for one in digest.log_files:
            yield self._compared(one)

    def _proven(self, key: str, since: datetime) -> tuple[Digest, _Stood]:
        octets, signature = self._had(key)
        found = _region(key)
        try:
            digest = parse(octets)
            if found is None:
                raise Malformed("digest: expected a region in its key, found none")
            fingerprint = digest.digest_public_key_fingerprint
            public = self._keys.of(found[1], fingerprint, since, self._now())
            if public is None:
                raise Tampered("expected a key of CloudTrail, found one that it doesn't know")
            if not signature:
                raise Tampered("expected a signature beside it, found none")
            verify(octets, signature, public, bucket=self._bucket, key=key)
        except Tampered as error:
            raise _Wrong("tampered", str(error)) from None
        except (Malformed, TooLarge) as error:
            raise _Wrong("unreadable", str(error)) from None
        return digest, _Stood(hashlib.sha256(octets).hexdigest(), signature)

    def _had(self, key: str) -> tuple[bytes, str]:
        """A digest, unpacked, and its signature, empty where it has none."""
        answer = self._answered(key)
        if answer is None:
            raise _Wrong("missing", "it is not there")
        try:
            octets = unpacked(answer.body, what="digest", bytes_max=DIGEST_BYTES_MAX)
        except (Malformed, TooLarge) as error:
            raise _Wrong("unreadable", str(error)) from None
        return octets, answer.headers.get(SIGNATURE_METADATA, "").strip()

    def _answered(self, key: str) -> Response | None:
        """None where there is no such object. Raises Unreachable where it may be had later."""
        try:
            answer = self._fetch(key)
            if answer.status != 404:
                accepted(answer, _WHOM)
        except (NotPermitted, Malformed) as error:
            raise _Wrong("unproven", str(error)) from None
        return None if answer.status == 404 else answer

    def _compared(self, one: LogFile) -> Polled:
        key = one.s3_object
        try:
            if one.s3_bucket != self._bucket:
                raise _Wrong("unproven", f"it is in the bucket {one.s3_bucket}, which isn't read")
            if one.hash_algorithm != _HASH:
                raise _Wrong("unproven", f"expected its {_HASH}, found another hash")
            if self._hash(key) != one.hash_value:
                raise _Wrong("tampered", "it is not what CloudTrail wrote, as its digest says")
        except _Wrong as wrong:
            return _told(wrong.code, key, f"the log file {key}: {wrong}")
        return Polled(0)

    def _hash(self, key: str) -> str:
        known = self._hashes.get(key)
        if known is not None:
            return known
        answer = self._answered(key)
        if answer is None:
            raise _Wrong("missing", "its digest names it, and it is not there")
        try:
            octets = unpacked(answer.body, what="file", bytes_max=UNPACKED_BYTES_MAX)
        except Malformed as error:
            raise _Wrong("tampered", f"it is not what CloudTrail wrote ({error})") from None
        except TooLarge as error:
            raise _Wrong("too-large", str(error)) from None
        return hashlib.sha256(octets).hexdigest()

    def _chained(self, key: str, digest: Digest) -> Iterator[Polled]:
        before = digest.previous_digest_s3_object
        if digest.starts_chain or before is None:
            last = self._one_before(key, digest)
            if last is not None:
                yield _gap(key, f"a chain begins anew behind {last}")
        elif digest.previous_digest_s3_bucket == self._bucket:
            try:
                stood = self._stood(digest.chain, before)
            except _Wrong as wrong:
                yield _gap(key, f"of {before}, which was before it: {wrong}")
                return
            named = (digest.previous_digest_hash_value, digest.previous_digest_signature)
            if digest.previous_digest_hash_algorithm != _HASH or stood != named:
                yield _gap(key, f"{before}, which was before it, is not as it was")

    def _stood(self, chain: str, key: str) -> _Stood:
        last = self._last.get(chain)
        if last is not None and last[0] == key:
            return last[1]
        octets, signature = self._had(key)
        return _Stood(hashlib.sha256(octets).hexdigest(), signature)

    def _one_before(self, key: str, digest: Digest) -> str | None:
        """The last of the same chain that the bucket has, as far as days are looked back."""
        stem, suffix = digest.chain.rsplit("/", 1)[-1], "_backfill" if digest.is_backfill else ""
        stem = stem.removesuffix(suffix)
        same = re.compile(rf".*/{re.escape(stem)}_\d{{8}}T\d{{6}}Z{suffix}\.json\.gz", re.DOTALL)
        return max((one for one in self._before(key) if same.fullmatch(one)), default=None)


def _gap(key: str, why: str) -> Polled:
    text = f"the digest {key} vouches for nothing before it: {why}"
    return _told("gap", key, text)


def _told(code: str, key: str, text: str) -> Polled:
    return Polled(0, lost=Lost(code, key[-_NAME_CHARACTERS:], text))
