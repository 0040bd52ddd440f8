"""What is declared holds once its event is in the log, and only what an event vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.app.connections.configuring import ROW, Applied, applied, apply
from deploytrail.app.events.recording import submission
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.errors import Conflict, Tampered
from deploytrail.event import Actor
from deploytrail.intake import declared
from deploytrail.intake.connections import Offer
from deploytrail.intake.declared import KIND, NOTHING, Declared
from deploytrail.log.commit import StateChange
from deploytrail.log.store import StateRow
from tests.app.places import Place, place

OFFERS = {"github": Offer(("github",))}
BOB = Actor(type="user", id="os:bob")
ACME = '[acme]\nsource = "github"\nsecrets = ["env:A"]\n'
STATES = {
    "created": ("", ACME, "integration.connection.created"),
    "removed": (ACME, "", "integration.connection.removed"),
    "paused": (ACME, f"{ACME}enabled = false\n", "integration.connection.paused"),
    "resumed": (f"{ACME}enabled = false\n", ACME, "integration.connection.resumed"),
    "a secret more": (
        ACME,
        ACME.replace('"env:A"', '"env:B", "env:A"'),
        "integration.credential.rotated",
    ),
    "a setting": (
        ACME,
        f'{ACME}settings = {{ owner = "acme" }}\n',
        "integration.connection.updated",
    ),
}


def files(text: str) -> Declared:
    return declared.read({"connections.toml": text.encode()}, OFFERS)


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


def now(trail: StoredTrail) -> Applied:
    return applied(trail.store.reading, OFFERS)


def put(trail: StoredTrail, there: Place, new: Declared) -> list[Any]:
    return list(apply(trail.recorder, now(trail), new, clock=there.clock, by=BOB))


def test_nothing_is_declared_at_first(there: Place) -> None:
    with there.opened() as trail:
        assert now(trail) == Applied(NOTHING, None)


def test_what_is_applied_holds(there: Place) -> None:
    with there.opened() as trail:
        put(trail, there, files(ACME))
        assert now(trail).declared == files(ACME)
    with there.opened() as trail:
        assert now(trail).declared == files(ACME)
        trail.publish()
    assert there.verified().exit_code == 0


@pytest.mark.parametrize("what", STATES)
def test_each_change_of_a_connection_is_an_event(there: Place, what: str) -> None:
    old, new, expected = STATES[what]
    with there.opened() as trail:
        put(trail, there, files(old))
        before = trail.size()
        put(trail, there, files(new))
        told: list[Any] = [each.event for each in trail.entries(first=before)]
    assert [each["action"] for each in told] == ["audit.config.applied", expected]
    assert {each["path"].split(".")[1] for each in told[0]["changes"]} == {"acme"}
    assert told[1]["targets"] == [{"type": "connection", "id": "acme"}]
    assert told[1]["actor"]["id"] == "os:bob"


def test_what_is_the_same_is_not_applied_again(there: Place) -> None:
    with there.opened() as trail:
        put(trail, there, files(ACME))
        size = trail.size()
        assert put(trail, there, files(ACME)) == []
        assert trail.size() == size


def test_of_two_who_apply_at_once_one_is_told(there: Place) -> None:
    with there.opened() as trail:
        before = now(trail)
        put(trail, there, files(ACME))
        with pytest.raises(Conflict):
            apply(trail.recorder, before, files(""), clock=there.clock, by=BOB)
        assert now(trail).declared == files(ACME)


def forge(trail: StoredTrail, there: Place, after: bytes | None) -> None:
    """As somebody who can write rows, and whose event tells of something else."""
    change = StateChange(StateRow(KIND, ROW, now(trail).row), StateRow(KIND, ROW, after))
    trail.recorder.record_with([submission(there.event(1))], [change])


def test_a_row_that_no_event_tells_of_declares_nothing(there: Place) -> None:
    with there.opened() as trail:
        put(trail, there, files(ACME))
        row = now(trail).row
        assert row is not None
        forge(trail, there, row.replace(b"env:A", b"env:M"))
        with pytest.raises(Tampered, match="found a row that none does"):
            now(trail)


def test_an_older_row_put_back_declares_nothing(there: Place) -> None:
    with there.opened() as trail:
        put(trail, there, files(ACME))
        old = now(trail).row
        put(trail, there, files(""))
        forge(trail, there, old)
        with pytest.raises(Tampered):
            now(trail)


def test_no_secret_of_a_command_is_in_the_event(there: Place) -> None:
    token = "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a"
    text = f'[acme]\nsource = "github"\nsecrets = ["command:fetch --token {token}"]\n'
    with there.opened() as trail:
        put(trail, there, files(text))
        told = [msgspec.json.encode(each.event) for each in trail.entries()]
    assert len(told) == 2
    assert not any(token.encode() in each for each in told)
