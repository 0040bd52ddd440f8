"""From a proven delivery to events: taken apart, read, placed, redacted, and made to fit.

Pure: ids, keys and the mapping are arguments. Whatever a proven sender says becomes an event; what
is not understood becomes one that says so, and why. Nothing is dropped.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import structs

from deploytrail import actions
from deploytrail.errors import Malformed, SenderError
from deploytrail.event import (
    UNKNOWN_PLACE,
    Actor,
    Auth,
    Error,
    Event,
    EventId,
    Raw,
    Target,
    Where,
)
from deploytrail.event import Source as How
from deploytrail.intake.fitting import bounded, cut_id, fitted, word
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.shape import read
from deploytrail.kit.source import Circumstances, Source, Telling
from deploytrail.redact import mask_tokens
from deploytrail.redacted_event import masked

DRAFTS_MAX: Final = 10_000
"""So many events come of one telling at most; a source that makes more is at fault."""
_KINDS_TOLD_MAX: Final = 64
_PLACE_CHARACTERS_MAX: Final = 512
_texts_of: Final = attrgetter(*Raw.__struct_fields__)
SOURCE_FAULT: Final = "source-fault"
"""The code of an error that is none of the sender's."""
_TEST: Final = b'{"deploytrail_connection_test":'
_DELIVERY_CHARACTERS_MAX: Final = 256


class Surroundings(NamedTuple):
    """What a connection adds to what its deliveries say.

    `auth` is how whoever delivered was proven: actors are vouched for by that and no more.
    `content_id` names bytes by a keyed hash, the same for ever; `fingerprint` is what stays of a
    secret (project, path, value).
    """

    source: Source
    instance: str
    auth: Auth
    placed: Callable[[Place], Where | None]
    content_id: Callable[[bytes], str]
    fingerprint: Callable[[str, str, str], str]
    event_id: Callable[[], EventId]
    is_imported: bool = False


class Translated(NamedTuple):
    """An event, with the bytes of its part of the delivery, which tell repeats from conflicts."""

    event: Event
    octets: bytes


def translated(delivery: Delivery, around: Surroundings) -> Iterator[Translated]:
    """The events of a delivery, in its order; at least one.

    The parts of each telling count from 0. Raises nothing for what the delivery says.
    """
    if delivery.body.startswith(_TEST):
        yield _tested(delivery, around)
        return
    aside: Counter[str] = Counter()
    tells_something = False
    try:
        for telling in around.source.tell(delivery):
            tells_something = True
            yield from _told(telling, delivery, around, aside)
    except SenderError as error:
        yield _not_read(delivery, around, error)
        return
    except Exception as error:  # noqa: BLE001 (as above all: nothing is lost by a fault of ours)
        fault = Malformed(_fault(around.source, error))
        yield _not_read(delivery, around, fault, code=SOURCE_FAULT)
        return
    if aside or not tells_something:
        yield _set_aside(delivery, around, aside)


def _told(
    telling: Telling, delivery: Delivery, around: Surroundings, aside: Counter[str]
) -> Iterator[Translated]:
    source = around.source
    octets = bytes(telling.octets)
    if telling.kind in source.set_aside:
        aside[telling.kind] += 1
        return
    how = How(
        tool=source.name,
        instance=around.instance,
        delivery=_delivery_id(telling, octets, around),
        imported=around.is_imported,
    )
    told = _Told(telling.kind, octets, delivery.received, how, around)
    kind = source.kinds.get(telling.kind)
    if kind is None:
        why = f"{source.title} kind {telling.kind!a}: expected one that is known, found another"
        yield told.failed("unrecognised", "", Malformed(why))
        return
    try:
        body = read(telling.octets, kind.shape)
        drafts = _bounded(kind.read(body, Circumstances(telling.kind, delivery.received, delivery)))
        events = [told.event(draft, part) for part, draft in enumerate(drafts)]
    except SenderError as error:
        yield told.failed("malformed", "", error)
        return
    except Exception as error:  # noqa: BLE001 (a fault of a source's loses no delivery)
        yield told.failed("malformed", SOURCE_FAULT, Malformed(_fault(source, error)))
        return
    if not events:
        aside[telling.kind] += 1
    for event in events:
        yield Translated(event, octets)


def _bounded(drafts: Iterable[Draft]) -> Sequence[Draft]:
    found: list[Draft] = []
    for draft in drafts:
        if len(found) == DRAFTS_MAX:
            raise Malformed(f"body: expected at most {DRAFTS_MAX} events, found more; send less")
        found.append(draft)
    return found


def _delivery_id(telling: Telling, octets: bytes, around: Surroundings) -> str:
    """The sender's own id, or one of the bytes: what only a header says proves nothing."""
    if not telling.id:
        return around.content_id(octets)
    if len(telling.id) <= _DELIVERY_CHARACTERS_MAX:
        return telling.id
    return around.content_id(telling.id.encode("utf-8", "surrogatepass"))


