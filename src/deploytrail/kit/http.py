"""Every request that we send to others: pooled, verified, limited in size and in time.

Nothing is followed, repeated, decompressed or taken from the environment unless asked. Errors name
the server by scheme, host and port alone: a path, a query or a header may be a secret.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)
from urllib3.util import Timeout, Url, parse_url

from deploytrail.errors import Malformed, Misconfigured, Unreachable
from deploytrail.kit.answer import LIMITS, Limits, NotSent, Request, Response, Streamed
from deploytrail.kit.connection import Addresses, Deadline, pools

_CHUNK_BYTES: Final = 65_536
_IDLE_MAX: Final = 8


class Http:
    """Connections to others, kept for the next request. Safe for use from several threads.

    `addresses`: "any", or "public" where whoever chose the URL may not reach our own network
    (c.f. server-side request forgery): then names are resolved and their addresses checked before
    anything is sent. `ca_file` is trusted beside the system's certificates.
    """

    def __init__(
        self,
        *,
        limits: Limits = LIMITS,
        addresses: Addresses = "any",
        ca_file: Path | None = None,
        proxy: str | None = None,
        agent: str = "deploytrail",
    ) -> None:
        self._limits = limits
        self._agent = agent
        self._pools = pools(addresses, _trusted(ca_file), proxy=proxy, idle_max=_IDLE_MAX)

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        limits: Limits | None = None,
        repeats: int = 1,
    ) -> Response:
        """As `request`; sent once more where a connection broke, which a GET bears."""
        return self.request(Request("GET", url, None, headers or {}, limits), repeats=repeats)

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        limits: Limits | None = None,
        repeats: int = 0,
    ) -> Response:
        return self.request(Request("POST", url, body, headers or {}, limits), repeats=repeats)

    def request(self, asked: Request, *, repeats: int = 0) -> Response:
        """The whole answer. Raises NotSent, else Unreachable where none came, or not in time;
        Malformed for a URL or header that can't be, and for an answer that is none or too large;
        NotPermitted for an address that may not be reached.

        A request is sent `repeats` times more, at once, where no answer came to it: for what may
        arrive twice. A server that refuses is not asked again.
        """
        for repeated in range(repeats + 1):
            try:
                with self.stream(asked) as answer:
                    whole = b"".join(answer.chunks)
                return Response(answer.status, answer.headers, whole)
            except Unreachable:
                if repeated == repeats:
                    raise
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def stream(self, asked: Request) -> Iterator[Streamed]:
        """As `request`, with the body as it comes; the connection goes where the block ends."""
        limits = self._limits if asked.limits is None else asked.limits
        target = _target(asked.url)
        whom = _shown(target)
        sent = {"accept-encoding": "identity", "user-agent": self._agent}
        sent |= {name.lower(): value for name, value in asked.headers.items()}
        with Deadline(limits.total_seconds) as deadline:
            with _told(whom, deadline, limits):
                response = self._sent(
                    asked._replace(url=target.url, headers=sent), limits, deadline
                )
            reading = _Reading(response, limits, whom, deadline)
            try:
                found = {name.lower(): value for name, value in response.headers.items()}
                yield Streamed(response.status, found, reading.chunks())
            finally:
                reading.close()

    def _sent(self, asked: Request, limits: Limits, deadline: Deadline) -> urllib3.BaseHTTPResponse:
        try:
            return self._pools.urlopen(
                asked.method,
                asked.url,
                body=asked.body,
                headers=asked.headers,
                redirect=False,
                retries=False,
                timeout=Timeout(connect=limits.connect_seconds, read=limits.read_seconds),
                preload_content=False,
                decode_content=False,
            )
        except BaseException:
            deadline.abandon()
            raise

    def close(self) -> None:
        """Close idle connections; those in use close when they are done."""
        self._pools.clear()

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"{ca_file}: expected certificates in PEM, found none that can be read "
                f"({type(error).__name__}); name another file"
            ) from None
    return context


def _target(url: str) -> Url:
    try:
        found = parse_url(url)
    except LocationParseError:
        raise Malformed(
            "url: expected http:// or https:// and a host, found another text"
        ) from None
    if found.scheme not in {"http", "https"} or not found.host:
        raise Malformed("url: expected http:// or https:// and a host, found another text")
    if found.auth is not None:
        raise Malformed(f"url: expected no user or password in it, found one for {_shown(found)}")
    return found


def _shown(target: Url) -> str:
    port = f":{target.port}" if target.port else ""
    return f"{target.scheme}://{target.host}{port}"


class _Reading:
    """The body of an answer, as it comes."""

    def __init__(
        self, response: urllib3.BaseHTTPResponse, limits: Limits, whom: str, deadline: Deadline
    ) -> None:
        self._response = response
        self._limits = limits
        self._whom = whom
        self._deadline = deadline
        self._is_whole = False

    def chunks(self) -> Iterator[bytes]:
        count, most = 0, self._limits.bytes_max
        while chunk := self._read():
            count += len(chunk)
            if count > most:
                raise Malformed(f"{self._whom}: expected at most {most} bytes, found more")
            yield chunk
        self._is_whole = True

    def _read(self) -> bytes:
        with _told(self._whom, self._deadline, self._limits):
            chunk = self._response.read1(_CHUNK_BYTES, decode_content=False)
            # A connection that was cut at the deadline looks as if it had ended.
            self._deadline.check()
        return chunk

    def close(self) -> None:
        """Keep the connection for the next request, if nothing of this answer is left in it."""
        if self._is_whole:
            self._response.release_conn()
        else:
            self._response.close()


@contextmanager
def _told(whom: str, deadline: Deadline, limits: Limits) -> Iterator[None]:
    """Every failure below as one of ours, without what was sent."""
    try:
        yield
    except (HTTPError, OSError, ValueError, EOFError) as error:
        raise _failure(whom, deadline, limits, error) from None


def _failure(whom: str, deadline: Deadline, limits: Limits, error: Exception) -> Exception:
    if deadline.has_passed:
        return Unreachable(
            f"{whom}: expected an answer within {limits.total_seconds:g} s, found none; it may be "
            "slow, or something between us and it"
        )
    cause = _cause(error)
    if isinstance(error, NameResolutionError):
        return NotSent(f"{whom}: expected to find this host, but its name is not known")
    if isinstance(error, SSLError | ssl.SSLError):
        return NotSent(
            f"{whom}: expected a certificate that we trust, but {cause}; name its authority's file"
        )
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return NotSent(f"{whom}: expected a server there, but no connection came about ({cause})")
    if isinstance(error, UnicodeError | ValueError) and not isinstance(error, HTTPError):
        return Malformed(f"{whom}: expected a request that HTTP can carry, but {cause}")
    return Unreachable(f"{whom}: expected an answer, but the connection broke ({cause})")


def _cause(error: Exception) -> str:
    """What the operating system or TLS said, without what urllib3 adds to it, which has the URL."""
    with suppress(AttributeError, IndexError, TypeError):
        inner = error.__cause__ or error.args[-1]
        if isinstance(inner, ssl.SSLCertVerificationError):
            return str(inner.verify_message)
        if isinstance(inner, OSError) and inner.strerror:
            return str(inner.strerror)
        if isinstance(inner, Exception):
            return type(inner).__name__
    return type(error).__name__
