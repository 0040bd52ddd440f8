"""Verification of a log that lies in memory: what it reads, in which order, how much at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from deploytrail.errors import Tampered
from deploytrail.log import checkpoint, merkle, note, verify
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.evidence import Claim, LeafClaim, Outcome
from deploytrail.log.merkle import Frontier
from deploytrail.log.note import Signer
from deploytrail.log.tiles import encode_bundle

ORIGIN: Final = "deploytrail.test/verify/1"
SIGNER: Final = Signer(ORIGIN, b"s" * 32)
SIZE: Final = 700
ENTRIES: Final = [b"entry %d" % at for at in range(SIZE)]
LEAVES: Final = merkle.leaf_hashes(ENTRIES)


def signed(size: int, root: bytes) -> bytes:
    text = checkpoint.encode(Checkpoint(ORIGIN, size, root))
    return note.encode(note.Note(text, (note.sign(text, SIGNER),)))


def roots() -> list[bytes]:
    """The root of every size from 0."""
    frontier, found = Frontier.empty(), [merkle.EMPTY_ROOT]
    for leaf in LEAVES:
        frontier = frontier.append([leaf]).frontier
        found.append(frontier.root())
    return found


ROOTS: Final = roots()
NOTES: Final = [signed(size, root) for size, root in enumerate(ROOTS)]


class Memory:
    """Evidence that notes how far its checkpoints were read when a bundle was asked for.

    `stored` are the leaf hashes beside the entries; a partial bundle has none. `gone` is a bundle
    that is not there, `broken_at` a checkpoint that can't be read, `edge` its last row's frontier.
    """

    has_partial_tiles = False
    size = SIZE

    def __init__(
        self,
        notes: list[bytes],
        *,
        entries: list[bytes] = ENTRIES,
        stored: list[bytes] = LEAVES,
        gone: int | None = None,
        broken_at: int | None = None,
        edge: Frontier | None = None,
    ) -> None:
        self._notes = notes
        self._entries = entries
        self._stored = stored
        self._gone = gone
        self._broken_at = broken_at
        self._read = 0
        self._frontier = edge or Frontier.empty().append(stored).frontier
        self.root = self._frontier.root()
        self.read_before_bundle: list[int] = []

    def bundle(self, number: int, width: int) -> bytes | None:
        self.read_before_bundle.append(self._read)
        if number == self._gone:
            return None
        return encode_bundle(self._entries[number * 256 : number * 256 + width])

    def tile(self, level: int, number: int) -> bytes | None:
        assert level == 0
        stored = self._stored[number * 256 : (number + 1) * 256]
        return b"".join(stored) if len(stored) == 256 else None

    def frontier(self, size: int) -> Frontier | None:
        return self._frontier if size == self._frontier.size else None

    def notes(self) -> Iterator[tuple[str, bytes]]:
        for at, octets in enumerate(self._notes):
            if at == self._broken_at:
                raise Tampered("its page can't be read")
            self._read += 1
            yield f"checkpoint {at}", octets


def outcome(evidence: Memory, claims: list[Claim] | None = None) -> Outcome:
    return verify.verify(evidence, origin=ORIGIN, logs=[SIGNER.key], claims=claims or [])


def test_a_checkpoint_for_every_entry_is_held_against_its_root() -> None:
    found = outcome(Memory(NOTES))
    assert (found.findings, found.checkpoints, found.size_signed) == ([], SIZE + 1, SIZE)


def test_checkpoints_are_read_only_as_far_as_the_entries() -> None:
    evidence = Memory(NOTES)
    outcome(evidence)
    # The one of the size that is reached, and the one behind it.
    assert [read - 256 * at for at, read in enumerate(evidence.read_before_bundle)] == [2, 2, 2]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 699, 700])
def test_a_wrong_checkpoint_among_many_is_found(size: int) -> None:
    notes = [*NOTES[:size], signed(size, b"?" * 32), *NOTES[size + 1 :]]
    found = outcome(Memory(notes))
    (finding,) = found.findings
    assert (finding.state, finding.until) == ("CORRUPT", size)
    assert f"checkpoint {size}" in finding.what


@pytest.mark.parametrize("size", [1, 255, 256, 257, 699, 700])
def test_what_others_hold_is_settled_among_the_checkpoints(size: int) -> None:
    assert outcome(Memory(NOTES), [Claim(size, ROOTS[size], "Carol's note")]).findings == []
    (finding,) = outcome(Memory(NOTES), [Claim(size, b"?" * 32, "Carol's note")]).findings
    assert "Carol's note" in finding.what


def test_of_checkpoints_behind_the_end_the_last_is_told_and_every_claim() -> None:
    notes = [*NOTES, signed(800, b"a" * 32), signed(900, b"b" * 32)]
    claims = [Claim(850, b"c" * 32, "Carol's note"), Claim(870, b"d" * 32, "a receipt")]
    found = outcome(Memory(notes), claims)
    assert [(one.state, one.first, one.until) for one in found.findings] == [
        ("MISSING", 700, 850),
        ("MISSING", 700, 870),
        ("MISSING", 700, 900),
    ]
    assert found.checkpoints == SIZE + 3


def test_a_checkpoint_out_of_order_is_no_evidence_against_the_entries() -> None:
    found = outcome(Memory([*NOTES[:400], NOTES[20], *NOTES[400:]]))
    (finding,) = found.findings
    assert (finding.first, finding.until) == (0, 0)
    assert "expected a size above 399, found 20" in finding.what
    assert found.size_signed == SIZE


def test_what_can_be_read_before_a_broken_checkpoint_counts() -> None:
    found = outcome(Memory(NOTES, broken_at=500))
    (finding,) = found.findings
    assert "can't be read" in finding.what
    assert (found.checkpoints, found.size_signed) == (500, 499)


def test_signatures_of_strangers_are_counted() -> None:
    stranger = Signer("stranger", b"x" * 32)
    text = note.decode(NOTES[SIZE]).text
    signatures = (note.sign(text, SIGNER), note.sign(text, stranger))
    found = outcome(Memory([*NOTES[:SIZE], note.encode(note.Note(text, signatures))]))
    assert (found.findings, found.strangers) == ([], 1)


def changed(*places: int) -> list[bytes]:
    return [b"changed" if at in places else octets for at, octets in enumerate(ENTRIES)]


def changed_log(*places: int, gone: int | None = None) -> Memory:
    """Other entries under the same stored hashes."""
    return Memory([NOTES[300], NOTES[600], NOTES[SIZE]], entries=changed(*places), gone=gone)


def test_every_change_is_located_not_only_the_first() -> None:
    found = outcome(changed_log(5, 290, 400))
    assert [(one.first, one.until) for one in found.findings] == [(5, 6), (290, 291), (400, 401)]


def test_behind_a_change_that_no_hash_explains_nothing_is_blamed() -> None:
    # The last bundle is partial, so no hashes of it are stored.
    found = outcome(changed_log(5, 550, 690))
    assert [(one.first, one.until) for one in found.findings] == [(5, 6), (300, 600)]


PEAKS: Final = {
    "one peak": ((690,), [(688, 696)]),
    "two peaks": ((650, 699), [(640, 672), (696, 700)]),
    "a peak that begins below the last good checkpoint": ((610,), [(600, 640)]),
}
"""700 entries are 512, 128, 32, 16, 8 and 4."""


@pytest.mark.parametrize("reason", PEAKS)
def test_where_only_the_edge_is_kept_a_change_lies_below_the_peaks_that_differ(reason: str) -> None:
    places, spans = PEAKS[reason]
    found = outcome(changed_log(*places))
    assert [(one.first, one.until) for one in found.findings] == spans


def test_two_signed_roots_that_contradict_each_other_are_told_of_what_the_first_left_open() -> None:
    forked = Frontier.empty().append(merkle.leaf_hashes(changed(5))).frontier
    notes = [NOTES[600], signed(SIZE, forked.root())]
    found = outcome(Memory(notes, edge=forked))
    assert [(one.first, one.until) for one in found.findings] == [(600, 700)]


@pytest.mark.parametrize("at", [256, 300, 511])
def test_a_receipt_in_a_bundle_that_is_gone_is_held_against_its_hashes(at: int) -> None:
    for leaf, states in ((LEAVES[at], {"MISSING"}), (b"?" * 32, {"MISSING", "CORRUPT"})):
        claim = LeafClaim(at, leaf, "the receipt")
        found = verify.verify(changed_log(gone=1), origin=ORIGIN, logs=[SIGNER.key], leaves=[claim])
        assert {one.state for one in found.findings} == states


def test_what_a_deeper_check_can_t_bear_is_a_finding() -> None:
    def each(first: int, _: list[bytes]) -> None:
        if first == 256:
            raise ZeroDivisionError("a bug, or a trap")

    found = verify.verify(Memory(NOTES), origin=ORIGIN, logs=[SIGNER.key], each=each)
    (finding,) = found.findings
    assert (finding.state, finding.first, finding.until) == ("CORRUPT", 256, 512)
    assert "ZeroDivisionError" in finding.what


def test_a_checkpoint_counts_only_under_the_log_s_own_name_and_key() -> None:
    for signer in (Signer("another/log/1", b"s" * 32), Signer(ORIGIN, b"x" * 32)):
        text = note.decode(NOTES[SIZE]).text
        octets = note.encode(note.Note(text, (note.sign(text, signer),)))
        found = verify.verify(
            Memory([octets]),
            origin=ORIGIN,
            logs=[Signer("another/log/1", b"s" * 32).key],
            cosigners=[signer.key],
        )
        assert (found.foreign, found.checkpoints, found.size_signed) == (1, 0, 0)


@pytest.mark.parametrize(("at", "state"), [(550, "PRUNED"), (599, "PRUNED"), (600, "MISSING")])
def test_missing_entries_are_excused_only_by_a_signed_account(at: int, state: str) -> None:
    pruned = b'{"action":"audit.retention.executed","targets":[{"id":"1","type":"bundle"}]}'
    entries = [pruned if place == at else octets for place, octets in enumerate(ENTRIES)]
    leaves = merkle.leaf_hashes(entries)
    note_of_600 = signed(600, Frontier.empty().append(leaves[:600]).frontier.root())
    found = outcome(Memory([note_of_600], entries=entries, stored=leaves, gone=1))
    assert [(one.state, one.first) for one in found.findings] == [(state, 256)]
