"""Stand-ins for contracts: a trail in memory, a clock that is told the time.

Fakes keep their contract's promises, so what is proven with them holds for the real parts.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from deploytrail import attachment_line
from deploytrail.clock import Uptime, microseconds, rfc3339, uuid7
from deploytrail.errors import NotFound, SenderError
from deploytrail.event import Event, EventId
from deploytrail.spool.chain import Chain, Piece
from deploytrail.spool.seal import SpoolKey
from deploytrail.trail import Attachment, Published, Receipt, Shown
from deploytrail.untrusted import parse_event

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until `advance`; its randomness is a counted hash."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start
        self._uptime_us = 0
        self._draws = itertools.count(1)

    def now(self) -> datetime:
        return self._now

    def uptime(self) -> Uptime:
        return Uptime("fake-boot", self._uptime_us)

    def random(self, length_bytes: int) -> bytes:
        # Threads that share a clock never draw the same.
        return hashlib.shake_128(next(self._draws).to_bytes(8, "big")).digest(length_bytes)

    def event_id(self) -> EventId:
        return uuid7(microseconds(self._now) // 1000, self.random(10))

    def monotonic(self) -> float:
        return self._uptime_us / 1_000_000

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        """Nobody waits: the time has come at once, unless it was woken before."""
        if not wake.is_set():
            # Never by nothing: who waits for the rest of a microsecond would wait for ever.
            self.advance(seconds=max(seconds, 0.000001))
        return wake.is_set()

    def advance(self, *, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._uptime_us += int(seconds * 1_000_000)


class FakeTrail:
    """A trail that keeps events in memory, once per delivery, and tells what was published.

    `failure` is raised by every call while it is set; `refused` answers for single events.
    """

    def __init__(self, *, failure: Exception | None = None) -> None:
        self.origin = "deploytrail.test/fake/1"
        self.events: list[Event] = []
        self.attachments: dict[EventId, Sequence[Attachment]] = {}
        self.published: list[int] = []
        self.failure = failure
        self.refused: dict[str, SenderError] = {}
        self.is_closed = False
        self._receipts: dict[tuple[str, str, str, int], Receipt] = {}

    def record(
        self,
        events: Sequence[Event],
        *,
        attachments: Mapping[EventId, Sequence[Attachment]] | None = None,
    ) -> list[Receipt | SenderError]:
        self._fail()
        answers: list[Receipt | SenderError] = []
        for event in events:
            refusal = self.refused.get(event.action)
            answers.append(refusal or self._append(event))
        for event_id, attached in (attachments or {}).items():
            self.attachments.setdefault(event_id, attached)
        return answers

    def record_json(self, bodies: Sequence[bytes]) -> list[Receipt | SenderError]:
        return [answer for body in bodies for answer in self.record([parse_event(body)])]

    def spool_key(self) -> str:
        self._fail()
        return str(SpoolKey(self.origin, bytes(32)))

    def modes(self) -> dict[str, str]:
        return {}

    def record_spool(self, piece: Piece) -> list[Receipt | SenderError]:
        """Of a spool that isn't sealed; what is missing in it isn't told."""
        header, *octets = piece.octets.split(b"\n")
        chain = Chain(header, is_first=piece.is_first)
        read = [line for each in octets if (line := chain.take(each)) is not None]
        lines = {line.counter: line for line in read}
        answers: list[Receipt | SenderError] = []
        for counter in piece.events:
            event = parse_event(lines[counter].body or b"")
            attached = [
                attachment_line.decode(one.body or b"")[1] for one in read if one.of == counter
            ]
            answers += self.record([event], attachments={event.id: attached} if attached else None)
        return answers

    def fingerprint_key(self, project: str) -> bytes:
        self._fail()
        return hashlib.sha256(project.encode()).digest()

    def publish(self) -> Published:
        self._fail()
        self.published.append(self.size())
        return Published(origin=self.origin, size=self.size(), root="00" * 32, note="fake")

    def size(self) -> int:
        self._fail()
        return len(self.events)

    def newest(self, *, count: int, before: int | None = None) -> Iterator[Shown]:
        shown = list(self.entries(until=before))
        return iter(shown[::-1][:count])

    def entries(self, *, first: int = 0, until: int | None = None) -> Iterator[Shown]:
        self._fail()
        for index, event in list(enumerate(self.events))[first:until]:
            entry = msgspec.json.encode(event)
            plain = msgspec.json.decode(entry, type=dict[str, object])
            yield Shown(index=index, leaf=_leaf(entry), entry=entry, event=plain)

    def show(self, event: EventId | int) -> Shown:
        for shown in self.entries():
            if event in (shown.index, shown.event["id"]):
                return shown
        raise NotFound(f"event: expected one with id {event}, found none")

    def proof(self, event: EventId | int) -> bytes:
        return f"fake proof of {self.show(event).leaf}".encode()

    def attachment(self, event: EventId | int, evidence: str) -> bytes:
        for attached in self.attachments.get(EventId(str(self.show(event).event["id"])), ()):
            if attached.type == evidence:
                return attached.data
        raise NotFound(f"attachment: expected one of type {evidence}, found none")

    def close(self) -> None:
        self.is_closed = True

    def _append(self, event: Event) -> Receipt:
        source = event.source
        delivery = (source.tool, source.instance, source.delivery or event.id, source.part)
        known = self._receipts.get(delivery)
        if known is not None:
            return known
        receipt = Receipt(
            origin=self.origin,
            id=event.id,
            index=len(self.events),
            leaf=_leaf(msgspec.json.encode(event)),
            size=len(self.events) + 1,
            logged=rfc3339(event.time),
        )
        self.events.append(event)
        self._receipts[delivery] = receipt
        return receipt

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _leaf(entry: bytes) -> str:
    return hashlib.sha256(b"\x00" + entry).hexdigest()
