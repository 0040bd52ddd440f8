"""Protobuf as a sender writes it, for tests: plain, and not ours."""

from __future__ import annotations

import struct


def varint(number: int) -> bytes:
    """Negative ones as 64 bits in two's complement."""
    number &= (1 << 64) - 1
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def number(at: int, value: int) -> bytes:
    return tag(at, 0) + varint(value)


def octets(at: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return tag(at, 2) + varint(len(raw)) + raw


def fixed64(at: int, value: int) -> bytes:
    return tag(at, 1) + struct.pack("<Q", value)


def fixed32(at: int, value: int) -> bytes:
    return tag(at, 5) + struct.pack("<I", value)


def double(at: int, value: float) -> bytes:
    return tag(at, 1) + struct.pack("<d", value)
