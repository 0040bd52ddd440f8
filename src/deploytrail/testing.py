"""What a source must keep to, as functions: for our own sources and for those of others.

A sample is a JSON file: `body` is the delivery's body as JSON (or `text`, for what is none),
`headers` what came with it, `events` what becomes of it. Each function of `PROMISES` takes a source
and its samples and raises AssertionError, saying which sample breaks which promise.

    @pytest.mark.parametrize("promise", PROMISES)
    def test_source(promise):
        promise(SOURCE, samples(Path("tests/samples")))
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from deploytrail.errors import SenderError
from deploytrail.event import Auth, EventId, Raw, Where
from deploytrail.intake.translating import Surroundings, translated
from deploytrail.kit.credential import Scheme, Signature, prove
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.draft import Place
from deploytrail.kit.secret import RANDOM_BYTES
from deploytrail.kit.signing import sample_secret, signed
from deploytrail.kit.source import Source

RECEIVED: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When samples are heard of."""
_ID: Final = EventId("019ab2f0-7c3e-7a51-8d0e-3f1b2c4d5e6f")
_PLANTED: Final = "ghp_" + "R4nd0mR4nd0mR4nd0mR4nd0mR4nd0mR4nd0m"
_VOLATILE: Final = ("id", "observed", "where")


class Sample(NamedTuple):
    """A delivery and what becomes of it. `events` are compared without ids and mapping."""

    name: str
    headers: Mapping[str, str]
    body: bytes
    events: Sequence[Mapping[str, Any]]
    is_json: bool = True

    def delivery(self, body: bytes | None = None) -> Delivery:
        pairs = tuple((name.lower(), value) for name, value in self.headers.items())
        return Delivery(self.body if body is None else body, pairs, RECEIVED)


def samples(folder: Path) -> list[Sample]:
    """The samples of a folder, in the order of their names."""
    return [_sample(path) for path in sorted(folder.glob("*.json"))]


def _sample(path: Path) -> Sample:
    said = msgspec.json.decode(path.read_bytes())
    is_json = "text" not in said
    body = msgspec.json.encode(said["body"]) if is_json else said["text"].encode()
    return Sample(path.stem, said.get("headers", {}), body, said.get("events", ()), is_json)


def surroundings(source: Source) -> Surroundings:
    """Those of a connection without any mapping, for tests."""
    return Surroundings(
        source=source,
        instance="sample",
        auth=Auth(method="signature", assurance=2, verified_by="sample"),
        placed=lambda _: None,
        content_id=lambda octets: f"body:{hashlib.sha256(octets).hexdigest()[:16]}",
        fingerprint=lambda *_: "0" * 24,
        event_id=lambda: _ID,
    )


def events(source: Source, delivery: Delivery) -> list[dict[str, Any]]:
    """What becomes of a delivery, as `Sample.events` has it: `place` is where the source says."""
    around = surroundings(source)._replace(placed=_as_said)
    found = []
    for each in translated(delivery, around):
        event: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(each.event))
        place = event.get("where")
        for name in _VOLATILE:
            event.pop(name, None)
        _without_given(event, around)
        found.append(event | ({"place": place} if place else {}))
    return found


def _as_said(place: Place) -> Where | None:
    """Where the source says, as if that were ours: so it is redacted and cut as any event is."""
    said = Where(
        project=place.project,
        unit=place.unit,
        environment=place.environment,
        environment_class=place.environment_class,
        raw=None if place.raw == Raw() else place.raw,
    )
    return None if said == Where() else said


def _without_given(event: dict[str, Any], around: Surroundings) -> None:
    """Leaves out what the connection says of every event alike."""
    given = msgspec.to_builtins(around.auth)
    for name in ("actor", "on_behalf_of"):
        if name in event and event[name].get("auth") == given:
            del event[name]["auth"]
    for name in ("tool", "instance"):
        event["source"].pop(name, None)


def gives_the_expected_events(source: Source, some: Sequence[Sample]) -> None:
    for one in some:
        found = events(source, one.delivery())
        assert found == list(one.events), f"{one.name}: {msgspec.json.encode(found).decode()}"


