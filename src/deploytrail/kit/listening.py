"""A socket that listens, and the address by which others reach it."""

from __future__ import annotations

import socket
from typing import Final

from deploytrail.address import Host
from deploytrail.errors import Misconfigured

_BACKLOG: Final = 128


def listening(where: Host, *, option: str) -> socket.socket:
    """A socket that listens there; port 0 is any that is free.

    Raises Misconfigured, naming the option that says where, for an address that can't be had.
    """
    family = socket.AF_INET6 if ":" in where.name else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((where.name, where.port))
        # At once: until somebody listens, the kernel lets two have one port.
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise Misconfigured(
            f"{option}: expected to listen on {where}, but {error.strerror or error}; stop what "
            f"has it, or name another by {option}"
        ) from None
    return bound


def url_of(bound: socket.socket, *, is_tls: bool) -> str:
    name, port = bound.getsockname()[:2]
    return f"{'https' if is_tls else 'http'}://{Host(name, port)}"