class _Told(NamedTuple):
    """One telling, ready for its events to be made."""

    kind: str
    octets: bytes
    received: datetime
    how: How
    around: Surroundings

    def event(self, draft: Draft, part: int) -> Event:
        """Raises Malformed for what no event can say."""
        around = self.around
        how = self.how
        if part or draft.url is not None or draft.sequence is not None:
            how = structs.replace(how, part=part, url=draft.url, sequence=draft.sequence)
        whole = Event(
            id=around.event_id(),
            outcome=draft.outcome or actions.outcome(draft.action),
            actor=_vouched(draft.actor, around.auth),
            on_behalf_of=draft.on_behalf_of and _vouched(draft.on_behalf_of, around.auth),
            source=how,
            where=around.placed(_bounded_place(draft.place)),
            **dict(zip(_SHARED, _shared(draft), strict=True)),
        )
        return _sound(whole, around, self.received)

    def failed(self, how: str, code: str, error: SenderError) -> Translated:
        kind = mask_tokens(self.kind)
        event = _own(self.around, self.how, self.received, f"integration.delivery.{how}")
        event = structs.replace(
            event,
            error=Error(code=code or word(kind) or "unknown", text=str(error)),
            targets=(Target(type="kind", id=kind or "unknown"),),
        )
        return Translated(_sound(event, self.around, self.received), self.octets)


def _bounded_place(place: Place) -> Place:
    """What rules look at is no longer than what an event can say of it."""
    if all(text is None or len(text) <= _PLACE_CHARACTERS_MAX for text in _texts_of(place.raw)):
        return place
    cut = (text and cut_id(text, _PLACE_CHARACTERS_MAX) for text in _texts_of(place.raw))
    raw = Raw(**dict(zip(Raw.__struct_fields__, cut, strict=True)))
    return structs.replace(place, raw=raw)


_SHARED: Final = tuple(
    name
    for name in Draft.__struct_fields__
    if name in Event.__struct_fields__ and name not in {"outcome", "actor", "on_behalf_of"}
)
_shared: Final[Callable[[Draft], tuple[Any, ...]]] = attrgetter(*_SHARED)


def _vouched(actor: Actor, auth: Auth) -> Actor:
    """The actor, known as well as whoever delivered was proven, and never better."""
    if actor.auth is None:
        return structs.replace(actor, auth=auth)
    if actor.auth.assurance <= auth.assurance:
        return actor
    return structs.replace(actor, auth=structs.replace(actor.auth, assurance=auth.assurance))


def _sound(event: Event, around: Surroundings, received: datetime) -> Event:
    """Without secrets, within every limit, and of the catalogue. Raises Malformed."""
    project = (event.where.project if event.where else None) or UNKNOWN_PLACE

    def fingerprint(path: str, value: str) -> str:
        return around.fingerprint(project, path, value)

    event, octets = bounded(event)
    clean = masked(event, fingerprint, encoded=octets)
    said = event.source.delivery
    if said is not None and clean.source.delivery != said:
        # Two that a mask makes one would be one thing.
        own = around.content_id(said.encode("utf-8", "surrogatepass"))
        clean = structs.replace(clean, source=structs.replace(clean.source, delivery=own))
    return actions.check(fitted(clean, octets if clean is event else None), received)


def test_body(nonce: str) -> bytes:
    """What `connection test` delivers: no tool sends such a thing, and no source is asked."""
    return _TEST + f'"{nonce}"}}'.encode()


def _tested(delivery: Delivery, around: Surroundings) -> Translated:
    event = _own(
        around, _whole(delivery, around), delivery.received, "integration.connection.tested"
    )
    told = structs.replace(
        event, outcome="success", targets=(Target(type="connection", id=around.instance),)
    )
    return Translated(_sound(told, around, delivery.received), delivery.body)


def _fault(source: Source, error: Exception) -> str:
    """Where a source failed on what it was given: its kind alone, since a text may quote that."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{source.name}: expected its reader to bear whatever comes, found {type(error).__name__} "
        f"at {Path(at.filename).name}:{at.lineno}; it is a fault of the source, please report it"
    )


def _not_read(
    delivery: Delivery, around: Surroundings, error: SenderError, *, code: str = "delivery"
) -> Translated:
    """A whole delivery that could not be taken apart."""
    how = _whole(delivery, around)
    event = _own(around, how, delivery.received, "integration.delivery.malformed")
    said = Error(code=code, text=str(error))
    return Translated(
        _sound(structs.replace(event, error=said), around, delivery.received), delivery.body
    )


def _set_aside(delivery: Delivery, around: Surroundings, aside: Counter[str]) -> Translated:
    """What of a delivery tells nothing of deployments, counted by kind: one entry, not thousands.

    Its delivery id is not that of the telling, which may be read once its source knows more.
    """
    event = _own(
        around, _whole(delivery, around), delivery.received, "integration.delivery.set_aside"
    )
    told = aside.most_common(_KINDS_TOLD_MAX)
    targets = [Target(type="kind", id=kind, change=str(count)) for kind, count in told]
    rest = sum(aside.values()) - sum(count for _, count in told)
    if rest:
        targets.append(Target(type="kind", id="others", change=str(rest)))
    event = structs.replace(event, targets=tuple(targets))
    return Translated(_sound(event, around, delivery.received), delivery.body)


def _whole(delivery: Delivery, around: Surroundings) -> How:
    return How(
        tool=around.source.name,
        instance=around.instance,
        delivery=f"whole:{around.content_id(delivery.body)}",
        imported=around.is_imported,
    )


def _own(around: Surroundings, how: How, time: datetime, action: str) -> Event:
    """What the trail says of a delivery."""
    sender: dict[str, Any] = {"type": "service", "id": f"{around.source.name}:{around.instance}"}
    return Event(
        id=around.event_id(),
        action=action,
        outcome="success" if action.endswith("set_aside") else "unknown",
        time=time,
        actor=Actor(**sender, auth=around.auth),
        source=how,
    )
