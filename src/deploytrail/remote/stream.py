"""Server-sent events, read as they come.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Pure. Only what our server sends is read: `id`, `data` and comments, in
lines that end with a newline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from deploytrail.errors import Malformed

_BLOCK_BYTES_MAX: Final = 4 * 1024 * 1024


class Sent(NamedTuple):
    """One event of a stream: its id, and its data; a heartbeat has no data."""

    id: str
    data: bytes


def sent(chunks: Iterable[bytes]) -> Iterator[Sent]:
    """Each event once it is whole; what a broken stream leaves half is dropped.

    Raises Malformed for a block of more than 4 MiB.
    """
    held = b""
    for chunk in chunks:
        held += chunk
        *blocks, held = held.split(b"\n\n")
        yield from map(_block, blocks)
        if len(held) > _BLOCK_BYTES_MAX:
            raise Malformed(
                f"tail: expected events of at most {_BLOCK_BYTES_MAX} bytes, found more"
            )


def _block(block: bytes) -> Sent:
    id, data = "", b""
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            id = value.decode("utf-8", "replace")
        elif name == b"data":
            data = value
    return Sent(id, data)
