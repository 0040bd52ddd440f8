"""Deliveries: how we heard of something, as the bytes that came.

Values only. A delivery is proven by `credential` over these very bytes, and read after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from deploytrail.errors import Malformed

_OPTIONAL_SPACE = " \t"


class Delivery(NamedTuple):
    """One of them. `headers` in the order in which they came, their names in lower case, their
    values as ISO 8859-1, which keeps every byte; none where we fetched it. `received` is by our
    clock, in UTC; `path` and `query` are those of the request, as they were sent.
    """

    body: bytes
    headers: tuple[tuple[str, str], ...]
    received: datetime
    path: str = ""
    query: str = ""

    def header(self, name: str) -> str | None:
        """What it says; None where it did not come. `name` is in any case.

        Raises Malformed where it came more than once: a proxy before us may have read another of
        them than we would.
        """
        wanted = name.lower()
        found = [value for key, value in self.headers if key == wanted]
        if len(found) > 1:
            raise Malformed(f"{name}: expected once, found it {len(found)} times; send one")
        return found[0] if found else None

    def __repr__(self) -> str:
        # Headers hold tokens, queries and bodies may: none of them gets into a trace.
        names = ", ".join(sorted({name for name, _ in self.headers}))
        return f"Delivery({len(self.body)} bytes, headers: {names[:400]!a})"


def heard(
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    received: datetime,
    *,
    path: str = "",
    query: str = "",
) -> Delivery:
    """What somebody sent; `headers` as they came over the wire, names in any case."""
    pairs = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1").strip(_OPTIONAL_SPACE))
        for name, value in headers
    )
    return Delivery(body, pairs, received, path, query)


def fetched(body: bytes, received: datetime) -> Delivery:
    """What we asked for ourselves, or read from a file: without headers."""
    return Delivery(body, (), received)
