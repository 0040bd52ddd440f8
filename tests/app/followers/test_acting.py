"""What actors append stands in the log once, however often it is tried."""

from __future__ import annotations

from pathlib import Path

from deploytrail.app.events.recording import Recorder
from deploytrail.app.followers.acting import appending
from deploytrail.errors import Malformed
from deploytrail.event import Event, Source
from tests.app.places import Place, place


def consequence(there: Place, *, part: int = 0, action: str = "audit.rule.created") -> Event:
    source = Source(tool="deploytrail", instance="local", delivery="actor/alerts/1/7", part=part)
    made = there.event(0)
    return Event(
        id=made.id,
        action=action,
        outcome="success",
        time=made.time,
        actor=made.actor,
        source=source,
    )


def test_tried_again_with_another_id_and_time_it_is_the_same_one(tmp_path: Path) -> None:
    there = place(tmp_path)
    with there.opened() as trail:
        recorder = Recorder(trail.store, trail.keyring, there.clock, origin=trail.origin)
        append = appending(recorder)
        assert append([consequence(there), consequence(there, part=1)]) == [None, None]
        there.clock.advance(seconds=60)
        assert append([consequence(there), consequence(there, part=1)]) == [None, None]
        assert append([consequence(there, part=2)]) == [None]
        # Nothing was entered about a conflict, either.
        assert [shown.event["action"] for shown in trail.entries()] == ["audit.rule.created"] * 3
        trail.publish()
    assert there.verified().exit_code == 0


def test_one_that_is_refused_is_told_and_stops_no_other(tmp_path: Path) -> None:
    there = place(tmp_path)
    with there.opened() as trail:
        recorder = Recorder(trail.store, trail.keyring, there.clock, origin=trail.origin)
        found = appending(recorder)(
            [consequence(there, action="audit.nothing.known"), consequence(there, part=1)]
        )
        assert isinstance(found[0], Malformed)
        assert found[1] is None
        assert trail.size() == 1
