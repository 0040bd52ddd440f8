"""How many entries have two terms at once: counted, added up, read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from deploytrail.event import Raw, Reason, Target, Where
from deploytrail.index import key, pairing, pairs
from deploytrail.index.engine import SegmentedIndex
from deploytrail.index.pairs import Crossed, Paired, Pairs
from deploytrail.index.part import Memory, Part
from deploytrail.index.sqlite.shelf import SqliteShelf
from deploytrail.query.fields import BY_NAME
from tests.events import event
from tests.index.entries import ORIGIN, logged

PROD, DEV = key.value("env", "prod"), key.value("env", "dev")
PROJECT = key.value("project", "payments")
BUILD = key.family("action", "build.")
LOG = logged(
    event(
        action="build.started" if at % 3 else "deployment.started",
        where=Where(environment="prod" if at % 2 else "dev", project="payments"),
        reason=Reason(from_="stated", emergency=at % 5 == 0),
        targets=[Target(type="x", id=f"{one}-{at}") for one in range(4)],
    )
    for at in range(80)
)


def _counted(directory: Path, reads: Sequence[tuple[int, int]]) -> list[Pairs]:
    """The pairs of each segment of an index that took in these entries of the log."""
    SqliteShelf.create(directory, ORIGIN)
    shelf = SqliteShelf(directory, is_writer=True)
    index = SegmentedIndex(shelf)
    for first, until in reads:
        index.apply(LOG.read(first, until))
    with shelf.reading() as moment:
        found = [
            pairing.counted(Part(about, moment, Memory(), lambda: None))
            for about in moment.segments()
        ]
    index.close()
    return found


@pytest.fixture
def whole(tmp_path: Path) -> Pairs:
    (found,) = _counted(tmp_path / "whole", [(0, 80)])
    return found


def _under(found: Pairs, *terms: bytes) -> dict[bytes, int]:
    paired = found.under(terms)
    assert isinstance(paired, Paired)
    return dict(paired.beginning(b"="))


def test_values_are_counted_under_each_term(whole: Pairs) -> None:
    assert _under(whole, PROD)[PROJECT] == 40
    assert _under(whole, BUILD)[PROD] == 27
    assert _under(whole, BUILD)[key.value("action", "build.started")] == 53
    assert DEV not in _under(whole, PROD)
    emergency = whole.under([key.present("emergency")])
    assert isinstance(emergency, Paired)
    assert emergency.entries == 16
    assert emergency.having(PROD) == 8
    assert emergency.having(key.value("env", "nowhere")) == 0


def test_of_terms_that_lie_in_each_other_the_narrowest_says_it(whole: Pairs) -> None:
    assert _under(whole, PROJECT, PROD) == _under(whole, PROD)
    assert _under(whole, key.present("env"), BUILD, PROJECT) == _under(whole, BUILD)


CROSSED: dict[str, tuple[bytes, int | None]] = {
    "what all of one term have": (PROJECT, 27),
    "what none of one term has": (DEV, 0),
    "what lies in all of them but one": (key.value("action", "build.started"), 27),
    "what crosses them": (key.present("emergency"), None),
    "what nobody has": (key.value("env", "nowhere"), None),
    "what is left out": (key.value("target", "1-1"), None),
}


@pytest.mark.parametrize(("named", "count"), CROSSED.values(), ids=CROSSED)
def test_where_terms_cross_some_of_it_is_known(
    whole: Pairs, named: bytes, count: int | None
) -> None:
    crossed = whole.under([PROD, BUILD])
    assert isinstance(crossed, Crossed)
    assert crossed.having(named, 27) == count


UNSAID = {
    "nobody has it": [key.value("env", "nowhere")],
    "nobody has one of them": [PROD, key.value("env", "nowhere")],
    "its field is left out": [key.value("target", "1-1")],
    "there are none": [],
}


@pytest.mark.parametrize("terms", UNSAID.values(), ids=UNSAID)
def test_what_pairs_do_not_say_is_left_to_sets(whole: Pairs, terms: list[bytes]) -> None:
    assert whole.under(terms) is None


def test_a_field_of_many_values_is_left_out(whole: Pairs) -> None:
    assert whole.has(BY_NAME["env"])
    assert whole.has(BY_NAME["severity"])
    assert not whole.has(BY_NAME["target"])


def test_who_it_was_is_never_in_it(whole: Pairs) -> None:
    for name in ("actor", "for", "id", "assurance"):
        assert not whole.has(BY_NAME[name])
        assert not [named for named in whole.keys if key.field_in(named) == name]


@pytest.mark.parametrize("batch", [3, 7, 40, 64])
def test_pairs_of_neighbours_add_up_to_those_of_the_whole(
    tmp_path: Path, whole: Pairs, batch: int
) -> None:
    reads = [(first, min(first + batch, 80)) for first in range(0, 80, batch)]
    parts = _counted(tmp_path / "parts", reads)
    added = pairing.joined(parts)
    # A part has few enough targets; together they have too many.
    assert added == whole


def test_a_small_neighbour_puts_no_field_in_the_place_of_another(tmp_path: Path) -> None:
    ever_new = ("account", "application", "cluster", "namespace", "path")
    log = logged(
        event(
            where=Where(
                environment=f"env-{at}",
                project=f"project-{at}",
                unit=f"unit-{at % 30}",
                raw=Raw(**{name: f"{name}-{at}" for name in ever_new}),
            )
        )
        for at in range(94)
    )
    SqliteShelf.create(tmp_path, ORIGIN)
    shelf = SqliteShelf(tmp_path, is_writer=True)
    index = SegmentedIndex(shelf, home_entries=128)
    for first in range(0, 64, 4):
        index.apply(log.read(first, first + 4))
    index.apply(log.read(64, 94))
    with shelf.reading() as moment:
        parts = [Part(about, moment, Memory(), lambda: None) for about in moment.segments()]
        large, small = parts
        assert large.pairs() is not None
        assert not pairing.counted(small).has(BY_NAME["unit"])
        found = pairing.of_neighbours(parts)
    index.close()
    assert found.has(BY_NAME["unit"])


def test_there_are_never_more_terms_than_a_bound() -> None:
    many = [
        Pairs([], [key.value(name, f"{at:02}") for at in range(60)], bytes(4 * 60 * 60))
        for name in ("env", "project", "unit", "role", "auth")
    ]
    found = pairing.joined(many)
    assert len(found.keys) <= pairing.TERMS_MAX
    assert "unit" in found.left_out


def test_pairs_come_back_from_what_is_kept(whole: Pairs) -> None:
    assert pairs.decoded(pairs.encoded(whole)) == whole
