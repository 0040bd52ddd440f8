"""A server over a trail that is indexed, asked in the language of docs/query.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploytrail.access.principal import ALL, Principal
from deploytrail.access.scope import scope
from deploytrail.app.local import Asking
from deploytrail.errors import Unknown
from deploytrail.web.matching import compiler
from deploytrail.web.reading import ServedTrail
from tests.app.places import Place, place
from tests.app.searched import Searched
from tests.web.served import ASKS, Served, served

NARROW = "scoped to "
"""A token of the tests that begins so has all permissions, within the scope behind it."""


def authenticate(authorization: str | None) -> Principal:
    """As that of `served`, with tokens that name their scope."""
    token = (authorization or "").removeprefix("Bearer ")
    if token.startswith(NARROW):
        return Principal("token:narrow", "carol", ALL, scope(token.removeprefix(NARROW)))
    if token not in ASKS:
        raise Unknown("Authorization: expected a token that is known")
    return ASKS[token]


@contextmanager
def indexed(directory: Path, bodies: Sequence[bytes], **parts: Any) -> Iterator[Served]:
    """A server over a new trail with these events, all of them in its index."""
    there = place(directory)
    with there.opened() as trail:
        refused = [one for one in trail.record_json(bodies) if isinstance(one, Exception)]
        assert not refused, refused
        trail.publish()
    follow(there)
    with over(there, **parts) as server:
        yield server


@contextmanager
def over(there: Place, **parts: Any) -> Iterator[Served]:
    """A server over a trail and its index, however far that is."""
    parts.setdefault("authenticate", authenticate)
    with served(
        there, reading_opened=lambda: _opened(there), compiled=compiler(there.clock), **parts
    ) as server:
        yield server


def follow(there: Place) -> None:
    """Let the index take in all that the log has."""
    with there.opened() as trail:
        searched = Searched(trail, there.clock)
        searched.follow()
        searched.close()


def _opened(there: Place) -> ServedTrail:
    trail = there.open()
    return ServedTrail(trail, Asking(trail, there.clock))


def lines(body: bytes) -> list[dict[str, Any]]:
    """What an export has, one a line."""
    return [json.loads(line) for line in body.splitlines()]
