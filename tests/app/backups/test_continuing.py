"""A successor goes on after a checkpoint that was looked at before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from deploytrail.app import home as homes
from deploytrail.app.backups.continuing import continue_after
from deploytrail.app.home import Home
from deploytrail.errors import Conflict, DeploytrailError, Incomplete, Malformed, Tampered
from deploytrail.event import Actor
from deploytrail.log import checkpoint, note
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.note import COSIGNATURE_V1, Note, Signature, Signer
from tests.app.places import Place, recorded
from tests.verified import verified

BOB = Actor(type="user", id="os:bob@build")


@pytest.fixture
def old(tmp_path: Path) -> Place:
    """A trail of three entries, published at two and at three."""
    there = recorded(tmp_path, 2)
    there.record(1)
    return there


def _notes(old: Place) -> list[Note]:
    """All that the old log published, oldest first, each with its cosignature."""
    with old.opened() as trail, trail.store.reading() as reader:
        rows = reader.notes(count=9)
        return [note.decode(octets + b"".join(reader.cosignatures(size))) for size, octets in rows]


def _continued(old: Place, written: Note, *, reason: str | None = None) -> str:
    """What the successor's first entry names as its target; the whole log is verified."""
    path = old.home.parent / "note"
    path.write_bytes(note.encode(written))
    return _continued_after(old, path, reason=reason)


def _continued_after(old: Place, path: Path, *, reason: str | None = None) -> str:
    following, receipt = continue_after(
        path,
        old.home.parent / "next",
        actor=BOB,
        reason=reason,
        clock=old.clock,
        environment=old.environment,
    )
    with following:
        assert receipt.index == 0
        verified(following.store, [receipt])
        targets = following.show(receipt.id).event["targets"]
    assert isinstance(targets, list)
    return str(targets[0]["id"])


def _cosigned(written: Note, count: int) -> Note:
    witnesses = [
        Signer(f"witness{at}.example.org/w", bytes([at]) * 32, COSIGNATURE_V1)
        for at in range(count)
    ]
    lines = tuple(checkpoint.cosign(written.text, witness, 1) for witness in witnesses)
    return Note(written.text, (*written.signatures, *lines))


def test_the_old_checkpoint_is_entered_verbatim(old: Place) -> None:
    newest = _notes(old)[-1]
    assert _continued(old, newest) == note.encode(newest).decode()


def test_a_note_that_many_cosigned_is_entered_with_the_log_s_own_signatures(old: Place) -> None:
    newest = _notes(old)[-1]
    assert _continued(old, _cosigned(newest, 14)) == note.encode(newest).decode()


def test_what_was_kept_of_the_old_log_is_enough_to_go_on(old: Place) -> None:
    newest = _notes(old)[-1]
    (kept,) = Path(old.environment["XDG_STATE_HOME"], "deploytrail").iterdir()
    assert _continued_after(old, kept) == note.encode(newest).decode()


def _unsigned(old: Place) -> Note:
    newest = _notes(old)[-1]
    forged = (structs.replace(newest.signatures[0], blob=bytes(64)),)
    return Note(newest.text, forged)


def _another_root(old: Place) -> Note:
    newest = _notes(old)[-1]
    said = checkpoint.decode(newest.text)
    with old.opened() as trail:
        signer = homes.signers(trail.origin, trail.keyring.secrets).log
    return checkpoint.sign(Checkpoint(said.origin, said.size, b"r" * 32), [signer])


REFUSED: dict[str, tuple[Callable[[Place], Note], type[DeploytrailError], str]] = {
    "nobody signed it": (_unsigned, Tampered, "signature"),
    "another root": (_another_root, Tampered, "size 3 had another root when it was last seen"),
    "an older one": (
        lambda old: _notes(old)[0],
        Incomplete,
        "seen here at size 3, found one of size 2; continue after the newest",
    ),
    "others' signatures alone": (
        lambda old: structs.replace(
            _cosigned(_notes(old)[-1], 1), signatures=_cosigned(_notes(old)[-1], 1).signatures[2:]
        ),
        Malformed,
        "expected a signature by",
    ),
    "more signatures of its own than can be entered": (
        lambda old: structs.replace(
            _notes(old)[-1],
            signatures=_notes(old)[-1].signatures
            + tuple(
                Signature(_notes(old)[-1].signatures[0].name, bytes([at]) * 4, bytes(64))
                for at in range(9)
            ),
        ),
        Malformed,
        "targets",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_note_that_can_not_be_gone_on_after_leaves_nothing_behind(
    old: Place, reason: str
) -> None:
    make, error, message = REFUSED[reason]
    with pytest.raises(error, match=message):
        _continued(old, make(old))
    assert not (old.home.parent / "next").exists()


def test_a_note_of_a_log_that_was_never_seen_speaks_for_itself(old: Place, tmp_path: Path) -> None:
    strangers = old._replace(environment={"XDG_STATE_HOME": str(tmp_path / "stranger")})
    forged = _unsigned(old)
    assert _continued(strangers, forged) == note.encode(forged).decode()


def test_a_successor_that_was_made_and_has_no_entry_yet_is_gone_on_with(old: Place) -> None:
    newest = _notes(old)[-1]
    home = Home(old.home.parent / "next")
    following = checkpoint.decode(newest.text).origin.removesuffix("1") + "2"
    homes.create(home, clock=old.clock, environment=old.environment, origin=following)
    assert _continued(old, newest) == note.encode(newest).decode()
    with pytest.raises(Conflict, match="expected no trail, found one"):
        _continued(old, newest)


def test_another_trail_in_the_directory_is_left_alone(old: Place) -> None:
    newest = _notes(old)[-1]
    home = Home(old.home.parent / "next")
    homes.create(home, clock=old.clock, environment=old.environment)
    with pytest.raises(Conflict, match="expected no trail, found one"):
        _continued(old, newest)
