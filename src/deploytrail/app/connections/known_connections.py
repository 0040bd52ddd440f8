"""Which connections there are: what the trail says is declared, kept at hand for two seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from threading import Lock
from typing import Final, NamedTuple

from deploytrail.app.connections.configuring import Applied, Reading, applied
from deploytrail.app.connections.references import resolved
from deploytrail.app.connections.taking import Connected
from deploytrail.clock import Clock
from deploytrail.errors import Misconfigured, NotFound
from deploytrail.event import Where
from deploytrail.intake.connections import Offer, Stanza
from deploytrail.intake.declared import NOTHING, Declared
from deploytrail.intake.known import known
from deploytrail.intake.mapping import Places
from deploytrail.kit.draft import Place
from deploytrail.kit.schemes import SCHEMES, scheme

AGE_SECONDS_MAX: Final = 2.0
RENEWED_SECONDS_MIN: Final = 0.25
_PLACES_KEPT: Final = 2_048
_SECRET_SECONDS: Final = 60.0
"""So long a secret that can't be read any more goes on proving: that it can't is told before."""
_COMMAND_SECONDS: Final = 30.0
"""A command is not run more often, and often enough that it is missed before it is needed."""
_NOWHERE: Final = Place()


def offers() -> dict[str, Offer]:
    """What connections may choose, of each source that is installed."""
    return {
        name: Offer(
            tuple(one.name for one in source.schemes),
            {} if source.poller is None else source.poller.settings,
        )
        for name, source in known().sources.items()
    }


def placing(places: Places) -> Callable[[Place], Where]:
    """As `placed`. Most of what comes happened where something happened before."""
    return lru_cache(_PLACES_KEPT)(partial(placed, places))


def placed(places: Places, place: Place) -> Where:
    """Where something happened: by the mapping, else as its tool calls it."""
    claimed = Where(
        project=place.project or None,
        unit=place.unit or None,
        environment=place.environment or None,
        environment_class=place.environment_class,
    )
    return places.placed(place.raw, claimed)


def connected(name: str, stanza: Stanza, places: Places, secrets: list[str]) -> Connected:
    """Raises Misconfigured for a source that is not installed, and for a secret that can't be."""
    source = known().source(stanza.source)
    by = scheme(stanza.credential)
    return Connected(name, source, by, secrets, placing(places))


def to_import(reading: Reading, *, source: str | None, connection: str | None) -> Connected:
    """What files are read as: of a connection that is declared, or of a source alone.

    Raises Misconfigured and NotFound.
    """
    declared = applied(reading, offers()).declared
    if connection is not None:
        stanza = _declared(declared, connection)
        if source not in {None, stanza.source}:
            raise Misconfigured(
                f"--source: expected {stanza.source}, as {connection} is declared, found {source}; "
                "leave it out"
            )
        return connected(connection, stanza, declared.places, [])
    if source is None:
        raise Misconfigured(f"--source: is missing; there is {', '.join(known().sources)}")
    which = known().source(source)
    return _Importing(f"import-{source}", which, SCHEMES["nothing"], [], placing(declared.places))


class _Importing(Connected):
    """Of no connection: what comes from files alone never meets what is delivered."""

    @property
    def instance(self) -> str:
        return f"import:{self.source.name}"


def _declared(declared: Declared, name: str) -> Stanza:
    stanza = declared.connections.get(name)
    if stanza is None:
        there = ", ".join(declared.connections) or "none yet"
        raise NotFound(
            f"connection: expected one that is declared and applied ({there}), found "
            f"{name[:63]!a}; 'deploytrail connection add' makes one"
        )
    return stanza


class _Secret(NamedTuple):
    """When it was read last, and when that was tried last."""

    text: str
    read_at: float
    tried_at: float


class _Seen(NamedTuple):
    """What was declared, and by when that was so, in the clock's monotonic seconds."""

    at: float
    applied: Applied
    connected: Mapping[str, Connected]


