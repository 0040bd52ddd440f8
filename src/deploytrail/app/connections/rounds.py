"""Which connections are asked when: each as often as its source says, again where it failed.

Steps of all that are due alternate. What failed is told once it is more than a moment's trouble.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from deploytrail.app.connections.configuring import Reading, applied
from deploytrail.app.connections.known_connections import offers, placed
from deploytrail.app.connections.polling import Poll
from deploytrail.app.connections.references import resolved
from deploytrail.app.connections.taking import Connected
from deploytrail.app.connections.troubles import Troubles
from deploytrail.app.connections.watching import Watching
from deploytrail.clock import Clock
from deploytrail.errors import (
    Busy,
    ClockSuspect,
    CommitUnknown,
    Conflict,
    DeploytrailError,
    DiskFull,
    EvidenceError,
    Fenced,
    Misconfigured,
    Unreachable,
)
from deploytrail.follow.retry import Retry
from deploytrail.follow.told import Standing, State, Tell
from deploytrail.intake.connections import Stanza
from deploytrail.intake.declared import Declared
from deploytrail.kit.poller import Later, Poller
from deploytrail.kit.schemes import scheme
from deploytrail.kit.source import Source

KIND: Final = "poll"
LOOKED_SECONDS: Final = 1.0
TOLD_SECONDS: Final = 60.0
"""What passes by itself is told when it lasted as long: a server started anew is no news."""
_OURS: Final = (
    Busy, ClockSuspect, CommitUnknown, Conflict, DiskFull, EvidenceError, Fenced,
)  # fmt: skip
"""What is wrong with the trail, and no connection's affair."""


class _One:
    """A connection that is asked. `steps` is a poll that is under way."""

    def __init__(self, name: str, stanza: Stanza, poller: Poller, clock: Clock) -> None:
        self.name = name
        self.stanza = stanza
        self.poller = poller
        self.over: Connected | None = None
        self.retry = Retry(clock)
        self.due = 0.0
        self.steps: Iterator[None] | None = None
        self.failing_since: float | None = None

    @property
    def state(self) -> State:
        if self.retry.is_broken:
            return "broken"
        return "waiting" if self.retry.failures else "following"


class Rounds:
    """Of one trail, as long as it is ours to ask; belongs to the thread of its recorder."""

    def __init__(
        self,
        reading: Reading,
        *,
        poll: Poll,
        troubles: Troubles,
        watching: Watching,
        sources: Mapping[str, Source],
        environment: Mapping[str, str],
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._reading = reading
        self._poll = poll
        self._troubles = troubles
        self._watching = watching
        self._sources = sources
        self._environment = environment
        self._clock = clock
        self._tell = tell
        self._offers = offers()
        self._looked = float("-inf")
        self._enabled: dict[str, Stanza] = {}
        self._asked: dict[str, _One] = {}

    def tick(self) -> bool:
        """A step of each that is due; whether one of them has more to do at once. Raises what
        keeps the trail from being read or recorded into.
        """
        now = self._clock.monotonic()
        if now - self._looked >= LOOKED_SECONDS:
            self._looked = now
            self._look()
        self._watching.look(self._enabled)
        for one in self._asked.values():
            if one.steps is not None or self._is_due(one):
                self._step(one)
        return any(one.steps is not None for one in self._asked.values())

    def standings(self) -> Iterator[Standing]:
        for name, one in self._asked.items():
            yield Standing(
                name=f"polling/{name}", state=one.state, cursor=None, reason=one.retry.reason
            )

    def _look(self) -> None:
        """Who stays keeps their standing; who was changed is asked at once."""
        declared = applied(self._reading, self._offers).declared
        self._enabled = {
            name: stanza for name, stanza in declared.connections.items() if stanza.enabled
        }
        before, self._asked = self._asked, {}
        for name, stanza in self._enabled.items():
            source = self._sources.get(stanza.source)
            if source is None or source.poller is None or not _is_whole(stanza, source.poller):
                continue
            one = before.get(name)
            if one is None or one.stanza != stanza:
                one = _One(name, stanza, source.poller, self._clock)
            one.over = _connected(name, stanza, source, declared)
            self._asked[name] = one

    def _is_due(self, one: _One) -> bool:
        return one.retry.is_due() and self._clock.monotonic() >= one.due

    def _step(self, one: _One) -> None:
        try:
            if one.steps is None:
                one.steps = self._begun(one)
            if next(one.steps, self) is self:
                self._succeeded(one)
        except _OURS:
            raise
        except Exception as error:  # noqa: BLE001 (a source of somebody else's may raise anything)
            self._failed(one, error)

    def _begun(self, one: _One) -> Iterator[None]:
        token = resolved(one.stanza.token or "", self._environment)
        one.due = self._clock.monotonic() + one.poller.every_seconds
        if one.over is None:
            raise Misconfigured(f"{one.name}: expected a connection, found none")
        return self._poll.steps(one.over, one.poller, settings=one.stanza.settings, token=token)

    def _succeeded(self, one: _One) -> None:
        one.steps, one.failing_since = None, None
        if one.retry.failures:
            self._tell("a tool is asked again", connection=one.name)
            one.retry.succeeded()
        self._troubles.end(one.name, KIND)

    def _failed(self, one: _One, error: Exception) -> None:
        now = self._clock.monotonic()
        one.steps = None
        one.retry.failed(error)
        # As soon as the retry is due, not when the next poll would be.
        one.due = now + error.seconds if isinstance(error, Later) else now
        one.failing_since = now if one.failing_since is None else one.failing_since
        self._tell("a tool could not be asked", connection=one.name, reason=one.retry.reason)
        if isinstance(error, Unreachable) and now - one.failing_since < TOLD_SECONDS:
            return
        self._troubles.begin(one.name, KIND, code=_code(error), text=_text(error))


def _is_whole(stanza: Stanza, poller: Poller) -> bool:
    """Whether it has all with which its tool is asked; it was applied, so forms are right."""
    return stanza.token is not None and all(
        name in stanza.settings or one.unless in stanza.settings
        for name, one in poller.settings.items()
        if one.is_required
    )


def _connected(name: str, stanza: Stanza, source: Source, declared: Declared) -> Connected:
    by = scheme(stanza.credential)
    return Connected(name, source, by, [], partial(placed, declared.places))


def _code(error: Exception) -> str:
    if isinstance(error, Unreachable):
        return "unreachable"
    if isinstance(error, Misconfigured):
        # Of all that a poll is made of only the token is looked up.
        return "token"
    if not isinstance(error, DeploytrailError):
        return "fault"
    name = type(error).__name__
    return "".join(f"-{each.lower()}" if each.isupper() else each for each in name).lstrip("-")


def _text(error: Exception) -> str:
    if isinstance(error, DeploytrailError):
        return str(error)
    # What a foreign source raises may hold anything, such as the token.
    return f"its source failed with {type(error).__name__}; tell whoever made it"
