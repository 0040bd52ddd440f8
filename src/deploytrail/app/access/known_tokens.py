"""Who comes with a token: what a store says of its tokens, kept at hand for two seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from threading import Lock
from typing import Final, NamedTuple

from deploytrail.access import token as tokens
from deploytrail.access.principal import Principal
from deploytrail.access.scope import scope
from deploytrail.access.token import Held, Known, bearer, held, recognised
from deploytrail.app.access.vouching import Row, vouched
from deploytrail.clock import Clock
from deploytrail.errors import DeploytrailError, Unknown
from deploytrail.log.store import Reader

KIND: Final = "token"
"""Of the state that tokens are."""
_AGE_MICROSECONDS_MAX: Final = 2_000_000
_HELD_MAX: Final = 1_000


class _Seen(NamedTuple):
    """What the store said of tokens, and when: by the uptime before it was asked."""

    boot: str
    microseconds: int
    rows: Mapping[str, bytes]
    known: Mapping[str, Known]
    held: dict[bytes, Held]
    """What those hold who came since `known` changed, by the hash of what they sent."""


class KnownTokens:
    """Who comes with a token: what the store says of tokens, kept for two seconds at most.

    So long at most a token that another process revoked still opens something; one that was made
    opens at once. Safe for use from all threads from which `reading` is.
    """

    def __init__(self, reading: Callable[[], AbstractContextManager[Reader]], clock: Clock) -> None:
        self._reading = reading
        self._clock = clock
        self._lock = Lock()
        self._seen = _Seen("", 0, {}, {}, {})

    def recognise(self, header: str | None) -> Principal | None:
        """As `authenticate`, without reading: None where only the store can tell.

        For whoever may not wait for the store (an event loop).
        """
        seen = self._seen
        if not self._is_young(seen):
            return None
        try:
            return _held(seen, header or "").opened(self._clock.now())
        except Unknown:
            # It may have been made a moment ago.
            return None

    def authenticate(self, header: str | None) -> Principal:
        """Whose `Authorization` header this is.

        Raises Unknown, and what reading the store raises: nobody is let in on what is too old.
        """
        found = self.recognise(header)
        if found is not None:
            return found
        secret = bearer(header)
        boot, asked = self._clock.uptime()
        with self._lock:
            seen = self._seen
            # Whoever had the lock may have read meanwhile.
            if not boot or seen.boot != boot or seen.microseconds < asked:
                seen = self._read()
        return recognised(secret, seen.known, self._clock.now())

    def refresh(self) -> None:
        """Read what the store says now. Raises what reading it raises."""
        with self._lock:
            self._read()

    def forget(self) -> None:
        """Read before the next answer. Raises nothing: the secret of a token that was just made
        would be lost with it.
        """
        with self._lock:
            self._seen = self._seen._replace(boot="")

    def _is_young(self, seen: _Seen) -> bool:
        boot, now = self._clock.uptime()
        # Where the system doesn't tell its uptime, nothing can be known to be young.
        return bool(boot) and boot == seen.boot and now - seen.microseconds < _AGE_MICROSECONDS_MAX

    def _read(self) -> _Seen:
        # Its age counts from before: what changes meanwhile may be missing in it.
        boot, now = self._clock.uptime()
        with self._reading() as reader:
            rows = reader.state(KIND)
        before = self._seen
        if rows == before.rows:
            self._seen = before._replace(boot=boot, microseconds=now)
        else:
            self._seen = _Seen(boot, now, rows, self._known(rows), {})
        return self._seen

    def _known(self, rows: Mapping[str, bytes]) -> Mapping[str, Known]:
        """Only what has changed is decoded, and believed only where an event vouches for it."""
        before = self._seen
        known = {id: one for id, one in before.known.items() if before.rows[id] == rows.get(id)}
        read = {
            id: _known_as(id, octets)
            for id, octets in rows.items()
            if before.rows.get(id) != octets
        }
        found = {id: one for id, one in read.items() if one is not None}
        asked = [
            Row(id, rows[id], one.token.set_before, one.token.created) for id, one in found.items()
        ]
        believed = vouched(self._reading, KIND, asked)
        return known | {id: one for id, one in found.items() if id in believed}


def _held(seen: _Seen, header: str) -> Held:
    """Raises Unknown. Who comes again is known by one hash: no secret is kept, and none compared
    byte by byte.
    """
    sent = hashlib.sha256(header.encode("utf-8", "surrogateescape")).digest()
    found = seen.held.get(sent)
    if found is None:
        found = held(bearer(header), seen.known)
        if len(seen.held) >= _HELD_MAX:
            # One secret may be sent with more or fewer blanks before it.
            seen.held.clear()
        seen.held[sent] = found
    return found


def _known_as(id: str, octets: bytes) -> Known | None:
    """None for what can't be read: it opens nothing, and keeps no other from being known."""
    try:
        token = tokens.decode(octets)
        return Known(token, scope(token.scope)) if token.id == id else None
    except DeploytrailError:
        return None
