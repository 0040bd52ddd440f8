"""Rows of state that no entry vouches for are found, and open nothing: Mallory may write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import UNSET, structs

from deploytrail.access import token as kept_tokens
from deploytrail.access.principal import ALL
from deploytrail.access.token import Asked, issued
from deploytrail.app.access.known_tokens import KnownTokens
from deploytrail.app.access.tokens import Created
from deploytrail.app.doctor import examine
from deploytrail.app.events.recording import submission
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.errors import EXIT_INCOMPLETE, EXIT_OK, EXIT_TAMPERED, Conflict, Unknown
from deploytrail.event import Event, Source, Target
from deploytrail.log.commit import StateChange
from deploytrail.log.store import StateRow
from tests.app.doctored import doctored
from tests.app.made_tokens import ALICE, LATER, came_with, create, over
from tests.app.places import Place, recorded


class There(NamedTuple):
    """A trail with a token of Bob's that was rotated, and one of Mallory's that was revoked."""

    place: Place
    bobs: Created
    mallorys: Created
    unrevoked: bytes


@pytest.fixture
def there(tmp_path: Path) -> There:
    place = recorded(tmp_path, 3)
    with place.opened() as trail:
        tokens = over(trail, place.clock)
        create(tokens, "ci")
        mallorys = create(tokens, "mallory")
        unrevoked = kept_tokens.encode(mallorys.token)
        bobs = tokens.rotate("ci", expires=LATER, overlap=LATER - LATER, by=ALICE)
        tokens.revoke("mallory", by=ALICE)
        trail.publish()
    return There(place, bobs, mallorys, unrevoked)


def wrote(there: There, name: str, value: bytes | None) -> None:
    """Past the log, as whoever may write the file can."""
    with doctored(there.place.home) as connection:
        connection.execute("DELETE FROM state WHERE kind = 'token' AND id = ?", (name,))
        if value is not None:
            connection.execute("INSERT INTO state VALUES ('token', ?, ?)", (name, value))


def made(there: There, name: str, *, edition: int | None = 1) -> Created:
    """A token of Mallory's own making, which may do everything."""
    asked = Asked(name, "mallory", ALL, "", None)
    now, random = there.place.clock.now(), there.place.clock.random(32)
    token, secret = issued(asked, by="mallory", now=now, random=random)
    return Created(structs.replace(token, edition=UNSET if edition is None else edition), secret)


def inserted(there: There) -> str:
    found = made(there, "eve")
    wrote(there, "eve", kept_tokens.encode(found.token))
    return found.secret


def inserted_as_old(there: There) -> str:
    found = made(there, "eve", edition=None)
    wrote(there, "eve", kept_tokens.encode(found.token))
    return found.secret


def swapped(there: There) -> str:
    found = made(there, "ci", edition=2)
    wrote(there, "ci", kept_tokens.encode(found.token))
    return found.secret


def swapped_for_old(there: There) -> str:
    found = made(there, "ci", edition=None)
    stale = structs.replace(found.token, created=there.bobs.token.created)
    wrote(there, "ci", kept_tokens.encode(stale))
    return found.secret


def unrevoked(there: There) -> str:
    wrote(there, "mallory", there.unrevoked)
    return there.mallorys.secret


PAST_THE_LOG: dict[str, tuple[Callable[[There], str], str]] = {
    "a row of her own": (inserted, "'eve': no entry tells of it"),
    "a row of her own, as they were before": (inserted_as_old, "'eve': no entry tells of it"),
    "her hash in another's row": (swapped, "'ci': it is not as entry 5, the newest"),
    "another's row, as they were before": (swapped_for_old, "'ci': it is not as entry 5"),
    "a revocation taken back": (unrevoked, "'mallory': it is not as entry 6, the newest"),
}


@pytest.mark.parametrize("reason", PAST_THE_LOG)
def test_a_row_written_past_the_log_is_found_and_opens_nothing(reason: str, there: There) -> None:
    write, expected = PAST_THE_LOG[reason]
    secret = write(there)
    with there.place.opened() as trail:
        known = KnownTokens(trail.store.reading, there.place.clock)
        with pytest.raises(Unknown):
            came_with(known, secret)
        if "'ci'" not in expected:
            assert came_with(known, there.bobs.secret).id == "token:ci"
    report = there.place.verified()
    assert report.exit_code == EXIT_TAMPERED
    (found,) = report.found
    assert found.state == "CORRUPT"
    assert expected in found.what
    assert "keep a copy as evidence, then 'deploytrail token revoke'" in found.what


