"""A trail with connections of a toy source that is asked, and the rounds that ask, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from deploytrail.app.connections.configuring import applied, apply
from deploytrail.app.connections.known_connections import offers
from deploytrail.app.connections.polling import Poll
from deploytrail.app.connections.rounds import Rounds
from deploytrail.app.connections.taking import Keys
from deploytrail.app.connections.troubles import Troubles
from deploytrail.app.connections.watching import Watching
from deploytrail.app.followers.acting import appending
from deploytrail.app.trails.stored import StoredTrail
from deploytrail.event import Actor
from deploytrail.intake import declared
from deploytrail.intake.connections import Offer
from deploytrail.kit.answer import Request
from deploytrail.kit.http import Http
from deploytrail.kit.poller import Asking, Lost, Polled, Poller, Setting, accepted
from deploytrail.kit.shape import Shape, read
from tests.app.places import Place
from tests.follow.hosted import Lines
from tests.toy_source import SOURCE

SETTINGS = {"url": Setting(what="where the toy is", example="https://toy.test")}


class Step(Shape, frozen=True):
    """What the toy answers: some of its steps, one after another."""

    place: int
    all: list[msgspec.Raw] | None = None
    again: str | None = None
    lost: str | None = None
    verified: str | None = None


def poll(asking: Asking) -> Iterator[Polled]:
    url = f"{asking.settings['url']}/{asking.place or 0}"
    answer = asking.http.request(Request("GET", url, None, {"authorization": asking.token}))
    for one in read(accepted(answer, "toy"), list[Step]):
        body = None if one.all is None else msgspec.json.encode({"all": one.all})
        lost = None if one.lost is None else Lost("gap", one.lost, f"{one.lost} is gone")
        yield Polled(one.place, body, one.again, lost, one.verified)


POLLER = Poller(every_seconds=60, settings=SETTINGS, rights="any", poll=poll)
ASKED = msgspec.structs.replace(SOURCE, poller=POLLER)


def deployed(id_: str) -> dict[str, Any]:
    return {
        "kind": "deployed", "id": id_, "user": "alice", "application": "shop",
        "time": "2026-11-22T11:00:00Z",
    }  # fmt: skip


def put(trail: StoredTrail, there: Place, text: str) -> None:
    """Declare these connections, and no others."""
    toy = Offer(tuple(one.name for one in ASKED.schemes), SETTINGS)
    some = {**offers(), ASKED.name: toy}
    new = declared.read({"connections.toml": text.encode()}, some)
    by = Actor(type="user", id="os:bob")
    apply(trail.recorder, applied(trail.store.reading, some), new, clock=there.clock, by=by)


class Asked(NamedTuple):
    """The rounds of one process, with what it told and the variables that it sees."""

    rounds: Rounds
    lines: Lines
    environment: dict[str, str]


@contextmanager
def asked(there: Place, text: str | None = None) -> Iterator[tuple[StoredTrail, Asked]]:
    environment = {"TOKEN": "t", "SECRET": "a secret"}
    with there.opened() as trail, Http() as http:
        if text is not None:
            put(trail, there, text)
        reading, lines = trail.store.reading, Lines()
        keys = Keys(trail.keyring.secrets.body, trail.fingerprint_key)
        troubles = Troubles(reading, appending(trail.recorder), there.clock)
        rounds = Rounds(
            reading,
            poll=Poll(trail.recorder, trail.bookmarks(), http, keys, there.clock),
            troubles=troubles,
            watching=Watching(troubles, environment, there.clock),
            sources={ASKED.name: ASKED},
            environment=environment,
            clock=there.clock,
            tell=lines,
        )
        yield trail, Asked(rounds, lines, environment)


def done(rounds: Rounds) -> None:
    """Until nobody has more to do at once."""
    while rounds.tick():
        pass


def told(trail: StoredTrail, begins: str = "") -> list[str]:
    """The actions of the log that begin so, with the code of their error."""
    found = []
    for shown in trail.entries():
        event: Any = shown.event
        if str(event["action"]).startswith(begins):
            code = (event.get("error") or {}).get("code")
            found.append(f"{event['action']} {code}" if code else str(event["action"]))
    return found
