"""Which object of a resource a line speaks of: the current one, or a deposed one.

Pure. A deposed object is what a replacement has left behind; where it is destroyed, the resource
still stands. Plain output names it where its destruction starts and not where it ends, a stream
never does; what can't be told apart stays without an end, and so unknown.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from msgspec import Struct

from deploytrail.formats.terraform_run import (
    UNTOLD,
    Action,
    Ended,
    Planned,
    Refreshed,
    Started,
)


class Track(Struct, kw_only=True):
    """All that was told of one object so far. Mutable: the tally writes it.

    `deposed` is the object's key, UNTOLD where only a stream spoke of it.
    """

    address: str
    deposed: str | None = None
    planned: Action | None = None
    previous: str | None = None
    is_imported: bool = False
    begun: dict[Action, datetime | None] = {}
    ended: dict[Action, bool] = {}
    time: datetime | None = None
    seconds: int | None = None
    id: str | None = None

    @property
    def action(self) -> Action | None:
        """What was done through its provider, if anything."""
        done = self.begun.keys() | self.ended.keys()
        if {"create", "delete"} <= done or (done and self.planned == "replace"):
            return "replace"
        return next((one for one in ("create", "update", "delete", "read") if one in done), None)

    @property
    def is_leaving(self) -> bool:
        """Whether a destruction is planned, and none has ended."""
        return self.planned in ("delete", "replace") and "delete" not in self.ended


class Tracks:
    """The objects of all resources, in the order in which they were first told of."""

    def __init__(self) -> None:
        self._by_address: dict[str, list[Track]] = {}
        self._in_order: list[Track] = []
        self._refreshed: Counter[str] = Counter()
        self._ends: dict[str, list[Ended]] = {}

    def all(self) -> list[Track]:
        return list(self._in_order)

    def of(self, address: str) -> list[Track]:
        return self._by_address.get(address, [])

    def track(self, address: str, deposed: str | None = None) -> Track:
        """The one with this key; UNTOLD is new each time."""
        siblings = self._by_address.setdefault(address, [])
        found = next((one for one in siblings if one.deposed == deposed != UNTOLD), None)
        if found is None:
            found = Track(address=address, deposed=deposed)
            siblings.append(found)
            self._in_order.append(found)
        return found

    def refresh(self, told: Refreshed) -> None:
        self._refreshed[told.address] += 1

    def planned(self, told: Planned) -> Track:
        """The track that a line of a plan is about. A deposed object is always planned to go."""
        if told.deposed != UNTOLD:
            return self.track(told.address, told.deposed)
        live = self.track(told.address)
        deposed = self._deposed(told.address)
        if told.action not in ("delete", "forget"):
            if live.planned in ("delete", "forget") and not deposed:
                self.track(told.address, UNTOLD).planned = live.planned
            return live
        is_known = any(one.deposed != UNTOLD for one in deposed)
        if is_known and live.planned not in ("delete", "forget"):
            return deposed[0]
        # One more was read than there are lines: then this one isn't of the current object.
        is_other = self._refreshed[told.address] > 1 + len(deposed)
        if not is_known and (live.planned is not None or is_other):
            return self.track(told.address, UNTOLD)
        return live

    def started(self, told: Started) -> Track:
        live = self.track(told.address)
        if told.action != "delete" or told.deposed is None:
            return live
        if told.deposed == UNTOLD:
            waiting = [one for one in self.of(told.address) if one.is_leaving]
            return next((one for one in waiting if "delete" not in one.begun), live)
        if any(one.deposed == told.deposed for one in self.of(told.address)):
            return self.track(told.address, told.deposed)
        # Deposed by this very run: the second half of a replacement that creates first.
        is_replaced = live.planned == "replace" or (live.planned is None and "create" in live.begun)
        is_half = is_replaced and "delete" not in live.begun
        return live if is_half else self.track(told.address, told.deposed)

    def ended(self, told: Ended) -> list[tuple[Track, Ended]]:
        """What has ended now: of several that could be meant, all once all have, or none."""
        if told.action != "delete":
            return [(self.track(told.address), told)]
        rivals = [one for one in self.of(told.address) if self._could_end(one, told)]
        if told.deposed:
            rivals = [one for one in rivals if one.deposed == told.deposed] or rivals
        if len(rivals) <= 1:
            return [(rivals[0] if rivals else self.track(told.address), told)]
        ends = self._ends.setdefault(told.address, [])
        ends.append(told)
        if len(ends) < len(rivals) or len({one.is_failed for one in ends}) > 1:
            return []
        del self._ends[told.address]
        return list(zip(rivals, ends, strict=False))

    def _could_end(self, track: Track, told: Ended) -> bool:
        is_running = "delete" in track.begun and "delete" not in track.ended
        return is_running or (told.deposed == UNTOLD and track.is_leaving)

    def _deposed(self, address: str) -> list[Track]:
        return [one for one in self.of(address) if one.deposed is not None]
