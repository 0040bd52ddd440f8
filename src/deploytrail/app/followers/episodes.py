"""What an actor tells once while it lasts, and once more when it is over.

Episodes of a kind are counted, and the log itself says how many there were: each event has a
delivery id made of kind and number, so that neither a restart nor another node tells one twice.
"""

from __future__ import annotations

from msgspec import structs

from deploytrail.actions import OWN_TOOL
from deploytrail.entry import delivery_key
from deploytrail.event import Event, EventId, Source
from deploytrail.follow.actor import Append
from deploytrail.log.store import Reader, Reading
from deploytrail.trail import LOCAL_INSTANCE


class Episodes:
    """Those of one actor and kind. Belongs to the thread of its `append`."""

    def __init__(
        self, reading: Reading[Reader], append: Append, *, actor: str, version: int, kind: str
    ) -> None:
        self._reading = reading
        self._append = append
        self._prefix = f"actor/{actor}/{version}/{kind}"
        self._count: int | None = None
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether the last one that began has not ended yet."""
        self._look()
        return self._is_open

    def begin(self, event: Event) -> None:
        """Tell that one begins; nothing where one is open."""
        self._look()
        if not self._is_open:
            number = self._counted() + 1
            self._tell(event, self._began(number))
            self._count, self._is_open = number, True

    def end(self, event: Event) -> None:
        """Tell that it is over; nothing where none is open."""
        self._look()
        if self._is_open:
            self._tell(event, self._ended(self._counted()))
            self._is_open = False

    def _counted(self) -> int:
        return self._count or 0

    def _look(self) -> None:
        """How many there were, by what is in the log: they have no gaps."""
        if self._count is not None:
            return
        high = 1
        while self._is_known(self._began(high)):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_known(self._began(middle)) else (low, middle)
        self._count = low
        self._is_open = low > 0 and not self._is_known(self._ended(low))

    def _began(self, number: int) -> str:
        return f"{self._prefix}/{number}/began"

    def _ended(self, number: int) -> str:
        return f"{self._prefix}/{number}/ended"

    def _is_known(self, delivery: str) -> bool:
        key = delivery_key(
            tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=delivery, part=0, id=EventId("")
        )
        with self._reading() as reader:
            return bool(reader.deliveries([key]))

    def _tell(self, event: Event, delivery: str) -> None:
        source = Source(tool=OWN_TOOL, instance=LOCAL_INSTANCE, delivery=delivery)
        for refused in self._append([structs.replace(event, source=source)]):
            if refused is not None:
                raise refused
