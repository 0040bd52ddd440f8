"""Protobuf's wire format (https://protobuf.dev/programming-guides/encoding/), read strictly.

Pure. `fields` tells octets apart, `Message` reads the fields of one that is known. What two readers
could see differently is refused: over-long varints, a single field given twice, another wire type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from deploytrail.errors import Malformed, TooLarge

DEPTH_MAX: Final = 64
FIELDS_MAX: Final = 200_000
"""Of a message and all that it nests: about a quarter of a second."""
_NUMBER_MAX: Final = (1 << 29) - 1
_VARINT_BYTES_MAX: Final = 10
_UINT64_MAX: Final = (1 << 64) - 1
_INT64_MAX: Final = (1 << 63) - 1

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_WIRES: Final = {
    VARINT: "a varint",
    FIXED64: "64 bits",
    LENGTH: "a length and octets",
    FIXED32: "32 bits",
}

Value = int | memoryview
"""A number of a varint or of fixed width, unsigned; or the octets of what has a length."""


class Field(NamedTuple):
    """`wire` is the type on the wire, of which `VARINT`, `FIXED64`, `LENGTH` and `FIXED32` are."""

    number: int
    value: Value
    wire: int


class Budget:
    """How many fields a message and all that it nests may still have."""

    __slots__ = ("_fields",)

    def __init__(self, fields_max: int = FIELDS_MAX) -> None:
        self._fields = fields_max

    def take(self, path: str) -> None:
        self._fields -= 1
        if self._fields < 0:
            raise TooLarge(f"{path}: expected fewer fields in one message, found more; send less")


def fields(
    octets: bytes | memoryview, *, budget: Budget | None = None, path: str = "message"
) -> Iterator[Field]:
    """The fields of one message in their order; nothing is copied.

    Raises Malformed, at the field where reading stops, or TooLarge.
    """
    view = memoryview(octets)
    budget = budget or Budget()
    at = 0
    while at < len(view):
        budget.take(path)
        tag, at = _varint(view, at, path)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= _NUMBER_MAX:
            raise Malformed(
                f"{path}: expected a field's number from 1 to 2^29 - 1, found another before "
                f"byte {at}; send protobuf"
            )
        value, at = _value(view, at, wire, f"{path}.{number}")
        yield Field(number, value, wire)


def _value(view: memoryview, at: int, wire: int, path: str) -> tuple[Value, int]:
    if wire == VARINT:
        return _varint(view, at, path)
    if wire == LENGTH:
        count, at = _varint(view, at, path)
        return _taken(view, at, count, path), at + count
    if wire == FIXED64:
        return int.from_bytes(_taken(view, at, 8, path), "little"), at + 8
    if wire == FIXED32:
        return int.from_bytes(_taken(view, at, 4, path), "little"), at + 4
    raise Malformed(
        f"{path}: expected a varint, octets, 32 or 64 bits, found wire type {wire}; "
        "groups are not taken: send a message instead"
    )


def _taken(view: memoryview, at: int, count: int, path: str) -> memoryview:
    if count > len(view) - at:
        raise Malformed(
            f"{path}: expected {count} bytes, found {len(view) - at} at the end; send it all"
        )
    return view[at : at + count]


def _varint(view: memoryview, at: int, path: str) -> tuple[int, int]:
    found = 0
    for index, octet in enumerate(view[at : at + _VARINT_BYTES_MAX]):
        found |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            if (octet == 0 and index) or found > _UINT64_MAX:
                break
            return found, at + index + 1
    else:
        if len(view) - at < _VARINT_BYTES_MAX:
            raise Malformed(f"{path}: expected a whole varint, found its beginning; send it all")
    raise Malformed(
        f"{path}: expected a varint of 64 bits in as few bytes as it needs, found a longer one; "
        "encode it shortly"
    )


class Message:
    """The fields of one message that is known, with the path that leads to it.

    As in proto3 what is absent is the default, and what is unknown is passed over.
    """

    __slots__ = ("_budget", "_depth", "_found", "path")

    def __init__(
        self,
        octets: bytes | memoryview,
        path: str = "message",
        *,
        budget: Budget | None = None,
        depth: int = 0,
    ) -> None:
        if depth >= DEPTH_MAX:
            raise Malformed(f"{path}: expected at most {DEPTH_MAX} levels, found more; flatten it")
        self.path = path
        self._budget = budget or Budget()
        self._depth = depth
        self._found: dict[int, list[Field]] = {}
        for each in fields(octets, budget=self._budget, path=path):
            self._found.setdefault(each.number, []).append(each)

    def has(self, number: int) -> bool:
        return number in self._found

    def unsigned(self, number: int, name: str) -> int:
        return self._number(number, name, VARINT)

    def signed(self, number: int, name: str) -> int:
        """An int32 or int64: negative ones are sent as 64 bits in two's complement."""
        found = self._number(number, name, VARINT)
        return found - (1 << 64) if found > _INT64_MAX else found

    def boolean(self, number: int, name: str) -> bool:
        return self._number(number, name, VARINT) != 0

    def fixed64(self, number: int, name: str) -> int:
        return self._number(number, name, FIXED64)

    def fixed32(self, number: int, name: str) -> int:
        return self._number(number, name, FIXED32)

    def double(self, number: int, name: str) -> float:
        octets = self._number(number, name, FIXED64).to_bytes(8, "little")
        found: float = struct.unpack("<d", octets)[0]
        return found

    def octets(self, number: int, name: str) -> bytes:
        found = self._one(number, name)
        return b"" if found is None else bytes(self._octets(found, f"{self.path}.{name}"))

    def text(self, number: int, name: str) -> str:
        return self._text(self.octets(number, name), f"{self.path}.{name}")

    def message(self, number: int, name: str) -> Message:
        """The one under `number`; where it is absent, one without fields."""
        found = self._one(number, name)
        path = f"{self.path}.{name}"
        return self._nested(b"" if found is None else self._octets(found, path), path)

    def messages(self, number: int, name: str) -> Iterator[Message]:
        """Those under `number` in their order, read one by one."""
        for at, found in enumerate(self._found.get(number, [])):
            path = f"{self.path}.{name}[{at}]"
            yield self._nested(self._octets(found, path), path)

    def _nested(self, octets: bytes | memoryview, path: str) -> Message:
        return Message(octets, path, budget=self._budget, depth=self._depth + 1)

    def _number(self, number: int, name: str, wire: int) -> int:
        found = self._one(number, name)
        if found is None:
            return 0
        if found.wire != wire or not isinstance(found.value, int):
            raise _other_wire(f"{self.path}.{name}", wire, found)
        return found.value

    def _octets(self, found: Field, path: str) -> memoryview:
        if not isinstance(found.value, memoryview):
            raise _other_wire(path, LENGTH, found)
        return found.value

    def _text(self, octets: bytes, path: str) -> str:
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(
                f"{path}: expected UTF-8, found byte {error.start} that is not; encode it as UTF-8"
            ) from None

    def _one(self, number: int, name: str) -> Field | None:
        found = self._found.get(number)
        if found is None:
            return None
        if len(found) > 1:
            raise Malformed(
                f"{self.path}.{name}: expected it once, found it {len(found)} times; send it once"
            )
        return found[0]


def _other_wire(path: str, wire: int, found: Field) -> Malformed:
    return Malformed(
        f"{path}: expected {_WIRES[wire]}, found {_WIRES[found.wire]}; "
        "encode it as its definition says"
    )


def tagged(number: int, value: int | bytes) -> bytes:
    """One field as octets: a varint of 0 to 2^64 - 1, or a length and octets."""
    if isinstance(value, bytes):
        return _written(number << 3 | LENGTH) + _written(len(value)) + value
    return _written(number << 3 | VARINT) + _written(value)


def _written(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
