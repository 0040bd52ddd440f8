"""A request and what comes back of it, and how long and how much of it is waited for.

Values, apart from whoever asks, so that who has no need of TLS loads none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from deploytrail.errors import Unreachable

_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507})


class Limits(NamedTuple):
    """How long is waited and how much is read. `total_seconds` None: as long as something comes."""

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float | None = 30.0
    bytes_max: int = 1_048_576


LIMITS: Final = Limits()
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    """What is asked; without `limits`, within those of whoever sends it."""

    method: str
    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    limits: Limits | None = None


class NotSent(Unreachable):
    """No connection came about, so nothing arrived: the same may be sent again without harm."""


class Response(NamedTuple):
    """An answer, whatever its status. Names of headers are in lower case; the body is as it came:
    where it is encoded, `content-encoding` says how.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later; other refusals are for ever."""
        return self.status in _PASSING

    @property
    def retry_after_seconds(self) -> int | None:
        """When to ask again, where the server says it in seconds."""
        given = self.headers.get("retry-after", "")
        return int(given) if given.isascii() and given.isdigit() and len(given) <= 9 else None


class Streamed(NamedTuple):
    """An answer whose body comes as it is made; `chunks` raises as a request does."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Asks(Protocol):
    """Whoever sends requests and has their answers; see `http.Http` for what is raised."""

    def request(self, asked: Request) -> Response: ...
    def stream(self, asked: Request) -> AbstractContextManager[Streamed]: ...
    def close(self) -> None: ...