def gives_one_for_two(source: Source, some: Sequence[Sample]) -> None:
    """The same delivery again has the same delivery ids, parts and bytes; no two events share
    an id and part unless their bytes are the same.
    """
    around = surroundings(source)
    for one in some:
        first, again = (_keys(one.delivery(), around) for _ in range(2))
        assert first == again, one.name
        told: dict[tuple[str | None, int], bytes] = {}
        for delivery, part, octets in first:
            assert told.setdefault((delivery, part), octets) == octets, f"{one.name}: {delivery}"


def _keys(delivery: Delivery, around: Surroundings) -> list[tuple[str | None, int, bytes]]:
    return [
        (each.event.source.delivery, each.event.source.part, each.octets)
        for each in translated(delivery, around)
    ]


def refuses_what_is_not_proven(source: Source, some: Sequence[Sample]) -> None:
    """Each scheme of the source: no credential, no secret, another secret, one flipped byte."""
    assert source.schemes, "a source declares how its deliveries are proven"
    for scheme in source.schemes:
        if scheme.assurance == 0:
            continue
        for one in some:
            _refused(scheme, one)


def _refused(scheme: Scheme, one: Sample) -> None:
    secret, other = (sample_secret(scheme, bytes([each]) * RANDOM_BYTES) for each in (1, 2))
    bare = one.delivery()
    proven = signed(scheme, bare, secret, at=RECEIVED)
    prove(scheme, proven, [secret], now=RECEIVED)
    prove(scheme, proven, [other, secret], now=RECEIVED)
    wrong = {
        "no credential": (bare, [secret]),
        "another secret": (proven, [other]),
        "no secret": (proven, []),
    }
    if isinstance(scheme.evidence, Signature):
        flipped = bytes([proven.body[0] ^ 1]) + proven.body[1:]
        wrong["a flipped byte"] = (proven._replace(body=flipped), [secret])
    for why, (delivery, secrets) in wrong.items():
        try:
            prove(scheme, delivery, secrets, now=RECEIVED)
        except SenderError:
            continue
        raise AssertionError(f"{one.name}: {scheme.name} takes {why}")


def names_what_is_missing(source: Source, some: Sequence[Sample]) -> None:
    """Any field deleted gives the same actions, or an error that names the field."""
    for one in some:
        if not one.is_json:
            continue
        body = msgspec.json.decode(one.body)
        expected = _actions(events(source, one.delivery()))
        for path in _fields(body):
            found = events(source, one.delivery(msgspec.json.encode(_without(body, path))))
            if _actions(found) != expected:
                told = " ".join(str(each.get("error", {}).get("text", "")) for each in found)
                assert str(path[-1]) in told, f"{one.name} without {path}: {_actions(found)} {told}"


def _actions(found: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]]:
    return [(each["action"], each["outcome"]) for each in found]


def _fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all fields of objects."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(value, dict):
            yield (*path, name)
        if isinstance(inner, dict | list):
            yield from _fields(inner, (*path, name))


def _without(body: Any, path: tuple[Any, ...]) -> Any:
    found = inner = deepcopy(body)
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return found


def has_a_sample_of_each_kind(source: Source, some: Sequence[Sample]) -> None:
    sampled = {telling.kind for one in some for telling in source.tell(one.delivery())}
    missing = sorted(set(source.kinds) - sampled)
    assert not missing, f"{source.name}: no sample of {', '.join(missing)}"
    both = sorted(set(source.kinds) & set(source.set_aside))
    assert not both, f"{source.name}: read and set aside: {', '.join(both)}"


def keeps_no_secret(source: Source, some: Sequence[Sample]) -> None:
    """A token in any text of the body is in no event."""
    for one in some:
        if not one.is_json:
            continue
        body = msgspec.json.decode(one.body)
        for path in texts_of(body):
            said = deepcopy(body)
            inner = said
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = f"{inner[path[-1]]} {_PLANTED}"
            found = events(source, one.delivery(msgspec.json.encode(said)))
            assert _PLANTED not in msgspec.json.encode(found).decode(), f"{one.name}: {path}"


def texts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts, in objects and arrays."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(inner, str):
            yield (*path, name)
        elif isinstance(inner, dict | list):
            yield from texts_of(inner, (*path, name))


Promise = Callable[[Source, Sequence[Sample]], None]

PROMISES: Final[tuple[Promise, ...]] = (
    gives_the_expected_events,
    gives_one_for_two,
    refuses_what_is_not_proven,
    names_what_is_missing,
    has_a_sample_of_each_kind,
    keeps_no_secret,
)