def test_doctor_says_what_is_wrong_and_what_to_do(there: There) -> None:
    inserted(there)
    (found,) = (
        one
        for one in examine(there.place.home, environment=there.place.environment)
        if one.what == "log"
    )
    assert found.state == "bad"
    assert "state: 'token' 'eve': no entry tells of it" in found.found
    assert "deploytrail token revoke" in found.found


def test_a_row_that_was_taken_away_is_missing(there: There) -> None:
    wrote(there, "mallory", None)
    report = there.place.verified()
    assert report.exit_code == EXIT_INCOMPLETE
    assert "'mallory': it is gone, and entry 6 tells of it" in report.found[0].what


def test_a_row_of_other_bytes_is_found(there: There) -> None:
    wrote(there, "ci", b"\x00")
    report = there.place.verified()
    assert report.exit_code == EXIT_TAMPERED
    assert "'ci': it is not as entry 5" in report.found[0].what


def test_a_row_that_was_found_is_vouched_for_once_it_is_revoked(there: There) -> None:
    inserted(there)
    with there.place.opened() as trail:
        over(trail, there.place.clock).revoke("eve", by=ALICE)
        trail.publish()
    report = there.place.verified()
    assert (report.exit_code, report.found) == (EXIT_OK, ())


def test_rows_that_their_events_vouch_for_are_sound(there: There) -> None:
    report = there.place.verified()
    assert (report.exit_code, report.found) == (EXIT_OK, ())
    assert not any("token" in one for one in report.not_checked)


def as_before(trail: DirectoryTrail, there: There, name: str) -> Created:
    """A token as one was made before its event had a digest."""
    found = made(there, name, edition=None)
    event = Event(
        id=there.place.clock.event_id(),
        action="audit.token.created",
        outcome="success",
        time=there.place.clock.now(),
        actor=ALICE,
        source=Source(tool="deploytrail", instance="local"),
        targets=(Target(type="token", id=name),),
    )
    row = StateRow("token", name, kept_tokens.encode(found.token))
    change = StateChange(row._replace(value=None), row)
    trail.recorder.record_with([submission(event)], [change])
    return found


def test_a_token_of_before_there_were_digests_goes_on(there: There) -> None:
    with there.place.opened() as trail:
        old = as_before(trail, there, "old")
        trail.record([there.place.event(100 + at) for at in range(600)])
        trail.publish()
        known = KnownTokens(trail.store.reading, there.place.clock)
        assert came_with(known, old.secret).id == "token:old"
        report = there.place.verified()
        assert (report.exit_code, report.found) == (EXIT_OK, ())
        assert any(
            one.startswith("1 token whose entry has no digest") for one in report.not_checked
        )
        new = over(trail, there.place.clock).rotate(
            "old", expires=LATER, overlap=LATER - LATER, by=ALICE
        )
        trail.publish()
        known.forget()
        assert came_with(known, new.secret).id == "token:old"
    assert not any("digest" in one for one in there.place.verified().not_checked)


def test_who_sets_state_that_somebody_else_set_enters_nothing(there: There) -> None:
    """Their events have one delivery id: it is no repeat of another body."""
    with there.place.opened() as trail:
        tokens = over(trail, there.place.clock)
        stale = tokens.list()[0]
        tokens.rotate("ci", expires=LATER, overlap=LATER - LATER, by=ALICE)
        size = trail.size()
        row = StateRow("token", "ci", kept_tokens.encode(stale))
        event = Event(
            id=there.place.clock.event_id(),
            action="audit.token.revoked",
            outcome="success",
            time=there.place.clock.now(),
            actor=ALICE,
            source=Source(tool="deploytrail", instance="local", delivery="token:ci:3"),
        )
        with pytest.raises(Conflict, match="changed since"):
            trail.recorder.record_with([submission(event)], [StateChange(row, row)])
        assert trail.size() == size
