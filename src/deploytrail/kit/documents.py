"""Bodies of one document, of an array of them, or of lines: ways in which many tools are heard.

Pure. What is wrong with one of several spoils no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.kit.shape import read
from deploytrail.kit.source import Telling

S = TypeVar("S")
Told = Callable[[bytes, S], Iterator[Telling]]
"""What a document tells, of its bytes and what was read of it; raises Malformed."""


def tellings(
    body: bytes,
    shape: type[S],
    told: Told[S],
    *,
    one: Callable[[Raw], Telling],
    faulty: str,
) -> Iterator[Telling]:
    """What a body tells; `one` is what a member of an array tells, `faulty` the kind of a line
    that can't be read. Raises Malformed for what is neither a document nor lines of them.
    """
    if body.startswith(b"["):
        for each in read(body, list[Raw]):
            yield one(each)
        return
    try:
        outer = read(body, shape)
    except Malformed:
        first, *others = [line for line in body.splitlines() if line.strip()] or [body]
        if not others:
            raise
        if not any(_is_read(line, shape) for line in (first, others[0])):
            # Not lines of documents, but one that is broken.
            raise
        for line in (first, *others):
            yield from one_of_many(line, shape, told, faulty=faulty)
    else:
        yield from told(body, outer)


def _is_read(octets: bytes, shape: type[S]) -> bool:
    try:
        read(octets, shape)
    except Malformed:
        return False
    return True


def one_of_many(octets: bytes, shape: type[S], told: Told[S], *, faulty: str) -> Iterator[Telling]:
    """What one of several documents tells; itself, of the kind `faulty`, where it can't be read."""
    try:
        yield from told(octets, read(octets, shape))
    except Malformed:
        yield Telling(faulty, octets)
