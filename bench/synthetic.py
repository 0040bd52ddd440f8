"""Entries for an index, made fast: real ones of `typical`, replayed with other numbers in them.

A pool of events is concealed as a trail does it. Replayed, an entry has an id, times and a place of
its own; the digits of its run, commit, digests, tickets and targets are exchanged, so that they are
those of another change; texts that hardly repeat get digests of their own. So what decides an
index's size and speed stays: how many values there are, and how often each comes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
ROUND: Final = 20_000
"""As many are in the pool."""
_READ: Final = 4_096
_TRANSLATED: Final = ("links", "plan", "artifact", "targets", "reason", "approval")
_REPEATED: Final = frozenset({"/actor", "/client", "/links", "/source"})
_raws: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Pooled(NamedTuple):
    """An entry in pieces: what stays, and what is exchanged; `posted` are those of its event.

    `digests` are as they are listed, each with its text where it is to get a digest of its own.
    """

    kept: bytes
    exchanged: bytes
    digests: list[tuple[str, bytes | None]]
    posted: tuple[bytes, bytes]


class _Told(NamedTuple):
    """What a replayed entry says of its own."""

    id: bytes
    time: bytes


class Replay(NamedTuple):
    """One round of the pool, from index `first` on: what is read, and of which events."""

    first: int
    reads: list[Read]
    table: bytes
    told: list[_Told]
    pool: Sequence[_Pooled]

    @property
    def until(self) -> int:
        return self.first + len(self.told)

    def bodies(self) -> Iterator[bytes]:
        """The events as somebody posts them."""
        for pooled, told in zip(self.pool, self.told, strict=False):
            kept, exchanged = pooled.posted
            changed = exchanged.translate(self.table)
            yield b'%s%s"id":"%s","time":"%s"}' % (kept, changed, told.id, told.time)


def reads(count: int) -> Iterator[Read]:
    """`count` entries over a year, mostly in the order of time."""
    for replay in replays(count):
        yield from replay.reads


def replays(count: int, rounds: Iterable[int] | None = None) -> Iterator[Replay]:
    """The rounds that `count` entries over a year are made of, all of them or those asked for."""
    pool, known = _pool()
    for number in range(-(-count // ROUND)) if rounds is None else rounds:
        yield _replay(number, count, pool, known)


def _replay(
    number: int, count: int, pool: Sequence[_Pooled], known: Mapping[bytes, bytes]
) -> Replay:
    chance = random.Random(number)
    first = number * ROUND
    until = min(first + ROUND, count)
    replay = Replay(first, [], _exchange(chance), [], pool)
    start = microseconds(typical.START)
    step = YEAR_SECONDS * 1_000_000 // count
    for at in range(first, until, _READ):
        entries, disclosures = [], dict(known)
        for index in range(at, min(at + _READ, until)):
            pooled = pool[index - first]
            time = start + index * step
            octets, told = _replayed(pooled, replay.table, time, chance, disclosures)
            entries.append(octets)
            replay.told.append(told)
        replay.reads.append(Read(at, entries, (), _given(disclosures)))
    return replay


def _given(disclosures: dict[bytes, bytes]) -> Any:
    return lambda _: disclosures


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
) -> tuple[bytes, _Told]:
    time += chance.randrange(100_000)
    logged = rfc3339(at_microseconds(time)).encode()
    heard = rfc3339(at_microseconds(time - chance.randrange(10_000))).encode()
    # Tools don't tell in the order in which things happen.
    claimed = rfc3339(at_microseconds(time - chance.randrange(2_000_000))).encode()
    id = uuid7(time // 1000, chance.randbytes(10)).encode()
    listed = []
    for text, sealed in pooled.digests:
        if sealed is None:
            listed.append(text)
            continue
        digest = chance.randbytes(32)
        disclosures[digest] = sealed
        listed.append(base64url(digest))
    octets = b"".join(
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
    return octets, _Told(id, claimed)


def _pool() -> tuple[list[_Pooled], dict[bytes, bytes]]:
    concealer = Concealer(origin=ORIGIN, body_key=bytes(32))
    subjects: dict[str, Subject] = {}
    known: dict[bytes, bytes] = {}
    pool = []
    for number, body in enumerate(typical.events(ROUND)):
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
                known[made.digest] = made.named
            digests.append((made.listed, None if is_repeated else made.named))
        pool.append(_pooled(concealed.entry, body, digests))
    return pool, known


def _pooled(octets: bytes, body: bytes, digests: list[tuple[str, bytes | None]]) -> _Pooled:
    of_entry, of_event = _fields(octets), _fields(body)
    return _Pooled(*_pieces(of_entry), digests, _pieces(of_event))


def _fields(octets: bytes) -> dict[str, bytes]:
    """What stays of an entry or of an event, and the trace that it is made part of."""
    raws: Mapping[str, msgspec.Raw] = _raws(octets)
    fields = {name: bytes(raw) for name, raw in raws.items()}
    for name in ("id", "time", "observed", "logged", "_sd"):
        fields.pop(name, None)
    if "links" in fields:
        links = msgspec.json.decode(fields["links"])
        trace = hashlib.sha256(links["run"].encode()).hexdigest()[:32]
        fields["links"] = canonical.encode(links | {"trace": trace})
    return fields


def _pieces(fields: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    exchanged = [(name, raw) for name, raw in fields.items() if name in _TRANSLATED]
    kept = [(name, raw) for name, raw in fields.items() if name not in _TRANSLATED]
    return b"{" + _members(kept), _members(exchanged)


def _members(fields: list[tuple[str, bytes]]) -> bytes:
    return b"".join(b'"%s":%s,' % (name.encode(), raw) for name, raw in fields)
