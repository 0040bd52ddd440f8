"""Gzip from strangers: unpacked as a whole, and refused before it grows."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.gzipped import MEMBERS_MAX, Gunzip, unpacked
from tests.searching import examples

ROOM = 1 << 20
PACKED = gzip.compress(b"alice deploys payments/api", mtime=0)
BOMB = gzip.compress(bytes(64 << 20), mtime=0)

BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "part: expected gzip, found nothing"),
    "other bytes": (b"alice", "part: expected gzip, found other bytes"),
    "a beginning": (PACKED[:-3], "part: expected all of a gzip stream"),
    "another checksum": (PACKED[:-8] + bytes(4) + PACKED[-4:], "part: expected gzip"),
    "something behind it": (PACKED + b"bob", "part: expected gzip, found other bytes"),
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_gzip_is_refused(reason: str) -> None:
    octets, told = BAD[reason]
    with pytest.raises(Malformed, match=told):
        unpacked(octets, what="part", bytes_max=ROOM)


@given(st.lists(st.binary(max_size=2_000), min_size=1, max_size=5))
def test_members_behind_each_other_are_one_text(texts: list[bytes]) -> None:
    octets = b"".join(gzip.compress(text, mtime=0) for text in texts)
    assert unpacked(octets, what="part", bytes_max=ROOM) == b"".join(texts)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_chunks_of_any_size_give_the_same_text(text: bytes, size: int) -> None:
    octets, stream = gzip.compress(text, mtime=0), Gunzip()
    parts = [
        part for at in range(0, len(octets), size) for part in stream.feed(octets[at : at + size])
    ]
    stream.end()
    assert b"".join(parts) == text


def test_more_than_there_is_room_for_is_refused() -> None:
    text = bytes(range(256)) * 400
    octets = gzip.compress(text, mtime=0)
    assert unpacked(octets, what="part", bytes_max=len(text)) == text
    with pytest.raises(TooLarge, match=f"part: expected at most {len(text) - 1} bytes"):
        unpacked(octets, what="part", bytes_max=len(text) - 1)


def test_a_bomb_is_refused_before_it_is_in_memory() -> None:
    small = gzip.compress(bytes(8 << 20), mtime=0)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="part: expected at most"):
            unpacked(small, what="part", bytes_max=1 << 30)
        with pytest.raises(TooLarge, match=f"part: expected at most {ROOM} bytes"):
            unpacked(BOMB, what="part", bytes_max=ROOM)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_short_text_of_one_letter_is_no_bomb() -> None:
    text = b"a" * 60_000
    assert unpacked(gzip.compress(text, mtime=0), what="part", bytes_max=ROOM) == text


def test_many_empty_members_are_refused() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert unpacked(empty * MEMBERS_MAX, what="part", bytes_max=ROOM) == b""
    with pytest.raises(TooLarge, match="part: expected at most 1024 members"):
        unpacked(empty * (MEMBERS_MAX + 1), what="part", bytes_max=ROOM)


@examples(300)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255), st.binary(max_size=20))
def test_a_changed_byte_is_refused_or_changes_nothing(at: int, by: int, rest: bytes) -> None:
    octets = PACKED[:at] + bytes([PACKED[at] ^ by]) + PACKED[at + 1 :] + rest
    with contextlib.suppress(SenderError):
        assert unpacked(octets, what="part", bytes_max=ROOM) == b"alice deploys payments/api"
