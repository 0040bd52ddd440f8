"""A log that was set back or forked: its witness refuses, the trail tells, verify finds it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from deploytrail.errors import EXIT_POLICY_UNMET, EXIT_TAMPERED
from tests.app.places import Place
from tests.app.witnessed import (
    Asker,
    Asks,
    Neighbour,
    checked,
    events,
    named,
    told,
)


class Copy:
    """A copy of a trail's directory and of what its user has seen, and its way back."""

    def __init__(self, there: Place) -> None:
        self._there = there
        self._kept = there.home.parent / "copy"
        self._states = Path(there.environment["XDG_STATE_HOME"])
        shutil.copytree(there.home, self._kept / "home")
        shutil.copytree(self._states, self._kept / "state")

    def restore(self) -> None:
        for name, path in (("home", self._there.home), ("state", self._states)):
            shutil.rmtree(path)
            shutil.copytree(self._kept / name, path)


def seen_further(there: Place, bob: Neighbour) -> tuple[Path, Copy]:
    """Bob's policy, and the trail as it was before he cosigned five more entries."""
    pinned = named(there, bob)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(2)
    older = Copy(there)
    there.record(5)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    return pinned, older


def test_a_trail_that_was_set_back_is_refused_told_and_found(there: Place, bob: Neighbour) -> None:
    pinned, older = seen_further(there, bob)
    seen = there.home.parent / "bobs-checkpoint"
    with there.opened() as trail:
        seen.write_bytes(bob.cosigned(trail.origin))
    older.restore()
    for _ in range(2):
        with closing(Asker(there.open(), there.clock, bob)) as asker:
            asker.tick(4)
            assert asker.lines.kinds == ["witness refused"]
            assert [one.state for one in asker.asking.standings()] == ["broken"]
        with there.opened() as trail:
            trail.publish()
    assert told(there) == ["refused"]
    (refused,) = events(there, "audit.witness.refused")
    assert refused["targets"] == [{"type": "witness", "id": "bob"}]
    assert refused["error"]["text"] == "it has seen size 9, and our newest is 4"
    there.clock.advance(seconds=121)
    assert checked(there, pinned).exit_code == EXIT_POLICY_UNMET
    report = checked(there, pinned, checkpoints_seen=[seen])
    assert [one.state for one in report.found] == ["MISSING"]
    assert f"the checkpoint in {seen} goes to 9" in report.found[0].what


def test_a_trail_that_forked_is_refused_told_and_found_for_good(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    pinned, older = seen_further(there, bob)
    older.restore()
    there.record(20)
    asker = asking(bob)
    asker.tick(300, seconds=1)
    assert 422 in bob.statuses
    assert told(there)[:1] == ["refused"]
    assert told(there).count("refused") == 1
    assert told(there).count("recovered") == 0
    seen = there.home.parent / "bobs-checkpoint"
    with there.opened() as trail:
        seen.write_bytes(bob.cosigned(trail.origin))
    assert checked(there, pinned).exit_code == EXIT_POLICY_UNMET
    report = checked(there, pinned, checkpoints_seen=[seen])
    assert report.exit_code == EXIT_TAMPERED
    assert any(str(seen) in one.what for one in report.found)


def test_after_a_restore_of_the_newest_copy_it_is_cosigned_again(
    there: Place, bob: Neighbour, asking: Asks
) -> None:
    named(there, bob)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(2)
    older = Copy(there)
    there.record(5)
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    shutil.copytree(there.home, there.home.parent / "newest")
    states = Path(there.environment["XDG_STATE_HOME"])
    shutil.copytree(states, there.home.parent / "newest-state")
    older.restore()
    with closing(Asker(there.open(), there.clock, bob)) as asker:
        asker.tick(4)
    assert told(there) == ["refused"]
    shutil.rmtree(there.home)
    shutil.copytree(there.home.parent / "newest", there.home)
    shutil.rmtree(states)
    shutil.copytree(there.home.parent / "newest-state", states)
    there.record(1)
    asker = asking(bob)
    asker.tick(4)
    assert asker.asking.is_quorum_met
    # The entry that told of the refusal is gone with the copy that was set aside.
    assert told(there) == []
