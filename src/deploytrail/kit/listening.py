"""A socket that listens, the address by which others reach it, and the certificate it shows."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Final, NamedTuple

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


class Certificate(NamedTuple):
    """The files of a server's certificate chain and its key, in PEM."""

    chain: Path
    key: Path

    def refuse_unreadable(self) -> None:
        """Raise Misconfigured for what no server can use."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # What is encrypted would ask the terminal for its password.
            context.load_cert_chain(self.chain, self.key, password="")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise Misconfigured(
                f"--tls-certificate, --tls-key: expected a certificate chain and its key in PEM, "
                f"not encrypted, found {self.chain} and {self.key}, which are not ({reason}); name "
                "the files of both"
            ) from None
