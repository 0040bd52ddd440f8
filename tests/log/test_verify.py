"""Verification of a log that lies in memory: what it reads, in which order, how much at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from deploytrail.errors import Tampered
from deploytrail.log import checkpoint, merkle, note, verify
from deploytrail.log.checkpoint import Checkpoint
from deploytrail.log.merkle import Frontier
from deploytrail.log.note import Signer
from deploytrail.log.tiles import encode_bundle
from deploytrail.log.verify import Claim, Outcome

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
    """Evidence that notes how far its checkpoints were read when a bundle was asked for."""

    has_partial_tiles = False
    size = SIZE

    def __init__(self, notes: list[bytes], *, broken_at: int | None = None) -> None:
        self._notes = notes
        self._broken_at = broken_at
        self._read = 0
        self.read_before_bundle: list[int] = []

    @property
    def root(self) -> bytes:
        return ROOTS[SIZE]

    def bundle(self, number: int, width: int) -> bytes:
        self.read_before_bundle.append(self._read)
        return encode_bundle(ENTRIES[number * 256 : number * 256 + width])

    def tile(self, level: int, number: int) -> bytes | None:
        assert level == 0
        leaves = LEAVES[number * 256 : (number + 1) * 256]
        return b"".join(leaves) if len(leaves) == 256 else None

    def notes(self) -> Iterator[bytes]:
        for at, octets in enumerate(self._notes):
            if at == self._broken_at:
                raise Tampered("its page can't be read")
            self._read += 1
            yield octets


def outcome(evidence: Memory, claims: list[Claim] | None = None) -> Outcome:
    return verify.verify(evidence, origin=ORIGIN, keys=[SIGNER.key], claims=claims or [])


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
