"""Disclosures of many entries: the same as one by one, and gone once somebody is erased."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deploytrail.app.followers.disclosing import Disclosing
from deploytrail.app.trails.directory import DirectoryTrail
from deploytrail.entry import fields, unbase64url
from deploytrail.errors import Tampered
from tests.app.places import Place, place
from tests.follow.hosted import Lines
from tests.vault.sealed import sealed


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


@pytest.fixture
def filled(there: Place) -> Iterator[DirectoryTrail]:
    with there.opened() as trail:
        trail.record([there.event(number) for number in range(20)])
        trail.record([there.event(number, actor="github:bob") for number in range(20)])
        yield trail


def entries(trail: DirectoryTrail) -> list[bytes]:
    return [shown.entry for shown in trail.entries()]


def disclosing(trail: DirectoryTrail, lines: Lines, **given: int) -> Disclosing:
    return Disclosing(
        trail.store.reading, trail.keyring.subject, origin=trail.origin, tell=lines, **given
    )


def test_they_are_those_that_the_trail_shows(filled: DirectoryTrail) -> None:
    asked, lines = disclosing(filled, Lines()), Lines()
    expected = sealed(filled.disclosures(entries(filled)))
    assert len(expected) > 20
    assert asked(entries(filled)) == expected
    assert asked(entries(filled)) == expected
    assert asked(entries(filled)[:3]) == sealed(filled.disclosures(entries(filled)[:3]))
    assert asked([]) == {}
    assert lines.said == []


def test_what_is_kept_is_bounded_and_the_answer_the_same(filled: DirectoryTrail) -> None:
    asked = disclosing(filled, Lines(), kept_bytes_max=0)
    for _ in range(3):
        assert asked(entries(filled)) == sealed(filled.disclosures(entries(filled)))


def test_who_is_erased_does_not_come_back_from_memory(filled: DirectoryTrail) -> None:
    asked = disclosing(filled, Lines())
    all_of_them = entries(filled)
    before = asked(all_of_them)
    (alice,) = {*fields(all_of_them[0])["subjects"].values()}
    with filled.store.writing() as writer:
        writer.erase(unbase64url(alice))
    after = asked(all_of_them)
    assert after == sealed(filled.disclosures(all_of_them))
    assert 0 < len(after) < len(before)
    assert asked(all_of_them[:20]) == {}


def test_a_disclosure_that_was_changed_is_left_out_and_told(
    there: Place, filled: DirectoryTrail
) -> None:
    all_of_them = entries(filled)
    whole = sealed(filled.disclosures(all_of_them))
    with closing(apsw.Connection(str(there.home / "log.db"))) as connection:
        connection.execute(
            "UPDATE disclosure SET sealed = zeroblob(length(sealed)) "
            "WHERE key = (SELECT min(key) FROM disclosure)"
        )
    lines = Lines()
    found = disclosing(filled, lines)(all_of_them)
    assert len(found) == len(whole) - 1
    assert found.items() <= whole.items()
    assert lines.kinds == ["disclosure is not what was sealed"]


LISTINGS: dict[str, bytes] = {
    "no subjects": b'{"_sd":["AAAA"],"v":1}',
    "a digest that is none": b'{"_sd":["!"],"subjects":{"/actor":"AAAA"},"v":1}',
    "a subject that is none": b'{"_sd":["AAAA"],"subjects":{"/actor":"="},"v":1}',
    "nothing": b"{}",
}


@pytest.mark.parametrize("why", LISTINGS)
def test_nothing_is_disclosed_of_an_entry_with(filled: DirectoryTrail, why: str) -> None:
    assert disclosing(filled, Lines())([LISTINGS[why]]) == {}


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b'{"_sd":7}', b'{"_sd":["AAAA"],"subjects":[]}', b'{"_sd":[7]}']
)
def test_an_entry_that_nobody_wrote_is_refused(filled: DirectoryTrail, octets: bytes) -> None:
    with pytest.raises(Tampered, match="expected subjects and digests as we write them"):
        disclosing(filled, Lines())([octets])
