"""Entries for an index, made fast: real ones of `typical`, replayed with other numbers in them.

A pool of events is concealed as a trail does it. Replayed, an entry has an id, times and a place of
its own; the digits of its run, commit, digests, tickets and targets are exchanged, so that they are
those of another change; texts that hardly repeat get digests of their own. So what decides an
index's size and speed stays: how many values there are, and how often each comes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from bench import typical
from deploytrail import canonical
from deploytrail.clock import at_microseconds, microseconds, rfc3339, uuid7
from deploytrail.entry import base64url
from deploytrail.follow.view import Read
from deploytrail.untrusted import parse_event
from deploytrail.vault.conceal import Concealer, identities
from deploytrail.vault.subject import Subject, subject

ORIGIN: Final = "deploytrail.bench/index/1"
YEAR_SECONDS: Final = 365 * 86_400
_POOL: Final = 20_000
_TRANSLATED: Final = ("links", "plan", "artifact", "targets", "reason", "approval")
_REPEATED: Final = frozenset({"/actor", "/client", "/links", "/source"})
_raws: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Pooled(NamedTuple):
    """An entry in pieces: what stays, and what is exchanged.

    `digests` are as they are listed, each with its text where it is to get a digest of its own.
    """

    kept: bytes
    exchanged: bytes
    digests: list[tuple[str, bytes | None]]


def reads(count: int, *, batch: int = 4_096, seed: int = 1) -> Iterator[Read]:
    """`count` entries over a year, mostly in the order of time, in reads of `batch`."""
    chance = random.Random(seed)
    pool, known = _pool()
    start = microseconds(typical.START)
    step = YEAR_SECONDS * 1_000_000 // count
    made = 0
    while made < count:
        table = _exchange(chance)
        for first in range(0, len(pool), batch):
            some = pool[first : first + min(batch, count - made)]
            if not some:
                return
            entries, disclosures = [], dict(known)
            for pooled in some:
                octets = _replayed(pooled, table, start + made * step, chance, disclosures)
                entries.append(octets)
                made += 1
            yield Read(made - len(some), entries, (), _given(disclosures))


def _given(disclosures: dict[bytes, bytes]) -> Any:
    return lambda: disclosures


def _exchange(chance: random.Random) -> bytes:
    """Digits for digits."""
    digits = list(b"0123456789")
    chance.shuffle(digits)
    return bytes.maketrans(b"0123456789", bytes(digits))


def _replayed(
    pooled: _Pooled,
    table: bytes,
    time: int,
    chance: random.Random,
    disclosures: dict[bytes, bytes],
) -> bytes:
    time += chance.randrange(100_000)
    logged = rfc3339(at_microseconds(time)).encode()
    heard = rfc3339(at_microseconds(time - chance.randrange(10_000))).encode()
    # Tools don't tell in the order in which things happen.
    claimed = rfc3339(at_microseconds(time - chance.randrange(2_000_000))).encode()
    id = uuid7(time // 1000, chance.randbytes(10)).encode()
    listed = []
    for text, json in pooled.digests:
        if json is None:
            listed.append(text)
            continue
        digest = chance.randbytes(32)
        disclosures[digest] = json
        listed.append(base64url(digest))
    return b"".join(
        (
            pooled.kept,
            pooled.exchanged.translate(table),
            b'"_sd":["', '","'.join(listed).encode(),
            b'"],"id":"', id,
            b'","logged":"', logged,
            b'","observed":"', heard,
            b'","time":"', claimed,
            b'"}',
        )
    )  # fmt: skip


def _pool() -> tuple[list[_Pooled], dict[bytes, bytes]]:
    concealer = Concealer(origin=ORIGIN, body_key=bytes(32))
    subjects: dict[str, Subject] = {}
    known: dict[bytes, bytes] = {}
    pool = []
    for number, body in enumerate(typical.events(_POOL)):
        event = parse_event(body)
        for identity in identities(event):
            if identity not in subjects:
                id = hashlib.sha256(identity.encode()).digest()
                subjects[identity] = subject(id[:16], id)
        concealed = concealer.conceal(
            event,
            body=body,
            observed=rfc3339(event.time),
            nonce=number.to_bytes(16, "big"),
            subjects=subjects,
        )
        digests: list[tuple[str, bytes | None]] = []
        for _, made in concealed.disclosures:
            pointer = made.named.partition(b"\0")[0].decode()
            is_repeated = pointer in _REPEATED
            if is_repeated:
                known[made.digest] = made.json
            digests.append((made.listed, None if is_repeated else made.json))
        pool.append(_pooled(concealed.entry, digests))
    return pool, known


def _pooled(octets: bytes, digests: list[tuple[str, bytes | None]]) -> _Pooled:
    raws: Mapping[str, msgspec.Raw] = _raws(octets)
    fields = {name: bytes(raw) for name, raw in raws.items()}
    for name in ("id", "time", "observed", "logged", "_sd"):
        fields.pop(name, None)
    if "links" in fields:
        links = msgspec.json.decode(fields["links"])
        trace = hashlib.sha256(links["run"].encode()).hexdigest()[:32]
        fields["links"] = canonical.encode(links | {"trace": trace})
    exchanged = [(name, raw) for name, raw in fields.items() if name in _TRANSLATED]
    kept = [(name, raw) for name, raw in fields.items() if name not in _TRANSLATED]
    return _Pooled(b"{" + _members(kept), _members(exchanged), digests)


def _members(fields: list[tuple[str, bytes]]) -> bytes:
    return b"".join(b'"%s":%s,' % (name.encode(), raw) for name, raw in fields)
