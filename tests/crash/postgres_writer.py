"""A writer into a trail in a database, as a process that may be killed: URL STATE NAME FIRST STOP.

Records its own deliveries, from number FIRST on, until the file STOP is there, and sends a batch
again for as long as it is not told that it is stored. Every line out has the receipts of a batch.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import msgspec

from deploytrail.app.trails.opening import open_trail
from deploytrail.clock import microseconds, uuid7
from deploytrail.errors import Busy, CommitUnknown, Unreachable
from deploytrail.event import Actor, Event, Source
from deploytrail.trail import Patience
from tests.crash.writing import accepted
from tests.fakes import NOON

_PAUSE_SECONDS = 0.02
_NOT_YET = (Busy, CommitUnknown, Unreachable)
"""Errors after which the same is sent again."""


def event(name: str, number: int) -> Event:
    """Always the same, so that sending it again repeats it."""
    when = NOON + timedelta(seconds=number)
    random = hashlib.sha256(f"{name} {number}".encode()).digest()[:10]
    return Event(
        id=uuid7(microseconds(when) // 1000, random),
        action="deployment.started",
        outcome="pending",
        time=when,
        # A new person now and then: keys of subjects are made under faults, too.
        actor=Actor(type="user", id=f"os:{name}-{number // 50}@build", name=name),
        source=Source(tool="crash", instance="local", delivery=f"{name}-{number}"),
    )


def main(url: str, state: str, name: str, first: int, stop: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": state}
    number, batches = first, 0
    while not stop.exists():
        try:
            with open_trail(
                url, create=False, environment=environment, patience=Patience(writer=2, publisher=2)
            ) as trail:
                while not stop.exists():
                    # Mostly small ones; now and then one that fills a bundle.
                    count = 1 + number % 7 + (300 if batches % 50 == 49 else 0)
                    answers = trail.record([event(name, number + at) for at in range(count)])
                    receipts = [accepted(answer) for answer in answers]
                    os.write(1, msgspec.json.encode(receipts) + b"\n")
                    number += count
                    batches += 1
                    if batches % 25 == 0:
                        trail.publish()
        except _NOT_YET:
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
