"""The lines of a spool: what is signed, and how they are cut into requests."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import DeploytrailError
from deploytrail.spool.chain import Chain, Gap, pieces
from deploytrail.spool.line import Signer, Spooled, is_spool, opened, spool_id

SEED: Final = bytes(range(32))
BODY: Final = b'{"id":"x"}'


def written(count: int) -> list[bytes]:
    """A header and so many lines, without their ends."""
    signer = Signer(SEED)
    header = signer.header(run="run", made="2026-11-22T12:00:00.000000Z")
    return [
        header[:-1],
        *(signer.line(BODY, is_last=at == count)[:-1] for at in range(1, count + 1)),
    ]


def read(lines: list[bytes], chain: Chain) -> list[Spooled]:
    return [line for each in lines if (line := chain.take(each)) is not None]


def test_a_whole_spool_has_no_gap() -> None:
    header, *lines = written(3)
    chain = Chain(header)
    found = read(lines, chain)
    chain.end()
    assert [(line.counter, line.body) for line in found] == [(1, BODY), (2, BODY), (3, BODY)]
    assert (chain.gaps, chain.faults) == ([], [])


def test_an_id_stands_for_the_key_in_the_header() -> None:
    header = written(0)[0]
    other = Signer(bytes(32)).header(run="run", made="2026-11-22T12:00:00.000000Z")[:-1]
    assert opened(header).id == spool_id(header) != spool_id(other)
    assert is_spool(header)
    assert not is_spool(written(1)[1])


def test_a_line_that_comes_twice_is_taken_once() -> None:
    header, first, second = written(2)
    chain = Chain(header)
    assert [line.counter for line in read([first, first, second], chain)] == [1, 2]
    assert len(chain.faults) == 1
    assert chain.gaps == []


def test_two_lines_of_one_counter_are_a_gap() -> None:
    """Only whoever had the key while the run lived could do that."""
    signer = Signer(SEED)
    header = signer.header(run="run", made="2026-11-22T12:00:00.000000Z")[:-1]
    first, second = signer.line(BODY)[:-1], signer.line(BODY)[:-1]
    again = Signer(SEED)
    again.header(run="run", made="2026-11-22T12:00:00.000000Z")
    other = again.line(b'{"id":"y"}')[:-1]
    chain = Chain(header)
    read([other, second], chain)
    assert chain.gaps == [Gap(1, 1, "another line stood here")]
    assert first != other


@given(kept=st.sets(st.integers(1, 30)), lines_max=st.integers(1, 7))
def test_whoever_takes_the_pieces_sees_the_gaps_of_the_whole(
    kept: set[int], lines_max: int
) -> None:
    header, *lines = written(30)
    whole = Chain(header)
    left = [line for at, line in enumerate(lines, 1) if at in kept]
    seen: list[Gap] = []
    events: list[int] = []
    for piece in pieces(header, read(left, whole), lines_max=lines_max, bytes_max=1 << 20):
        first, *rest = piece.octets.split(b"\n")
        chain = Chain(first, is_first=piece.is_first)
        read(rest, chain)
        if piece.is_end:
            chain.end()
        seen += chain.gaps
        events += piece.events
    whole.end()
    assert seen == whole.gaps
    assert events == sorted(kept)


@given(octets=st.binary(max_size=200))
def test_bytes_that_are_no_line_are_refused_and_nothing_else_happens(octets: bytes) -> None:
    header = written(0)[0]
    chain = Chain(header)
    assert chain.take(octets) is None
    assert len(chain.faults) == 1
    with pytest.raises(DeploytrailError):
        Chain(octets)
