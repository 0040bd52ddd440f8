"""Protobuf's wire format: read as its guide says, and nothing that two readers see differently."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.errors import Malformed, SenderError, TooLarge
from deploytrail.formats import protobuf
from deploytrail.formats.protobuf import DEPTH_MAX, FIELDS_MAX, Budget, Message, fields
from tests.formats import wire
from tests.searching import examples

UINT64 = st.integers(0, (1 << 64) - 1)
NUMBERS = st.integers(1, (1 << 29) - 1)


def found(octets: bytes) -> list[tuple[int, Any, int]]:
    return [
        (number, bytes(value) if isinstance(value, memoryview) else value, kind)
        for number, value, kind in fields(octets)
    ]


# The guide's own samples.
GUIDE: dict[str, tuple[str, list[tuple[int, Any, int]]]] = {
    "an integer": ("089601", [(1, 150, 0)]),
    "a string": ("120774657374696e67", [(2, b"testing", 2)]),
    "a nested message": ("1a03089601", [(3, b"\x08\x96\x01", 2)]),
    "packed numbers": ("3206038e029ea705", [(6, b"\x03\x8e\x02\x9e\xa7\x05", 2)]),
    "minus two": ("08feffffffffffffffff01", [(1, (1 << 64) - 2, 0)]),
}


@pytest.mark.parametrize("sample", GUIDE)
def test_the_guides_samples_are_read(sample: str) -> None:
    octets, expected = GUIDE[sample]
    assert found(bytes.fromhex(octets)) == expected


@given(
    st.lists(
        st.tuples(st.just(0), NUMBERS, UINT64)
        | st.tuples(st.just(1), NUMBERS, UINT64)
        | st.tuples(st.just(5), NUMBERS, st.integers(0, (1 << 32) - 1))
        | st.tuples(st.just(2), NUMBERS, st.binary(max_size=200))
    )
)
def test_what_a_sender_writes_is_read(sent: list[tuple[int, int, Any]]) -> None:
    writers: dict[int, Callable[[int, Any], bytes]] = {
        0: wire.number,
        1: wire.fixed64,
        2: wire.octets,
        5: wire.fixed32,
    }
    octets = b"".join(writers[kind](number, value) for kind, number, value in sent)
    assert found(octets) == [(number, value, kind) for kind, number, value in sent]


@given(NUMBERS, UINT64 | st.binary(max_size=200))
def test_what_we_write_is_what_a_sender_writes(number: int, value: int | bytes) -> None:
    sent = wire.octets(number, value) if isinstance(value, bytes) else wire.number(number, value)
    assert protobuf.tagged(number, value) == sent


BAD: dict[str, tuple[bytes, str]] = {
    "a tag that is cut off": (b"\x80", "message: expected a whole varint"),
    "a varint that is cut off": (b"\x08\x96", r"message\.1: expected a whole varint"),
    "octets that are cut off": (b"\x12\x07test", r"message\.2: expected 7 bytes, found 4"),
    "a length that lies": (b"\x12" + wire.varint(1 << 62), r"message\.2: expected 46116860\d+ b"),
    "64 bits that are cut off": (b"\x09\x01", r"message\.1: expected 8 bytes, found 1"),
    "32 bits that are cut off": (b"\x0d", r"message\.1: expected 4 bytes, found 0"),
    "a group": (b"\x0b\x0c", r"message\.1: .* found wire type 3; groups"),
    "the end of a group": (b"\x0c", r"message\.1: .* found wire type 4; groups"),
    "wire type 6": (b"\x0e", r"message\.1: .* found wire type 6"),
    "wire type 7": (b"\x0f", r"message\.1: .* found wire type 7"),
    "field 0": (b"\x00\x00", "message: expected a field's number"),
    "a number beyond 2^29": (wire.number(1 << 29, 0), "message: expected a field's number"),
    "a padded varint": (b"\x08\x80\x00", r"message\.1: expected a varint of 64 bits"),
    "a padded tag": (b"\x88\x00\x01", "message: expected a varint of 64 bits"),
    "a padded length": (b"\x12\x81\x00a", r"message\.2: expected a varint of 64 bits"),
    "eleven bytes": (b"\x08" + b"\xff" * 10 + b"\x01", r"message\.1: expected a varint of 64"),
    "65 bits": (b"\x08" + b"\xff" * 9 + b"\x02", r"message\.1: expected a varint of 64 bits"),
}


@pytest.mark.parametrize("reason", BAD)
def test_other_octets_are_refused(reason: str) -> None:
    octets, told = BAD[reason]
    with pytest.raises(Malformed, match=told):
        list(fields(octets))


def test_a_message_gives_its_fields_by_their_types() -> None:
    given = Message(
        wire.number(1, -5)
        + wire.octets(2, "alice")
        + wire.double(3, 0.5)
        + wire.fixed32(4, 7)
        + wire.number(5, 1)
        + wire.octets(6, wire.number(1, 1))
        + wire.octets(6, wire.number(1, 2))
        + wire.octets(99, "unknown")
    )
    assert given.signed(1, "count") == -5
    assert given.unsigned(1, "count") == (1 << 64) - 5
    assert given.text(2, "name") == "alice"
    assert given.double(3, "ratio") == 0.5
    assert given.fixed32(4, "flags") == 7
    assert given.boolean(5, "is_done") is True
    assert [each.unsigned(1, "at") for each in given.messages(6, "steps")] == [1, 2]
    assert (given.has(99), given.has(7)) == (True, False)


def test_what_is_absent_is_the_default() -> None:
    empty = Message(b"")
    assert (empty.signed(1, "a"), empty.text(2, "b"), empty.octets(3, "c")) == (0, "", b"")
    assert (empty.double(4, "d"), empty.boolean(5, "e"), empty.fixed64(6, "f")) == (0.0, False, 0)
    assert not empty.message(7, "g").has(1)
    assert list(empty.messages(8, "h")) == []


UNKNOWN: dict[str, tuple[bytes, Callable[[Message], Any], str]] = {
    "one given twice": (
        wire.number(1, 1) * 2,
        lambda it: it.unsigned(1, "at"),
        r"message\.at: expected it once, found it 2 times; send it once",
    ),
    "octets for a number": (
        wire.octets(1, "a"),
        lambda it: it.unsigned(1, "at"),
        r"message\.at: expected a varint, found a length and octets",
    ),
    "a number for octets": (
        wire.number(1, 1),
        lambda it: it.text(1, "name"),
        r"message\.name: expected a length and octets, found a varint",
    ),
    "32 bits for 64": (
        wire.fixed32(1, 1),
        lambda it: it.fixed64(1, "time"),
        r"message\.time: expected 64 bits, found 32 bits",
    ),
    "a number for a message": (
        wire.number(1, 1),
        lambda it: list(it.messages(1, "steps")),
        r"message\.steps\[0\]: expected a length",
    ),
    "no UTF-8": (
        wire.octets(1, b"a\xff"),
        lambda it: it.text(1, "name"),
        r"message\.name: expected UTF-8, found byte 1",
    ),
    "a broken message within": (
        wire.octets(1, wire.octets(2, b"\x80")),
        lambda it: it.message(1, "step").message(2, "end"),
        r"message\.step\.end: expected a whole varint",
    ),
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_fields_of_another_kind_are_refused_by_name(reason: str) -> None:
    octets, read, told = UNKNOWN[reason]
    with pytest.raises(Malformed, match=told):
        read(Message(octets))


def test_depth_is_bounded() -> None:
    octets = b""
    for _ in range(DEPTH_MAX):
        octets = wire.octets(1, octets)
    message = Message(octets)
    for _ in range(DEPTH_MAX - 1):
        message = message.message(1, "in")
    with pytest.raises(Malformed, match=f"expected at most {DEPTH_MAX} levels"):
        message.message(1, "in")


def test_fields_are_counted_over_all_levels() -> None:
    with pytest.raises(TooLarge, match="message: expected fewer fields"):
        list(fields(wire.number(1, 1) * (FIELDS_MAX + 1)))
    octets = wire.octets(1, wire.number(1, 1) * 5) * 2
    assert len(list(Message(octets, budget=Budget(12)).messages(1, "steps"))) == 2
    with pytest.raises(TooLarge, match=r"message\.steps\[1\]: expected fewer fields"):
        list(Message(octets, budget=Budget(11)).messages(1, "steps"))


class Counted(Budget):
    """Says how often it was asked."""

    taken = 0

    def take(self, path: str) -> None:
        self.taken += 1


@examples(500)
@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused_in_as_many_steps_as_they_have_bytes(octets: bytes) -> None:
    counted = Counted()
    with contextlib.suppress(SenderError):
        list(fields(octets, budget=counted))
    # A field takes a byte or more, so the cost grows with the octets and with nothing else.
    assert counted.taken <= len(octets)


@examples(300)
@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_message_is_read_or_refused(rest: bytes, at: int, by: int) -> None:
    sent = wire.octets(1, wire.octets(2, rest) + wire.fixed64(3, 7)) + wire.number(4, 1 << 40)
    at %= len(sent)
    with contextlib.suppress(SenderError):
        message = Message(sent[:at] + bytes([sent[at] ^ by]) + sent[at + 1 :])
        message.message(1, "a").text(2, "b")
        message.unsigned(4, "c")
