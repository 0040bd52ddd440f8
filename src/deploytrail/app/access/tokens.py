"""The tokens of a trail: made, listed, rotated and revoked.

A token is state, set in the commit of the event that tells of it. Names are never used again, so
what was recorded with a token is that token's for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import structs

from deploytrail.access import token as tokens
from deploytrail.access.principal import ALL, Permission, Principal
from deploytrail.access.scope import scope, written
from deploytrail.access.token import Asked, Token, issued, role_of, rotated
from deploytrail.actions import OWN_TOOL
from deploytrail.app.access import vouching
from deploytrail.app.access.known_tokens import KIND, KnownTokens
from deploytrail.app.events.recording import Recorder, submission
from deploytrail.clock import Clock
from deploytrail.errors import Conflict, NotFound
from deploytrail.event import Access, Actor, Auth, Change, Event, Reason, Source, Target
from deploytrail.log.commit import StateChange
from deploytrail.log.store import StateRow, Store
from deploytrail.trail import LOCAL_INSTANCE

FIRST: Final = "first"
"""The name of the token that a server makes at its first start."""
_TRIES_MAX: Final = 10
_WORD_CHARACTERS_MAX: Final = 64


class Created(NamedTuple):
    """A new token, and its secret, which nobody can look up again."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"Created({self.token.id!r})"


class Tokens:
    """Makes, lists and ends the tokens of one store. Belongs to the thread of its recorder."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._known = KnownTokens(store.reading, clock)

    def authenticate(self, header: str | None) -> Principal:
        """As `KnownTokens.authenticate`; what was made or revoked here is known at once."""
        return self._known.authenticate(header)

    def create(
        self,
        name: str,
        *,
        owner: str,
        permissions: frozenset[Permission],
        expires: datetime | None,
        by: Actor,
        scope_text: str = "",
    ) -> Created:
        """A new token, durable together with its event; its secret is shown once.

        Raises Malformed, naming what can't be so, and Conflict where there is one of that name,
        or ever was.
        """
        asked = Asked(name, owner, permissions, written(scope(scope_text)), expires)
        token, secret = issued(
            asked,
            by=by.id or by.type,
            now=self._clock.now(),
            random=self._clock.random(tokens.RANDOM_BYTES),
        )
        if name in self._rows():
            raise Conflict(
                f"name: expected one that no token ever had, found {name}; names are not used "
                "again, so that what was recorded with a token stays that token's. Name another, "
                f"such as {_next_name(name)}"
            )
        return Created(self._set(None, token, self._created(token, by)), secret)

    def list(self) -> list[Token]:
        """All that ever were, in the order of their names."""
        return [tokens.decode(octets) for _, octets in sorted(self._rows().items())]

    def rotate(
        self, name: str, *, expires: datetime | None, overlap: timedelta, by: Actor
    ) -> Created:
        """The token with a new secret and end; its old secret opens for `overlap` yet.

        Raises NotFound, Malformed for an end that is past, and Conflict where it is revoked, or
        somebody else changes it at the same time.
        """
        octets, token = self._named(name)
        if token.revoked is not None:
            raise Conflict(
                f"{name}: expected a token that is not revoked, found one that is, for ever; "
                f"make another, such as {_next_name(name)}"
            )
        now = self._clock.now()
        random = self._clock.random(tokens.RANDOM_BYTES)
        new, secret = rotated(token, expires=expires, until=now + overlap, now=now, random=random)
        event = self._event("audit.token.rotated", new, by)
        kept = self._set(octets, new, structs.replace(event, access=_access(new)))
        return Created(kept, secret)

    def revoke(self, name: str, *, by: Actor, reason: str | None = None) -> Token | None:
        """The token, which opens nothing any more; None where it was revoked before.

        Raises NotFound.
        """
        for _ in range(_TRIES_MAX):
            octets, token = self._named(name)
            if token.revoked is not None:
                return None
            # A hash that opens nothing is none to be kept.
            revoked = structs.replace(token, former=None, revoked=self._clock.now())
            try:
                return self._set(octets, revoked, self._revoked(revoked, by, reason))
            except Conflict:
                # Somebody else changed it meanwhile; most likely it is revoked now.
                continue
        raise Conflict(f"{name}: changed {_TRIES_MAX} times while it was revoked; try again")

    def _named(self, name: str) -> tuple[bytes, Token]:
        octets = self._rows().get(name)
        if octets is None:
            raise NotFound(
                f"NAME: expected that of a token, found {name[:60]!a}, which is none; "
                "'deploytrail token list' shows them"
            )
        return octets, tokens.decode(octets)

    def first(self, *, owner: str, expires: datetime | None, by: Actor) -> Created | None:
        """A token that may do everything, where there never was any; else None.

        Of two processes that ask at once, one makes it. Stopped after that, nobody has its
        secret, and whoever owns the store makes another by its name.
        """
        if self._rows():
            return None
        try:
            return self.create(FIRST, owner=owner, permissions=ALL, expires=expires, by=by)
        except Conflict:
            return None

    def _rows(self) -> dict[str, bytes]:
        with self._store.reading() as reader:
            return reader.state(KIND)

    def _set(self, before: bytes | None, token: Token, event: Event) -> Token:
        """The token as it is kept, which its event vouches for."""
        edition = (token.set_before or 0) + 1
        kept = structs.replace(token, edition=edition)
        value = tokens.encode(kept)
        told = structs.replace(
            event,
            source=vouching.source(KIND, token.id, edition),
            targets=(vouching.target(KIND, token.id, value),),
        )
        change = StateChange(StateRow(KIND, token.id, before), StateRow(KIND, token.id, value))
        self._recorder.record_with([submission(told)], [change])
        self._known.forget()
        return kept

    def _created(self, token: Token, by: Actor) -> Event:
        """Everything about the token but its owner's name stands clear."""
        return structs.replace(
            self._event("audit.token.created", token, by),
            on_behalf_of=None if token.owner == by.id else _owner(token),
            access=_access(token),
            changes=tuple(
                Change(path=f"permissions.{one.value}", op="add") for one in token.permissions
            ),
        )

    def _revoked(self, token: Token, by: Actor, reason: str | None) -> Event:
        stated = Reason(from_="stated", text=reason) if reason else Reason(from_="none")
        return structs.replace(self._event("audit.token.revoked", token, by), reason=stated)

    def _event(self, action: str, token: Token, by: Actor) -> Event:
        return Event(
            id=self._clock.event_id(),
            action=action,
            outcome="success",
            time=self._clock.now(),
            actor=by,
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE),
            targets=(Target(type="token", id=token.id),),
        )


def _access(token: Token) -> Access:
    role = role_of(token)
    return Access(
        permission=role if len(role) <= _WORD_CHARACTERS_MAX else "several",
        resource=token.scope or None,
        expires=token.expires,
    )


def _owner(token: Token) -> Actor:
    """Whose it is, by the word of whoever makes it: nobody knows whether a person or a program."""
    return Actor(type="unknown", id=token.owner, auth=Auth(method="claimed", assurance=0))


def _next_name(name: str) -> str:
    return f"{name[: tokens.NAME_CHARACTERS_MAX - 2]}-2"
