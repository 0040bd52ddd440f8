"""Pollers run by hand, as often as there is something: no trail stands behind them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from deploytrail.kit.answer import Asks
from deploytrail.kit.http import Http
from deploytrail.kit.poller import Asking, Polled, Poller
from tests.fakes import NOON

TOKEN = "the-token"


class Poll:
    """One connection: where it stands, and what time it is."""

    def __init__(
        self,
        poller: Poller,
        settings: Mapping[str, str],
        token: str = TOKEN,
        *,
        http: Asks | None = None,
    ) -> None:
        self._poller = poller
        self.http = http
        self.settings = settings
        self._token = token
        self.place: int | None = None
        self.now: datetime = NOON

    def once(self, *, steps_max: int | None = None) -> list[Polled]:
        """Everything that came, as far as that; the place moves on as it does in a trail."""
        found: list[Polled] = []
        with Http() as http:
            asking = Asking(self.http or http, self.settings, self._token, self.place, self.now)
            for step in self._poller.poll(asking):
                found.append(step)
                self.place = max(self.place or 0, step.place) or self.place
                if len(found) == steps_max:
                    break
        return found

    def later(self, **given: float) -> None:
        self.now += timedelta(**given)


def bodies(steps: list[Polled]) -> list[bytes]:
    return [one.body for one in steps if one.body is not None]


def lost(steps: list[Polled]) -> list[tuple[str, str]]:
    return [(one.lost.code, one.lost.name) for one in steps if one.lost is not None]


def again(steps: list[Polled]) -> list[str]:
    return [one.redelivered for one in steps if one.redelivered is not None]
