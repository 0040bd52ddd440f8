"""What a team asks of its trail: eleven questions, with values taken from what is there.

The same values are put to our index and to the peers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import synthetic
from bench.figure import QUESTIONS
from bench.synthetic import ROUND
from deploytrail.clock import at_microseconds, microseconds, rfc3339
from deploytrail.index.contract import Match, Position, Searcher
from deploytrail.index.engine import SegmentedIndex
from deploytrail.query.fields import BY_NAME
from deploytrail.query.tree import EVERYTHING, And, Between, Filter, Is, Order, StartsWith, Words

Values = Mapping[str, Any]
PAGE: Final = 50
_THOUSANDTH: Final = 1_000
_DAYS_US: Final = 86_400 * 1_000_000
_BARS: Final = 52
_ROUNDS: Final = 10
_ENVIRONMENTS: Final = ("prod", "staging", "dev")


def _search(
    searcher: Searcher, filter: Filter, *, after: Position | None = None, is_oldest: bool = False
) -> list[Match]:
    order: Order = "oldest" if is_oldest else "newest"
    return searcher.search(filter, order=order, after=after, limit=PAGE)


def _is(field: str, value: str) -> Is:
    return Is(BY_NAME[field], value)


def _env(searcher: Searcher, values: Values) -> object:
    return _search(searcher, _is("env", values["env"]))


def _actor(searcher: Searcher, values: Values) -> object:
    since = Between(BY_NAME["time"], microseconds(datetime.fromisoformat(values["since"])), None)
    return _search(searcher, And((_is("actor", values["actor"]), since)))


def _failed(searcher: Searcher, values: Values) -> object:
    action = StartsWith(BY_NAME["action"], values["action"])
    project = _is("project", values["project"])
    return _search(searcher, And((action, _is("outcome", "failure"), project)))


def _trace(searcher: Searcher, values: Values) -> object:
    return _search(searcher, _is("trace", values["trace"]), is_oldest=True)


def _target(searcher: Searcher, values: Values) -> object:
    return _search(searcher, _is("target", values["target"]))


def _rare(searcher: Searcher, values: Values) -> object:
    return _search(searcher, Words((values["rare"],)))


def _common(searcher: Searcher, values: Values) -> object:
    return _search(searcher, Words((values["common"],)))


def _facets(searcher: Searcher, values: Values) -> object:
    fields = [BY_NAME[name] for name in ("action", "outcome", "project", "class", "actor.type")]
    return searcher.facets(_is("env", values["env"]), fields, limit=20, resolve=tuple)


def _year(searcher: Searcher, _: Values) -> object:
    def edges(low: int, high: int) -> list[int]:
        return [low + (high + 1 - low) * at // _BARS for at in range(_BARS + 1)]

    return searcher.histogram(EVERYTHING, edges, resolve=tuple)


def _page(searcher: Searcher, values: Values) -> object:
    time = microseconds(datetime.fromisoformat(values["page_time"]))
    after = Position(time, values["page_at"])
    return _search(searcher, _is("env", values["env"]), after=after)


def _id(searcher: Searcher, values: Values) -> object:
    return _search(searcher, _is("id", values["id"]))


ASKED: Final[dict[str, Callable[[Searcher, Values], object]]] = dict(
    zip(
        QUESTIONS,
        (_env, _actor, _failed, _trace, _target, _rare, _common, _facets, _year, _page, _id),
        strict=True,
    )
)


class Samples(msgspec.Struct, frozen=True):
    """Values to ask for. `positions` are where the thousandth page of an environment begins."""

    actors: list[str]
    traces: list[str]
    targets: list[str]
    ids: list[str]
    newest: int
    positions: dict[str, tuple[str, int]]

    def values(self, chance: random.Random) -> dict[str, Any]:
        """Other ones each time."""
        env = chance.choice(list(self.positions))
        actor = chance.choice(self.actors)
        time, at = self.positions[env]
        return {
            "env": env,
            "actor": actor,
            "since": rfc3339(at_microseconds(self.newest - 30 * _DAYS_US)),
            "project": chance.choice(("payments", "ledger", "search", "billing")),
            "action": chance.choice(("build.", "resource.")),
            "trace": chance.choice(self.traces),
            "target": chance.choice(self.targets),
            # The number of one of five thousand.
            "rare": actor.rpartition("-")[2].partition("[")[0],
            "common": chance.choice(("replica", "timeout", "connection")),
            "page_time": time,
            "page_at": at,
            "id": chance.choice(self.ids),
        }


def samples(path: Path, index: SegmentedIndex, events: int) -> Samples:
    """Of an index; what was found before stands in a file."""
    if not path.exists():
        path.write_bytes(msgspec.json.encode(_found(index, events)))
    return msgspec.json.decode(path.read_bytes(), type=Samples)


def _found(index: SegmentedIndex, events: int) -> Samples:
    actors, traces, targets, ids = [], [], [], []
    rounds = -(-events // ROUND)
    for replay in synthetic.replays(events, range(0, rounds, max(1, rounds // _ROUNDS))):
        for body in list(replay.bodies())[::100]:
            event = json.loads(body)
            actors.append(event["actor"]["id"])
            ids.append(event["id"])
            traces.append(event["links"]["trace"])
            targets += [one["id"] for one in event.get("targets", ())[:1]]
    positions = {}
    with index.searching(lambda: None) as searcher:
        newest = _search(searcher, EVERYTHING)[0].position.time
        for env in _ENVIRONMENTS:
            count = PAGE * (_THOUSANDTH - 1)
            before = searcher.search(_is("env", env), order="newest", after=None, limit=count)
            time, at = before[-1].position
            positions[env] = (rfc3339(at_microseconds(time)), at)
    return Samples(actors, traces, targets, ids, newest, positions)
