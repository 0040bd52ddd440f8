"""Blocks of terms: written, read back, found by route."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploytrail.index import block
from deploytrail.index.block import Block, Term
from deploytrail.index.segment import of_bits, segment

SPAN = 1_000
_ABOUT = segment(1, 0, [0] * SPAN)
_keys = st.sets(st.binary(min_size=1, max_size=8), min_size=1, max_size=40).map(sorted)


def _term(key: bytes, count: int) -> Term:
    return of_bits(key, (1 << count) - 1, _ABOUT)


@given(_keys, st.data())
def test_terms_come_back_as_they_were(keys: list[bytes], data: st.DataObject) -> None:
    terms = [_term(key, data.draw(st.integers(1, 20))) for key in keys]
    read = Block(block.encode(terms, SPAN), SPAN)
    assert list(read) == terms
    for term in terms:
        assert read.find(term[0]) == term
    assert read.find(keys[-1] + b"\0") is None
    assert list(read.terms(1, len(keys) - 1)) == terms[1:-1]


def test_a_block_is_cut_where_it_is_full() -> None:
    terms = [_term(b"%06d" % at, 500) for at in range(400)]
    found = list(block.blocks(terms, SPAN))
    assert len(found) > 2
    assert [term for _, octets in found for term in Block(octets, SPAN)] == terms
    assert [first for first, _ in found] == [Block(octets, SPAN).keys[0] for _, octets in found]


def test_keys_of_one_route_stand_in_one_block() -> None:
    same = b"x" * block.ROUTE_BYTES
    terms = [_term(b"a%04d" % at, 500) for at in range(200)]
    terms += [_term(same + b"%04d" % at, 500) for at in range(200)]
    routes = [route for route, _ in block.blocks(terms, SPAN)]
    assert len(routes) == len(set(routes))
    assert max(map(len, routes)) <= block.ROUTE_BYTES
