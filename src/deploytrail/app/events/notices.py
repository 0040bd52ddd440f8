"""What the log enters on its own account: events of the trail about itself.

Pure but for the clock and random bytes that it is given. Such an event names nobody, so nothing
of it is concealed and no key is needed while the writer's lock is held.
"""

from __future__ import annotations

from deploytrail.actions import OWN_TOOL
from deploytrail.clock import Clock, rfc3339
from deploytrail.event import Actor, Error, Event, Source, Target
from deploytrail.log.plan import Prepared
from deploytrail.trail import LOCAL_INSTANCE
from deploytrail.vault.conceal import NONCE_BYTES, Concealer, prepared


class OwnNotices:
    """`log.commit.Notices` for a trail."""

    def __init__(self, concealer: Concealer, clock: Clock) -> None:
        self._concealer = concealer
        self._clock = clock

    def clock_behind(self, microseconds: int) -> Prepared:
        error = Error(code="clock-behind", location=f"{microseconds} microseconds behind the log")
        event = self._event("audit.clock.behind", outcome_is_failure=True, error=error)
        return self._prepare(event)

    def conflict(self, refused: Prepared, first_index: int) -> Prepared:
        """Recorded once per distinct body: the delivery id is made of key and body."""
        event = self._event(
            "audit.delivery.conflicted",
            outcome_is_failure=True,
            delivery=f"conflict:{refused.key.hex()}:{refused.body.hex()}",
            targets=(Target(type="entry", id=str(first_index)),),
        )
        return self._prepare(event)

    def _event(
        self,
        action: str,
        *,
        outcome_is_failure: bool = False,
        delivery: str | None = None,
        targets: tuple[Target, ...] = (),
        error: Error | None = None,
    ) -> Event:
        return Event(
            id=self._clock.event_id(),
            action=action,
            outcome="failure" if outcome_is_failure else "success",
            time=self._clock.now(),
            actor=Actor(type="system"),
            source=Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=delivery),
            targets=targets,
            error=error,
        )

    def _prepare(self, event: Event) -> Prepared:
        concealed = self._concealer.conceal(
            event,
            body=event.id.encode(),
            observed=rfc3339(event.time),
            nonce=self._clock.random(NONCE_BYTES),
            subjects={},
        )
        return prepared(concealed)
