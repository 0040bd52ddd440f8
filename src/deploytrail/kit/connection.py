"""Connections below `http`: which addresses they may reach, and that none outlives its deadline.

A time-out of a socket holds for one read; who sends a byte now and then never runs into it. So a
timer shuts the socket down when the whole of a request has taken too long.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from deploytrail.errors import Misconfigured, NotPermitted

Addresses = Literal["any", "public"]
_current = threading.local()


class _Connection(Protocol):
    sock: Any


class Deadline:
    """For a block: shuts down the connection that the block's request uses, when time is over.

    `seconds` None: never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._sock: socket.socket | None = None
        self._timer = None if seconds is None else threading.Timer(seconds, self._pass)
        self.has_passed = False

    def __enter__(self) -> Deadline:
        _current.deadline = self
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _current.deadline = None
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._connection = self._sock = None

    def watch(self, connection: _Connection) -> None:
        """From now on this connection is cut when time is over; at once, where it is."""
        with self._lock:
            self._connection = connection
            self._sock = connection.sock or self._sock
        self.check()

    def abandon(self) -> None:
        """Close what the request went over, also where a half-read answer still holds it."""
        with self._lock:
            connection, self._connection = self._connection, None
            sock = self._sock if connection is None else (connection.sock or self._sock)
            self._sock = None
            file = -1 if sock is None else sock.detach()
        if file >= 0:
            os.close(file)

    def check(self) -> None:
        """Raise TimeoutError where time is over."""
        if self.has_passed:
            raise TimeoutError("the whole request took too long")

    def _pass(self) -> None:
        with self._lock:
            self.has_passed = True
            sock = None if self._connection is None else self._connection.sock
            if sock is not None:
                shut(sock)


def shut(sock: socket.socket) -> None:
    """End both directions, so that a thread that waits in it goes on."""
    try:
        # Not TLS's own, which would take its state away from the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _watch(connection: _Connection) -> None:
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connection)


class _Plain(HTTPConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def request(self, *given: Any, **options: Any) -> None:
        _watch(self)
        super().request(*given, **options)


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        _watch(self)
        super().connect()
        _watch(self)

    def request(self, *given: Any, **options: Any) -> None:
        _watch(self)
        super().request(*given, **options)


class _PublicPlain(_Plain):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn, self.host, self.port)


class _PublicSecure(_Secure):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn, self.host, self.port)


def _checked(connect: Callable[[], socket.socket], host: str, port: int | None) -> socket.socket:
    """A connection to an address that anybody may reach; raises NotPermitted for another.

    Looked at before, so that nothing of ours hears of it, and after: a name may mean another
    address the next time.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        # Connecting says the same, in the way in which it is told.
        return connect()
    for *_, address in found:
        refuse_private(str(address[0]), host)
    connection = connect()
    try:
        refuse_private(str(connection.getpeername()[0]), host)
    except BaseException:
        connection.close()
        raise
    return connection


def refuse_private(address: str, host: str) -> None:
    """Raise NotPermitted for an address that not everybody in the world may reach."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = _inner(found)
    if not (found.is_global and inner.is_global) or found.is_multicast or inner.is_multicast:
        raise NotPermitted(
            f"{host}: expected a host that anybody may reach, found one of a private network; "
            "name another, or have an operator allow it"
        )


def _inner(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of the old kind that one of the new kind stands for, if it does."""
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if found in _NAT64:
        return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found.sixtofour or found


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _PublicPlainPool(HTTPConnectionPool):
    ConnectionCls = _PublicPlain


class _PublicSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PublicSecure


_CLASSES: Final[Mapping[Addresses, dict[str, type[HTTPConnectionPool]]]] = {
    "any": {"http": _PlainPool, "https": _SecurePool},
    "public": {"http": _PublicPlainPool, "https": _PublicSecurePool},
}


def pools(
    addresses: Addresses, trusted: ssl.SSLContext, *, proxy: str | None, idle_max: int
) -> urllib3.PoolManager:
    """Connections by host, over the classes above."""
    options: dict[str, Any] = {"maxsize": idle_max, "ssl_context": trusted}
    if proxy is None:
        manager = urllib3.PoolManager(**options)
    elif addresses == "any":
        manager = urllib3.ProxyManager(proxy, **options)
    else:
        raise Misconfigured(
            "proxy: expected none where only public addresses may be reached, because it is the "
            "proxy that looks names up; let the proxy refuse private ones"
        )
    manager.pool_classes_by_scheme = _CLASSES[addresses]
    return manager