class KnownConnections:
    """As `web.connecting.Known`. One that was paused takes nothing after two seconds; a secret that
    was just applied proves at once.
    """

    def __init__(
        self,
        reading: Reading,
        clock: Clock,
        environment: Mapping[str, str],
        *,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._environment = environment
        self._close = close
        self._lock = Lock()
        self._seen = _Seen(float("-inf"), Applied(NOTHING, None), {})
        self._secrets: dict[str, _Secret] = {}
        self._failed: dict[str, _Secret] = {}
        """Of commands, why they gave none, and when."""

    def at_hand(self, name: str) -> Connected | None:
        seen = self._seen
        if self._clock.monotonic() - seen.at >= AGE_SECONDS_MAX:
            return None
        return seen.connected.get(name)

    def renewed(self, name: str) -> Connected:
        """As `find`, by what the trail says now: for whoever was refused by what it said before.

        Asked by everybody who is refused, so the trail is read no more often than four times a
        second for it.
        """
        with self._lock:
            if self._clock.monotonic() - self._seen.at >= RENEWED_SECONDS_MIN:
                self._read()
            return self._seen.connected.get(name) or self._why_not(name)

    def find(self, name: str) -> Connected:
        """Raises NotFound, also for one that is paused, Misconfigured where its secret can't be
        read, and what reading the trail raises.
        """
        with self._lock:
            is_known = name in self._seen.connected
            # One that was declared a moment ago is there at once, too.
            age_max = AGE_SECONDS_MAX if is_known else RENEWED_SECONDS_MIN
            if self._clock.monotonic() - self._seen.at >= age_max:
                self._read()
            return self._seen.connected.get(name) or self._why_not(name)

    def close(self) -> None:
        self._close()

    def _read(self) -> None:
        at = self._clock.monotonic()
        found = applied(self._reading, offers())
        connected = {}
        for name, stanza in found.declared.connections.items():
            try:
                connected[name] = self._connected(name, stanza, found.declared.places)
            except (Misconfigured, NotFound):
                # Told to whoever asks for it; no other is kept waiting.
                continue
        self._seen = _Seen(at, found, connected)
        used = {one for each in found.declared.connections.values() for one in each.secrets}
        self._secrets = {one: kept for one, kept in self._secrets.items() if one in used}

    def _why_not(self, name: str) -> Connected:
        """Raises the reason for which it is not among those that are known."""
        declared = self._seen.applied.declared
        return self._connected(name, _declared(declared, name), declared.places)

    def _connected(self, name: str, stanza: Stanza, places: Places) -> Connected:
        if not stanza.enabled:
            raise NotFound(
                f"connection: expected one that is enabled, found {name}, which is paused; set "
                "enabled = true and apply"
            )
        return connected(name, stanza, places, [self._secret(one) for one in stanza.secrets])

    def _secret(self, reference: str) -> str:
        kept = self._secrets.get(reference)
        now = self._clock.monotonic()
        is_young = kept is not None and now - kept.read_at < _SECRET_SECONDS
        if kept is not None and is_young and reference.startswith("command:"):
            # A command is not run every two seconds.
            if now - kept.tried_at < _COMMAND_SECONDS:
                return kept.text
            self._secrets[reference] = kept._replace(tried_at=now)
        failed = self._failed.get(reference)
        if failed is not None and now - failed.tried_at < _COMMAND_SECONDS:
            raise Misconfigured(failed.text)
        try:
            text = resolved(reference, self._environment)
        except Misconfigured as error:
            if kept is not None and is_young:
                return kept.text
            if reference.startswith("command:"):
                # One that hangs holds up all others, so it is not asked each time.
                tried = self._clock.monotonic()
                self._failed[reference] = _Secret(str(error), tried, tried)
            raise
        self._failed.pop(reference, None)
        self._secrets[reference] = _Secret(text, now, now)
        return text
