"""Who comes with a token: what a store says of its tokens, kept at hand for a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from threading import Lock
from typing import Final

from deploytrail.access import token as tokens
from deploytrail.access.principal import Principal
from deploytrail.access.scope import Parse, scope
from deploytrail.access.token import Known, bearer, recognised
from deploytrail.clock import Clock
from deploytrail.errors import DeploytrailError
from deploytrail.log.store import Reader

KIND: Final = "token"
"""Of the state that tokens are."""
_READ_AGAIN_MICROSECONDS: Final = 1_000_000


class KnownTokens:
    """Who comes with a token: what the store says of tokens, read again every second.

    A token that another process revoked opens nothing any more after two seconds at most. Safe
    for use from all threads from which `reading` is.
    """

    def __init__(
        self, reading: Callable[[], AbstractContextManager[Reader]], clock: Clock, *, parse: Parse
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._parse = parse
        self._lock = Lock()
        self._rows: Mapping[str, bytes] = {}
        self._known: Mapping[str, Known] = {}
        self._read_at: tuple[str, int] | None = None

    def authenticate(self, header: str | None) -> Principal:
        """Whose `Authorization` header this is.

        Raises Unknown, and what reading the store raises: nobody is let in on what is too old.
        """
        secret = bearer(header)
        return recognised(secret, self._fresh(), self._clock.now())

    def forget(self) -> None:
        """Read again before the next answer."""
        self._read_at = None

    def _fresh(self) -> Mapping[str, Known]:
        with self._lock:
            boot, now = self._clock.uptime()
            # Where the system doesn't tell its uptime, no answer can be known to be young.
            is_fresh = (
                boot
                and self._read_at is not None
                and self._read_at[0] == boot
                and 0 <= now - self._read_at[1] < _READ_AGAIN_MICROSECONDS
            )
            if not is_fresh:
                with self._reading() as reader:
                    self._take_in(reader.state(KIND))
                # As of before it was read: what changed meanwhile is seen the next time.
                self._read_at = (boot, now)
            return self._known

    def _take_in(self, rows: Mapping[str, bytes]) -> None:
        """Only what has changed is decoded."""
        if rows == self._rows:
            return
        known = {}
        for id, octets in rows.items():
            if self._rows.get(id) == octets:
                found = self._known.get(id)
            else:
                found = self._known_as(id, octets)
            if found is not None:
                known[id] = found
        self._rows, self._known = rows, known

    def _known_as(self, id: str, octets: bytes) -> Known | None:
        """None for what can't be read: it opens nothing, and keeps no other from being known."""
        try:
            token = tokens.decode(octets)
            return Known(token, scope(token.scope, parse=self._parse)) if token.id == id else None
        except DeploytrailError:
            return None
