"""`python -m deploytrail.index.maker`: makes what it is handed on standard input, until its end.

See `index.makers`. Where something can't be made it ends: whoever handed it over makes it then,
and says why it can't be made.
"""

from __future__ import annotations

import gc
import signal
import sys
from typing import BinaryIO, Final

import msgspec

from deploytrail.errors import DeploytrailError
from deploytrail.follow.view import Read
from deploytrail.index.made import made
from deploytrail.index.makers import LENGTH_BYTES, Asked
from deploytrail.index.rows import Rowing

_decode: Final = msgspec.msgpack.Decoder(Asked).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def make(given: BinaryIO, answer: BinaryIO) -> None:
    """Answer whatever is given, until nothing is."""
    rowing: Rowing | None = None
    while length := given.read(LENGTH_BYTES):
        asked = _decode(given.read(int.from_bytes(length, "big")))
        if rowing is None:
            rowing = Rowing(origin=asked.origin)
        found = _encode(made(rowing, _read(asked)))
        answer.write(len(found).to_bytes(LENGTH_BYTES, "big") + found)
        answer.flush()


def _read(asked: Asked) -> Read:
    return Read(asked.first, asked.entries, (), lambda _: asked.disclosures)


def main() -> int:
    # Whoever started it hears it, and ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As whoever follows: entries become many small objects, none of them in cycles.
    gc.disable()
    try:
        make(sys.stdin.buffer, sys.stdout.buffer)
    except (DeploytrailError, msgspec.DecodeError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
