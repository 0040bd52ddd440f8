"""`python -m bench.tails ADDRESS COUNT STUCK`: so many listen to the tail, and some never read.

They read until standard input ends, and throw away what they hear.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from typing import Final

_READ_BYTES: Final = 1 << 18


def main(address: str, count: int, stuck: int) -> int:
    token = os.environ["DEPLOYTRAIL_TOKEN"]
    streams = [_listening(address, token) for _ in range(count)]
    with selectors.DefaultSelector() as ready:
        for stream in streams[stuck:]:
            ready.register(stream, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        print("listening", flush=True)
        octets, ended = 0, 0
        buffer = bytearray(_READ_BYTES)
        while True:
            for chosen, _ in ready.select():
                if chosen.fileobj is sys.stdin:
                    spent = time.process_time()
                    print(
                        f"{count - stuck} clients read {octets / 2**20:.0f} MB, {ended} were "
                        f"ended; they took {spent:.0f} processor seconds"
                    )
                    return 0
                assert isinstance(chosen.fileobj, socket.socket)
                read = _read(chosen.fileobj, buffer)
                octets += read
                if not read:
                    ended += 1
                    ready.unregister(chosen.fileobj)


def _read(stream: socket.socket, buffer: bytearray) -> int:
    """How much; nothing where it has ended."""
    try:
        return stream.recv_into(buffer)
    except OSError:
        return 0


def _listening(address: str, token: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    stream = socket.create_connection((host, int(port)), timeout=60)
    head = f"Host: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    stream.sendall(f"GET /v1/tail HTTP/1.1\r\n{head}".encode())
    stream.settimeout(None)
    return stream


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
