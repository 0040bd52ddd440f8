"""A server's checkpoint is held against what was seen of its log here before."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from deploytrail.app.proofs.seen import Looked, looked_at
from deploytrail.log.policy import Policy, Witness
from deploytrail.stores import kept
from tests.app.places import Place, place, recorded
from tests.log.signers import BOB


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return recorded(tmp_path, 5)


def note_of(there: Place) -> bytes:
    with there.opened() as trail:
        return trail.publish().note.encode()


def looked(there: Place, octets: bytes, *, states: Path | None = None, later: int = 0) -> Looked:
    return looked_at(
        octets,
        states=states or Path(there.environment["XDG_STATE_HOME"]) / "deploytrail",
        now=there.clock.now() + timedelta(seconds=later),
    )


def test_what_was_seen_before_goes_on(there: Place) -> None:
    assert looked(there, note_of(there)).state == "ok"
    older = note_of(there)
    there.record(3)
    assert looked(there, note_of(there)).state == "ok"
    found = looked(there, older)
    assert (found.state, found.exit_code) == ("bad", 3)
    assert "it had 8 when it was last seen here" in found.found


def test_what_nobody_saw_is_not_vouched_for(there: Place, tmp_path: Path) -> None:
    found = looked(there, note_of(there), states=tmp_path / "none")
    assert (found.state, found.exit_code) == ("note", 0)
    assert "its key is not known" in found.found


def test_another_history_of_one_size_is_tampering(there: Place, tmp_path: Path) -> None:
    # Its own key signs both: the copy is taken before either goes on.
    other = place(tmp_path / "other")
    shutil.copytree(there.home, other.home)
    there.record(1)
    other.clock.advance(seconds=9)
    other.record(1)
    found = looked(there, note_of(other))
    assert (found.state, found.exit_code) == ("bad", 1)


def test_another_key_is_tampering(there: Place, tmp_path: Path) -> None:
    other = place(tmp_path / "other")
    # Else it would draw the same keys.
    other.clock.random(1)
    other.record(5)
    with other.opened() as another:
        theirs = another.policy()
    found = looked(there, note_of(there), states=believing(there, tmp_path / "theirs", theirs))
    assert (found.state, found.exit_code) == ("bad", 1)


def test_one_without_its_quorum_is_told(there: Place, tmp_path: Path) -> None:
    with there.opened() as trail:
        own = trail.policy()
    asked = structs.replace(
        own, witnesses={**own.witnesses, b"bob": Witness(BOB.key)}, quorum=b"bob"
    )
    found = looked(there, note_of(there), states=believing(there, tmp_path / "asked", asked))
    assert (found.state, found.exit_code) == ("note", 0)
    assert "not yet by a quorum" in found.found


def believing(there: Place, states: Path, policy: Policy) -> Path:
    """Where somebody keeps the newest checkpoint under another policy."""
    with there.opened() as trail:
        known = kept.load(Path(there.environment["XDG_STATE_HOME"]) / "deploytrail", trail.origin)
    assert known is not None
    kept.replace(states, known._replace(policy=policy))
    return states


def test_one_that_nobody_renews_is_stale(there: Place) -> None:
    found = looked(there, note_of(there), later=301)
    assert (found.state, found.exit_code) == ("bad", 5)
    assert "follow process" in found.advice


@pytest.mark.parametrize("octets", [b"", b"<html>", b"a\n\n"])
def test_what_is_no_checkpoint_is_told(there: Place, octets: bytes) -> None:
    assert looked(there, octets).state == "bad"
