"""Backups for tests: of a trail that has rows of every kind, and what its files say."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec

from deploytrail.app.access.vouching import target
from deploytrail.app.backups.backing_up import backup, source_of
from deploytrail.app.backups.restoring import Restored, restore
from deploytrail.app.events.recording import submission
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.event import Actor, Event, Source, Target
from deploytrail.log.commit import StateChange
from deploytrail.log.store import StateRow
from deploytrail.log.tiles import decode_bundle
from deploytrail.trail import Attachment, Backup
from deploytrail.zstd import zstd
from tests.app.places import Place, place

ALICE, BOB, CAROL = "github:alice", "github:bob", "github:carol"
COUNT = 600


def rich(directory: Path) -> Place:
    """A trail with rows of every kind: Carol was erased, and 600 entries and more are signed."""
    there = place(directory)
    with there.opened() as trail:
        for first in range(0, COUNT, 150):
            trail.record([event(there, at) for at in range(first, first + 150)])
            trail.publish()
        told = event(there, COUNT)
        attached = {told.id: [Attachment(type="output", data=b"what Alice saw")]}
        trail.record([told], attachments=attached)
        _set(trail, there.event(COUNT, actor=CAROL), {"a": b"1", "b": b"\x00" * 300})
        erase(there, trail, CAROL)
        trail.publish()
    return there


def _set(trail: DirectoryTrail, like: Event, values: Mapping[str, bytes]) -> None:
    """Rows of state, with the event that vouches for them."""
    told = msgspec.structs.replace(
        like,
        action="audit.token.created",
        source=Source(tool="deploytrail", instance="local"),
        targets=tuple(target("token", id, value) for id, value in values.items()),
    )
    changes = [
        StateChange(StateRow("token", id, None), StateRow("token", id, value))
        for id, value in values.items()
    ]
    trail.recorder.record_with([submission(told)], changes)


def event(there: Place, number: int) -> Event:
    """Delivery `number`, by Alice or Bob; the same each time but for its id and time."""
    made = there.event(number, actor=(ALICE, BOB)[number % 2])
    source = msgspec.structs.replace(made.source, delivery=f"delivery {number}")
    return msgspec.structs.replace(made, source=source)


def erase(there: Place, trail: DirectoryTrail, who: str) -> str:
    """As a verb for it would: the key, the rows, and the entry that tells it; not yet signed."""
    subject = trail.keyring.subjects([who])[who]
    trail.keyring.erase(subject.id)
    with trail.store.writing() as writer:
        writer.erase(subject.id)
    made = there.event(0)
    told = msgspec.structs.replace(
        made,
        action="audit.subject.erased",
        actor=Actor(type="system"),
        source=msgspec.structs.replace(made.source, tool="deploytrail"),
        reason=None,
        targets=(Target(type="subject", id=subject.name),),
    )
    trail.record([told])
    trail.store.scrub()
    return subject.name


def backed_up(
    there: Place, target: Path, *, told: Callable[[int, int], None] | None = None
) -> Backup:
    with there.opened() as trail:
        return backup(source_of(trail), target, clock=there.clock, told=told)


def restored(there: Place, file: Path, directory: Path, **given: Any) -> Restored:
    """Restored below `directory`, by somebody who has seen nothing of it."""
    given.setdefault("key", there.home / "key")
    given.setdefault("environment", elsewhere(directory))
    return restore(file, directory / "home", clock=there.clock, **given)


def again(there: Place, directory: Path) -> Place:
    """The place that `restored` makes."""
    return Place(directory / "home", dict(elsewhere(directory)), there.clock)


def elsewhere(directory: Path) -> Mapping[str, str]:
    return {"HOME": str(directory), "XDG_STATE_HOME": str(directory / "state")}


def rows(home: Path) -> dict[str, list[Any]]:
    """Every row of both databases, but of `secret`; of `segment`, the entries."""
    found: dict[str, list[Any]] = {}
    for name in ("log.db", "keys.db"):
        with closing(apsw.Connection(str(home / name))) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema "
                "WHERE type = 'table' AND name != 'secret'")]  # fmt: skip
            for table in tables:
                found[table] = list(
                    connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
                )
    segments = found["segment"]
    found["segment"] = [octets for row in segments for octets in decode_bundle(row[2])]
    return found


def members(file: Path) -> dict[str, bytes]:
    """What is in a file of a backup, unpacked, as anybody's tar and zstd would show it."""
    found = {}
    with tarfile.open(file) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            octets = stream.read()
            found[member.name] = octets if member.name in PLAIN else zstd.decompress(octets)
    return found


PLAIN = frozenset({"format", "backup.json", "seal"})
