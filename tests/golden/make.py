"""Makes the golden files of the format that this tree writes: `python -m tests.golden.make`.

Run it only for a new format, into a folder of its own. What a release wrote is never made again:
that these very bytes stay readable is the promise (DESIGN §4, "Evolution").
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec

from deploytrail import entry
from deploytrail.app.trails.directory import open_directory
from deploytrail.event import Actor, Change, Client, Event, Reason, Source, Target, Where
from deploytrail.trail import Attachment
from deploytrail.vault.conceal import Concealed, Concealer, identities
from tests.fakes import NOON, FakeClock
from tests.vault.subjects import subjects

FOLDER = Path(__file__).parent / f"format_{entry.FORMAT}"
ORIGIN = "deploytrail.test/golden/1"
OBSERVED = "2026-11-22T12:00:01.000000Z"


def golden_event(number: int) -> Event:
    """Alice changed a replica for a reason; the same at any time."""
    clock = FakeClock(NOON)
    for _ in range(number):
        clock.random(1)
    return Event(
        id=clock.event_id(),
        action="resource.updated",
        outcome="success",
        time=NOON,
        actor=Actor(type="user", id="github:alice", name="Alice Example"),
        client=Client(address="192.0.2.7"),
        where=Where(project="payments", unit="replicas", environment="prod"),
        targets=(Target(type="db", id=f"db.replica[{number}]", name="réplica"),),
        changes=(Change(path="size", op="update", old='"small"', new='"large"'),),
        reason=Reason(from_="stated", text="the read replica lags", tickets=("OPS-7",)),
        source=Source(tool="terraform", instance="local", delivery="run-1", part=number),
    )


def golden_entry() -> Concealed:
    """By pure functions of fixed arguments: byte for byte the same wherever it is made."""
    told = golden_event(0)
    concealer = Concealer(origin=ORIGIN, body_key=b"b" * 32)
    given = subjects(identities(told))
    return concealer.conceal(told, body=b"body", observed=OBSERVED, nonce=b"n" * 16, subjects=given)


def make(folder: Path) -> None:
    """Write every golden file of the format into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    concealed = golden_entry()
    (folder / "entry.json").write_bytes(concealed.entry)
    disclosures = sorted(found.json for _, found in concealed.disclosures)
    (folder / "disclosures.jsonl").write_bytes(b"\n".join(disclosures) + b"\n")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        _make_trail(home, {"XDG_STATE_HOME": scratch}, folder)
        for name in ("log.db", "keys.db", "key", "policy"):
            shutil.copyfile(home / name, folder / name)


def _make_trail(home: Path, environment: dict[str, str], folder: Path) -> None:
    with open_directory(home, clock=FakeClock(), environment=environment) as trail:
        events = [golden_event(number) for number in range(3)]
        kept = Attachment(type="output", data=b"Apply complete!\n")
        receipts = trail.record(events, attachments={events[2].id: [kept]})
        (folder / "receipts.json").write_bytes(msgspec.json.encode(receipts))
        (folder / "events.json").write_bytes(msgspec.json.encode(events))
        (folder / "checkpoint").write_text(trail.publish().note, encoding="utf-8")
        # What stands in the write-ahead log goes into the one file that is kept.
        trail.store.sync_all()
        trail.keyring.sync_all()


if __name__ == "__main__":
    make(FOLDER)
