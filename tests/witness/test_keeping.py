"""What a witness cosigned is durable before anybody hears of it, whatever stops it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Misconfigured
from deploytrail.log import checkpoint as checkpoints
from deploytrail.log import merkle, witnessing
from deploytrail.log import note as notes
from deploytrail.stores.cosigned import CosignedFiles
from deploytrail.witness.answer import Reply
from deploytrail.witness.keeping import Kept, Refusal, Witness
from tests.fakes import FakeClock
from tests.log.signers import BOB, CAROL, LOG, ORIGIN
from tests.searching import examples
from tests.witness.requests import branch, is_cosigned, request


class Disk:
    """`Kept` in memory that fails, or is stopped, as told: before or behind the storing."""

    def __init__(self) -> None:
        self.notes: dict[str, bytes] = {}
        self.forks: dict[str, tuple[bytes, bytes]] = {}
        self.stored = 0
        self.before: BaseException | None = None
        self.behind: BaseException | None = None

    def load(self, origin: str) -> bytes | None:
        return self.notes.get(origin)

    def replace(self, origin: str, note: bytes) -> None:
        if self.before is not None:
            raise self.before
        self.notes[origin] = note
        self.stored += 1
        if self.behind is not None:
            raise self.behind

    def keep_fork(self, origin: str, before: bytes, now: bytes) -> None:
        self.forks.setdefault(origin, (before, now))


def started(kept: Kept, told: Callable[[Refusal], None] = lambda _: None) -> Witness:
    return Witness(
        logs={ORIGIN: (LOG.key,)}, signers=(BOB,), kept=kept, clock=FakeClock(), told=told
    )


def size_kept(disk: Disk) -> int:
    return checkpoints.decode(notes.decode(disk.notes[ORIGIN]).text).size


def test_what_was_cosigned_is_stored_with_our_signature() -> None:
    disk = Disk()
    assert started(disk).answer(request(branch(5), 0)).status == 200
    text = notes.decode(disk.notes[ORIGIN]).text
    lines = disk.notes[ORIGIN].partition(b"\n\n")[2]
    assert is_cosigned(lines, text, BOB.key)


def test_after_a_restart_it_goes_on_from_what_it_cosigned() -> None:
    disk = Disk()
    started(disk).answer(request(branch(5), 0))
    again = started(disk)
    assert again.answer(request(branch(9), 0)) == Reply(409, b"5\n", "text/x.tlog.size")
    assert again.answer(request(branch(9), 5)).status == 200


ERRORS = {
    "the disk is full": (errno.ENOSPC, 507),
    "the share of the disk is full": (errno.EDQUOT, 507),
    "the disk is broken": (errno.EIO, 503),
    "it was mounted read-only": (errno.EROFS, 503),
}


@pytest.mark.parametrize("reason", ERRORS)
@pytest.mark.parametrize("when", ["before", "behind"])
def test_nothing_is_cosigned_where(reason: str, when: str) -> None:
    number, status = ERRORS[reason]
    disk = Disk()
    refusals: list[Refusal] = []
    witness = started(disk, refusals.append)
    witness.answer(request(branch(3), 0))
    setattr(disk, when, OSError(number, "broken"))
    reply = witness.answer(request(branch(5), 3))
    assert reply.status == status
    assert not witness.is_storing
    assert [one.status for one in refusals] == [status]
    setattr(disk, when, None)
    # Whichever of both is stored now, it goes on from that.
    size = size_kept(disk)
    assert size == (5 if when == "behind" else 3)
    assert witness.answer(request(branch(6), 0)).body == witnessing.encode_size(size)
    assert witness.answer(request(branch(6), size)).status == 200
    assert witness.is_storing


def test_after_a_failed_sync_the_same_is_stored_again_before_it_is_said_again() -> None:
    disk = Disk()
    witness = started(disk)
    disk.behind = OSError(errno.EIO, "the sync failed")
    assert witness.answer(request(branch(5), 0)).status == 503
    disk.behind = None
    stored = disk.stored
    assert witness.answer(request(branch(5), 5)).status == 200
    assert disk.stored == stored + 1


def test_the_same_again_is_stored_once() -> None:
    disk = Disk()
    witness = started(disk)
    for old in (0, 5, 5, 5):
        assert witness.answer(request(branch(5), old)).status == 200
    assert disk.stored == 1


class Stopped(BaseException):
    """The process ends here."""


@given(
    st.lists(
        st.tuples(
            st.integers(1, 12),
            st.sampled_from(["main", "a"]),
            st.sampled_from(["", "before", "behind"]),
        ),
        max_size=20,
    )
)
@examples(100)
def test_wherever_it_is_stopped_no_size_ever_has_two_roots(
    steps: list[tuple[int, str, str]],
) -> None:
    disk = Disk()
    witness = started(disk)
    cosigned: list[list[bytes]] = []
    for size, name, stop in steps:
        hashes = branch(size, name=name, fork_at=4)
        if stop:
            setattr(disk, stop, Stopped())
        old = 0 if ORIGIN not in disk.notes else size_kept(disk)
        body = request(hashes, old, proof=None if old <= size else [])
        try:
            status = witness.answer(body).status
        except Stopped:
            # The answer never left.
            status = 0
            witness = started(disk)
        disk.before = disk.behind = None
        if status == 200:
            cosigned.append(hashes)
    for before, after in pairwise(cosigned):
        assert after[: len(before)] == before


def test_of_two_histories_asked_for_at_once_one_is_cosigned(tmp_path: Path) -> None:
    CosignedFiles.create(tmp_path)
    witness = started(CosignedFiles(tmp_path))
    witness.answer(request(branch(4), 0))
    asks = [
        request(branch(size, name=name, fork_at=4), 4)
        for size in range(5, 13)
        for name in ("main", "a", "b")
    ]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(witness.answer, asks))
    assert sorted(one.status for one in replies) == [200] + [409] * (len(asks) - 1)


def test_a_fork_is_told_and_its_proof_is_kept(tmp_path: Path) -> None:
    CosignedFiles.create(tmp_path)
    files = CosignedFiles(tmp_path)
    refusals: list[Refusal] = []
    witness = started(files, refusals.append)
    witness.answer(request(branch(6), 0))
    for name in ("a", "b"):
        other = branch(6, name=name, fork_at=3)
        assert witness.answer(request(other, 6)).status == 422
    assert [(one.size, one.is_proven) for one in refusals] == [(6, True)] * 2
    assert witness.contradicted() == 1
    pair = files.fork(ORIGIN)
    assert pair is not None
    heads = [checkpoints.verify(notes.decode(one), [LOG.key])[0] for one in pair]
    roots = [merkle.root(branch(6)), merkle.root(branch(6, name="a", fork_at=3))]
    assert [one.root for one in heads] == roots


def test_what_it_did_not_cosign_itself_is_not_built_upon() -> None:
    disk = Disk()
    refusals: list[Refusal] = []
    by_carol = Witness(
        logs={ORIGIN: (LOG.key,)}, signers=(CAROL,), kept=disk, clock=FakeClock(), told=print
    )
    by_carol.answer(request(branch(5), 0))
    witness = started(disk, refusals.append)
    assert witness.answer(request(branch(9), 5)).status == 500
    disk.notes[ORIGIN] = b"rotten"
    assert witness.answer(request(branch(9), 0)).status == 500
    assert "restore" in refusals[0].why


def test_a_witness_that_lost_what_it_cosigned_does_not_begin_anew(tmp_path: Path) -> None:
    CosignedFiles.create(tmp_path)
    (tmp_path / "cosigned").rmdir()
    with pytest.raises(Misconfigured, match="make a new witness"):
        CosignedFiles(tmp_path)


def test_answers_are_counted_by_status() -> None:
    witness = started(Disk())
    for body in (request(branch(1), 0), request(branch(1), 0), b"nothing"):
        witness.answer(body)
    assert witness.answers() == {200: 1, 409: 1, 400: 1}
