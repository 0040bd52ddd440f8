"""Whether the secrets of connections are still where they were said to be.

A server goes on with a secret that it can't read any more for a minute: that it is gone stands in
the log before it takes effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploytrail.app.connections.references import resolved
from deploytrail.app.connections.troubles import Troubles
from deploytrail.clock import Clock
from deploytrail.errors import Misconfigured
from deploytrail.intake.connections import Stanza

KIND: Final = "secret"
LOOKED_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 20.0
"""A command may ask a service, and wait for it."""
_TURN_SECONDS: Final = 1.0
"""So long at a time: commands that hang keep nobody from being asked."""


class Watching:
    """Belongs to the thread of `troubles`."""

    def __init__(self, troubles: Troubles, environment: Mapping[str, str], clock: Clock) -> None:
        self._troubles = troubles
        self._environment = environment
        self._clock = clock
        self._due: dict[str, float] = {}
        self._wrong: dict[str, str] = {}
        """Of references that were looked at, why they can't be read; empty where they can."""

    def look(self, connections: Mapping[str, Stanza]) -> None:
        """At what is due of the secrets of these, which are enabled."""
        used = {each for one in connections.values() for each in one.secrets}
        self._due = {each: self._due.get(each, 0.0) for each in used}
        self._wrong = {each: why for each, why in self._wrong.items() if each in used}
        until = self._clock.monotonic() + _TURN_SECONDS
        for reference in sorted(used, key=self._due.__getitem__):
            now = self._clock.monotonic()
            if self._due[reference] > now or now > until:
                break
            self._try(reference)
        for name, stanza in connections.items():
            self._tell(name, stanza)

    def _try(self, reference: str) -> None:
        try:
            resolved(reference, self._environment)
        except Misconfigured as error:
            self._wrong[reference] = str(error)
        else:
            self._wrong[reference] = ""
        is_command = reference.startswith("command:")
        seconds = COMMAND_SECONDS if is_command else LOOKED_SECONDS
        self._due[reference] = self._clock.monotonic() + seconds

    def _tell(self, name: str, stanza: Stanza) -> None:
        found = [self._wrong.get(each) for each in stanza.secrets]
        wrong = "; ".join(each for each in found if each)
        if wrong:
            self._troubles.begin(name, KIND, code=KIND, text=wrong)
        elif None not in found:
            self._troubles.end(name, KIND)
