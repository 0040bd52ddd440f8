"""What an importer is given becomes events, once each, and how far it is is told in order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.app.connections.importing import BATCH_EVENTS, Counted, Importer
from deploytrail.app.connections.known_connections import placed
from deploytrail.app.connections.taking import Connected, Keys
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.errors import Malformed
from deploytrail.event import Actor
from deploytrail.intake.declared import NOTHING
from deploytrail.intake.pieces import Piece
from deploytrail.kit.schemes import SCHEMES
from tests.app.places import Place, place
from tests.toy_source import SOURCE

BOB = Actor(type="user", id="os:bob")


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


def importer(trail: StoredTrail, there: Place) -> Importer:
    over = Connected("shipper", SOURCE, SCHEMES["nothing"], [], partial(placed, NOTHING.places))
    keys = Keys(trail.keyring.secrets.body, trail.fingerprint_key)
    return Importer(trail.recorder, over, keys, there.clock, by=BOB)


def body(*numbers: int, kind: str = "deployed", user: str = "alice") -> bytes:
    said = [
        {"kind": kind, "id": f"d-{one}", "user": user, "application": "shop"} for one in numbers
    ]
    return msgspec.json.encode({"all": said})


class Heard(list[tuple[Counted, int]]):
    """What was told."""

    def __call__(self, counted: Counted, end: int) -> None:
        self.append((counted, end))


def test_each_event_is_told_as_new_once(there: Place) -> None:
    with there.opened() as trail:
        some = importer(trail, there)
        given = [Piece([body(1), body(2)], 10), Piece([body(3)], 20)]
        assert some.take(given, Heard()) == Counted(events=3)
        assert some.take([*given, Piece([body(4)], 30)], Heard()) == Counted(events=1, known=3)
        assert trail.size() == 4


def test_an_end_is_told_once_all_before_it_stands(there: Place) -> None:
    with there.opened() as trail:
        heard = Heard()
        sizes = []

        def told(counted: Counted, end: int) -> None:
            heard(counted, end)
            sizes.append(counted.events)

        first = body(*range(2 * BATCH_EVENTS))
        importer(trail, there).take([Piece([first], 100), Piece([body(9_999)], 200)], told)
        assert [end for _, end in heard] == [0, 100, 200]
        assert sizes == [BATCH_EVENTS, 2 * BATCH_EVENTS, 2 * BATCH_EVENTS + 1]


def test_what_holds_nothing_is_behind_us_too(there: Place) -> None:
    with there.opened() as trail:
        heard = Heard()
        assert importer(trail, there).take([Piece([], 7)], heard) == Counted()
        assert heard == [(Counted(), 7)]


def test_what_was_read_before_an_error_is_taken_in(there: Place) -> None:
    def torn() -> Iterator[Piece]:
        yield Piece([body(*range(BATCH_EVENTS))], 10)
        yield Piece([body(9_999)], 20)
        raise Malformed("file: expected all of it, found a part")

    with there.opened() as trail:
        heard = Heard()
        with pytest.raises(Malformed):
            importer(trail, there).take(torn(), heard)
        assert heard[-1] == (Counted(events=BATCH_EVENTS + 1), 20)
        assert trail.size() == BATCH_EVENTS + 1


def test_what_is_not_understood_is_counted_apart(there: Place) -> None:
    with there.opened() as trail:
        given = [Piece([body(1, kind="sunk"), b"no JSON", body(2, kind="refusing")], 10)]
        assert importer(trail, there).take(given, Heard()) == Counted(events=3, unread=3)


def test_the_same_id_with_other_words_is_a_conflict(there: Place) -> None:
    with there.opened() as trail:
        some = importer(trail, there)
        some.take([Piece([body(1)], 10)], Heard())
        found = some.take([Piece([body(1, user="mallory")], 10)], Heard())
        assert found == Counted(conflicts=1)
        # The log tells of the conflict itself.
        assert trail.size() == 2


def test_nobody_vouches_for_what_was_imported(there: Place) -> None:
    with there.opened() as trail:
        importer(trail, there).take([Piece([body(1)], 10)], Heard())
        (shown,) = trail.newest(count=1)
        said: Any = shown.event
        assert said["actor"]["auth"] == {"method": "imported", "assurance": 0}
        assert said["source"]["imported"] is True
