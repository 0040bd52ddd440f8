"""The log in pieces: read once, parsed once, split where somebody is erased."""

from __future__ import annotations

import pytest

from deploytrail import entry
from deploytrail.errors import Malformed
from deploytrail.follow.reading import Piece, piece, steps
from tests.follow.logs import Log
from tests.verified import verified


def test_pieces_put_together_are_the_log(log: Log) -> None:
    for count in (1, 300, 700, 3):
        log.append(count)
    whole = verified(log.store)
    for entries_max in (1, 256, 300, 4096):
        found: list[bytes] = []
        while len(found) < len(whole):
            one = piece(log.store.reading, len(found), entries_max=entries_max)
            assert (one.first, one.size) == (len(found), len(whole))
            assert one.until % 256 == 0 or one.until == len(whole)
            found += one.entries
        assert found == whole


def test_a_piece_ends_where_somebody_else_goes_on(log: Log) -> None:
    log.append(600)
    assert piece(log.store.reading, 10, until=300).until == 300
    assert piece(log.store.reading, 520, until=530).until == 530
    assert piece(log.store.reading, 300, until=9999).until == 600


def test_a_piece_at_the_end_is_empty_and_tells_the_size(log: Log) -> None:
    assert piece(log.store.reading, 0) == Piece(0, [], 0)
    log.append(3)
    assert piece(log.store.reading, 3) == Piece(3, [], 3)
    assert piece(log.store.reading, 7) == Piece(7, [], 3)
    assert steps(Piece(3, [], 3), log.disclose) == []


def test_a_piece_of_large_entries_ends_sooner(log: Log) -> None:
    log.add(*({"action": "build.started", "raw": "x" * 30_000} for _ in range(700)))
    found = piece(log.store.reading, 0)
    assert found.until == 512


def test_entries_are_parsed_and_the_vault_asked_only_for_who_looks(log: Log) -> None:
    log.append(300)
    (step,) = steps(piece(log.store.reading, 0), log.disclose)
    assert log.asked == 0
    assert step.read.fields is step.read.fields
    assert [fields["n"] for fields in step.read.fields] == list(range(300))
    assert step.read.fields[7] is step.read.fields[7]
    assert step.read.fields[5:7] == [step.read.fields[5], step.read.fields[6]]
    assert len(step.read.fields) == 300
    assert len(step.read.disclosures(step.read.entries[:7])) == 7
    assert log.asked == 1
    assert len(step.read.disclosures(step.read.entries)) == 300


def test_an_erasure_begins_a_step_of_its_own(log: Log) -> None:
    log.erase("alice")
    log.append(3)
    log.erase("bob")
    log.erase("carol")
    log.append(2)
    found = steps(piece(log.store.reading, 0), log.disclose)
    told = [(tuple(step.erased), step.read.first, step.read.until) for step in found]
    assert told == [(("alice",), 0, 4), (("bob",), 4, 5), (("carol",), 5, 8)]
    assert [octets for step in found for octets in step.read.entries] == verified(log.store)


NOT_ERASED: dict[str, dict[str, object]] = {
    "the words are within a text": {"error": '"action":"audit.subject.erased"', "action": "x"},
    "a block has them": {"raw": {"action": "audit.subject.erased"}, "action": "x"},
    "no targets": {"action": "audit.subject.erased"},
    "targets are no list": {"action": "audit.subject.erased", "targets": "alice"},
    "targets are no targets": {"action": "audit.subject.erased", "targets": ["alice", {"id": 7}]},
}


@pytest.mark.parametrize("why", NOT_ERASED)
def test_nobody_is_erased_where(log: Log, why: str) -> None:
    log.append(1)
    log.add(NOT_ERASED[why])
    erased = [id for step in steps(piece(log.store.reading, 0), log.disclose) for id in step.erased]
    assert erased == []


def test_an_entry_that_can_not_be_read_is_named() -> None:
    (step,) = steps(Piece(40, [b'{"v":1}', b"{}", b"not JSON"], 43), lambda _: {})
    with pytest.raises(Malformed, match=r"entry 41: entry\.v: expected 1, found None"):
        list(step.read.fields)
    assert entry.fields(step.read.entries[0]) == {"v": 1}
