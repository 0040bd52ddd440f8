"""Pollers: how a source is asked for what it never sends, or lets expire.

Declared data and a pure-but-for-HTTP generator; whoever runs it keeps the place, records what
comes before that place moves on, and asks again where it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from deploytrail.kit.answer import Asks


class Setting(Struct, frozen=True, kw_only=True):
    """One of the settings of a connection that a poller needs: what it is, an example of it."""

    what: str
    example: str
    is_required: bool = True


class Asking(NamedTuple):
    """What a poll is given. `place` is where the last one ended, None for the first; `token` the
    connection's own secret for asking, which is none of those that prove deliveries.
    """

    http: Asks
    settings: Mapping[str, str]
    token: str
    place: int | None
    now: datetime


class Polled(NamedTuple):
    """One step of a poll. `body` is a delivery as it was fetched, None where nothing came with it;
    `redelivered` names what the sender was asked to deliver again. Once that is in the log, the
    next poll begins at `place`, a number that the poller understands and that only grows.
    """

    place: int
    body: bytes | None = None
    redelivered: str | None = None


class Poller(Struct, frozen=True, kw_only=True):
    """How often a source is asked, what it needs for that, and how.

    `poll` may be stopped between two steps and begin again from any place that it gave, so each
    step may come twice. Raises Unreachable where it is worth trying again, NotPermitted where the
    token does not suffice, Malformed for an answer that is none.
    """

    every_seconds: int
    settings: Mapping[str, Setting]
    token: str
    """What kind of token, with the least rights that will do, for the operator to make."""
    poll: Callable[[Asking], Iterator[Polled]]
