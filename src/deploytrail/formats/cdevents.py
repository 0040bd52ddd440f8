"""CDEvents (https://cdevents.dev/docs/): their types, and where they stand in what is sent.

Pure. One is sent bare, as the data of a CloudEvent in its structured or binary mode, or as one of
a batch of these; which of them it is shows in the body, whatever its Content-Type says.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from deploytrail.errors import Malformed, TooLarge

BATCH_MAX: Final = 10_000
_TYPE: Final = re.compile(r"dev\.cdevents\.([a-z]+)\.([a-z]+)\.\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?")
_RENAMED: Final = {"testcase": "testcaserun", "testsuite": "testsuiterun"}
"""Subjects of versions before 0.3."""


class Within(NamedTuple):
    """One event; `other` is the type of a CloudEvent that holds no CDEvent."""

    octets: bytes | Raw
    other: str | None = None


class _Outer(Struct, frozen=True):
    context: Raw = Raw()
    data: Raw = Raw()
    data_base64: Any = None
    specversion: Any = None
    type: Any = None


_outer: Final = msgspec.json.Decoder(_Outer).decode
_all: Final = msgspec.json.Decoder(list[Raw]).decode
_NOT_READ: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def subject_predicate(type_: str) -> str | None:
    """`pipelinerun.started` of a type of the specification, in any version of it; else None."""
    found = _TYPE.fullmatch(type_)
    return f"{_RENAMED.get(found[1], found[1])}.{found[2]}" if found else None


def events(octets: bytes) -> Iterator[Within]:
    """The events of a body, in its order.

    Raises Malformed, or TooLarge over 10,000. What in a batch can't be read is given as it is.
    """
    body = octets.strip()
    if not body.startswith(b"["):
        yield _within(body)
        return
    try:
        batch = _all(body)
    except _NOT_READ:
        raise Malformed("body: expected JSON, found other bytes; mend its syntax") from None
    if len(batch) > BATCH_MAX:
        raise TooLarge(f"body: expected at most {BATCH_MAX} events, found more; send them apart")
    for each in batch:
        try:
            yield _within(each)
        except Malformed:
            yield Within(each)


def _within(octets: bytes | Raw) -> Within:
    try:
        outer = _outer(octets)
    except _NOT_READ:
        raise Malformed("body: expected an object in JSON, found something else") from None
    if bytes(outer.context):
        return Within(octets)
    if outer.specversion is None and outer.type is None:
        raise Malformed("body.context: is missing; send a CDEvent, or a CloudEvent around one")
    data = _data(outer)
    try:
        has_context = bool(bytes(_outer(data).context))
    except _NOT_READ:
        has_context = False
    if has_context:
        return Within(data)
    if not isinstance(outer.type, str) or outer.type.startswith("dev.cdevents."):
        raise Malformed("body.data.context: is missing; send a CDEvent as data")
    return Within(octets, outer.type)


def _data(outer: _Outer) -> bytes | Raw:
    if bytes(outer.data):
        return outer.data
    if not isinstance(outer.data_base64, str):
        raise Malformed("body.data: is missing, as is body.data_base64; send a CDEvent as data")
    try:
        return base64.b64decode(outer.data_base64, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("body.data_base64: expected Base64, found other text") from None
