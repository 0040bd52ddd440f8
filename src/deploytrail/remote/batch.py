"""Events in as few requests as a server's limits allow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
REQUEST_EVENTS_MAX: Final = 1_000


def batches(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As few requests as the server's limits allow."""
    some: list[bytes] = []
    size = 0
    for body in bodies:
        if some and (len(some) == REQUEST_EVENTS_MAX or size + len(body) > REQUEST_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(body)
        size += len(body)
    if some:
        yield some
