"""What may lie on a disk after the power went, given what was written and synced before.

Pure: files are bytes, calls are values. Of a file's calls since its last completed sync any may
have reached the disk: none, all, some of them, in another order, or parts of one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

SECTORS: Final = (512, 4096)


class Write(NamedTuple):
    offset: int
    data: bytes


class Truncate(NamedTuple):
    size: int


class Sync(NamedTuple):
    """Everything before it in the same file is durable."""


class Told(NamedTuple):
    """Somebody was promised something; `promises` counts them up to and with this one."""

    promises: int


Change = Write | Truncate


class Call(NamedTuple):
    """One call, on one file by its name; `file` is empty for Told."""

    file: str
    what: Change | Sync | Told


class File(NamedTuple):
    """What is surely on the disk, and what was done since."""

    durable: bytes = b""
    pending: tuple[Change, ...] = ()

    @property
    def seen(self) -> bytes:
        """As every process sees it while the machine runs."""
        return applied(self.durable, self.pending)


Disk = dict[str, File]


class State(NamedTuple):
    """One possible disk, and how many promises had been made by then."""

    files: dict[str, bytes]
    told: int


def applied(content: bytes, changes: Sequence[Change]) -> bytes:
    """A file after changes; holes are zeros."""
    if not changes:
        return content
    octets = bytearray(content)
    for change in changes:
        if isinstance(change, Truncate):
            octets = octets[: change.size].ljust(change.size, b"\0")
            continue
        end = change.offset + len(change.data)
        if len(octets) < end:
            octets.extend(bytes(end - len(octets)))
        octets[change.offset : end] = change.data
    return bytes(octets)


def after(disk: Disk, call: Call) -> Disk:
    """The disk after a call."""
    old = disk.get(call.file, File())
    if isinstance(call.what, Told):
        return disk
    new = (
        File(old.seen, ())
        if isinstance(call.what, Sync)
        else File(old.durable, (*old.pending, call.what))
    )
    return {**disk, call.file: new}


def states(start: Disk, calls: Sequence[Call], *, drawn: int, seed: int) -> Iterator[State]:
    """Disks that a power loss may leave, after each of the calls.

    Per moment: everything written, nothing that was not synced, each single change lost, each
    single one alone, and `drawn` random ones with torn and reordered changes.
    """
    disk, told = dict(start), 0
    rng = random.Random(seed)
    for call in calls:
        disk = after(disk, call)
        if isinstance(call.what, Told):
            told = call.what.promises
        for files in _losses(disk, rng, drawn):
            yield State(files, told)


def _losses(disk: Disk, rng: random.Random, drawn: int) -> Iterator[dict[str, bytes]]:
    yield {name: file.seen for name, file in disk.items()}
    yield {name: file.durable for name, file in disk.items()}
    for name, file in disk.items():
        if not file.pending:
            continue
        others = [{one: rest.seen for one, rest in disk.items()}]
        others.append({one: rest.durable for one, rest in disk.items()})
        for rest in others:
            for at, change in enumerate(file.pending):
                without = (*file.pending[:at], *file.pending[at + 1 :])
                yield {**rest, name: applied(file.durable, without)}
                yield {**rest, name: applied(file.durable, [change])}
    if any(file.pending for file in disk.values()):
        for _ in range(drawn):
            yield {name: _drawn(file, rng) for name, file in disk.items()}


def _drawn(file: File, rng: random.Random) -> bytes:
    kept = rng.choice((0.1, 0.5, 0.9, 1.0))
    changes: list[Change] = []
    for change in file.pending:
        if rng.random() < kept:
            changes += _torn(change, rng) if rng.random() < 0.3 else [change]
    if rng.random() < 0.5:
        rng.shuffle(changes)
    return applied(file.durable, changes)


def _torn(change: Change, rng: random.Random) -> list[Change]:
    """Some sectors of a write; a truncation is whole or not at all."""
    if isinstance(change, Truncate):
        return [change]
    sector = rng.choice(SECTORS)
    start = change.offset - change.offset % sector
    parts: list[Change] = []
    for at in range(start, change.offset + len(change.data), sector):
        first, end = max(at, change.offset), at + sector
        if rng.random() < 0.5:
            data = change.data[first - change.offset : end - change.offset]
            parts.append(Write(first, data))
    return parts
