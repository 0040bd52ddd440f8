"""Which entries of a segment have a term: as bytes to keep, and as a set to reckon with.

Pure. A set is a number whose bit `n` stands for the n-th entry of the segment, so that Python's
own arithmetic decides a million entries at once; a short one is kept as a list of places.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress
from typing import Final

DENSE: Final = 128
"""A term that more than one entry in so many has is kept as bits, else as places."""
_PLACE_BYTES: Final = 4
_BITS: Final = tuple(1 << at for at in range(8))

Places = Sequence[int]
"""Ascending, none twice."""


def is_dense(count: int, span: int) -> bool:
    """How a term that `count` of `span` entries have is kept: as bits, or as places."""
    return count * DENSE > span


def bits_of(places: Iterable[int], span: int) -> int:
    """The set of these places, all below `span`."""
    octets = bytearray(span + 7 >> 3)
    for place in places:
        octets[place >> 3] |= _BITS[place & 7]
    return int.from_bytes(octets, "little")


def places_of(bits: int) -> list[int]:
    """The places in a set, ascending."""
    text = format(bits, "b")[::-1] if bits else ""
    if bits.bit_count() * _FEW >= len(text):
        return list(compress(range(len(text)), text.encode("ascii").translate(_FLAGS)))
    found = []
    place = text.find("1")
    while place >= 0:
        found.append(place)
        place = text.find("1", place + 1)
    return found


_FEW: Final = 8
"""From one in so many on, all are looked at; else one is searched for after the other."""
_FLAGS: Final = bytes(octet == ord("1") for octet in range(256))


@lru_cache(32)
def all_of(span: int) -> int:
    """The set of every entry. Most segments have as many."""
    return (1 << span) - 1


def slices_of(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(bit, the set of the places whose value has that bit), of values below 2^64; none empty."""
    octets = array("Q", values).tobytes()
    for byte in range(8):
        plane = octets[byte::8][::-1]
        if plane.count(0) == len(plane):
            continue
        for bit in range(8):
            found = int(plane.translate(_DIGIT[bit]), 2)
            if found:
                yield byte * 8 + bit, found


_DIGIT: Final = tuple(
    bytes(ord("1") if octet >> bit & 1 else ord("0") for octet in range(256)) for bit in range(8)
)


def packed(places: Places) -> bytes:
    """Places as bytes; several of these one behind the other are the places of all."""
    return array("I", places).tobytes()


def unpacked(octets: bytes) -> array[int]:
    found: array[int] = array("I")
    found.frombytes(octets)
    return found


def planes(octets: bytes, width: int) -> bytes:
    """Numbers of `width` bytes by significance: what repeats in them then stands together."""
    return b"".join(octets[at::width] for at in range(width))


def numbers(octets: bytes, width: int) -> bytes:
    """The reverse of `planes`."""
    count = len(octets) // width
    found = bytearray(len(octets))
    for at in range(width):
        found[at::width] = octets[at * count : (at + 1) * count]
    return bytes(found)


def place_planes(octets: bytes) -> bytes:
    return planes(octets, _PLACE_BYTES)


def place_numbers(octets: bytes) -> bytes:
    return numbers(octets, _PLACE_BYTES)
