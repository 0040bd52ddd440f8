"""Pollers: how a source is asked for what it never sends, or lets expire.

Declared data and a pure-but-for-HTTP generator; whoever runs it keeps the place, records what
comes before that place moves on, and asks again where it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from deploytrail.errors import Malformed, NotPermitted, Unreachable
from deploytrail.kit.answer import Asks, Response

_REFUSED: Final = frozenset({401, 403, 404})
"""404 too: tools answer so where a token may not know whether something is there."""
LATER_SECONDS_MAX: Final = 6 * 3600
"""Nobody is left alone for longer, whatever a server says."""


class Setting(Struct, frozen=True, kw_only=True):
    """One of the settings of a connection that a poller needs: what it is, an example of it.

    `form` is a regular expression for all of it. One that is required is not where `unless`,
    another setting, is there; then it must not be there itself.
    """

    what: str
    example: str
    is_required: bool = True
    form: str = ".+"
    unless: str | None = None


class Later(Unreachable):
    """Asked too often, or at a bad time: to be asked again in so many seconds, and not before."""

    def __init__(self, text: str, seconds: int) -> None:
        self.seconds = max(1, min(seconds, LATER_SECONDS_MAX))
        super().__init__(f"{text}; it is asked again in {self.seconds} s")


class Asking(NamedTuple):
    """What a poll is given. `place` is where the last one ended, None for the first; `token` the
    connection's own secret for asking, which is none of those that prove deliveries.
    """

    http: Asks
    settings: Mapping[str, str]
    token: str
    place: int | None
    now: datetime


class Lost(NamedTuple):
    """What can't be had any more: told once for each `name`, and never silently passed by.

    `code` is a word for its kind, `text` says what it is, and from when to when.
    """

    code: str
    name: str
    text: str


class Polled(NamedTuple):
    """One step of a poll. `body` is a delivery as it was fetched, None where nothing came with it;
    `redelivered` names what the sender was asked to deliver again, and `verified` what of the
    tool's own log was held against its proof, and holds. Once that is in the log, the
    next poll begins at `place`, a number that the poller understands and that only grows.

    A step with a place alone is given where a poll may rest: others are asked meanwhile.
    """

    place: int
    body: bytes | None = None
    redelivered: str | None = None
    lost: Lost | None = None
    verified: str | None = None


class Poller(Struct, frozen=True, kw_only=True):
    """How often a source is asked, what it needs for that, and how.

    `poll` may be stopped between two steps and begin again from any place that it gave, so each
    step may come twice. Raises Unreachable where it is worth trying again, NotPermitted where the
    token does not suffice, Malformed for an answer that is none.
    """

    every_seconds: int
    settings: Mapping[str, Setting]
    rights: str
    """What kind of token, with the least rights that will do, for the operator to make."""
    poll: Callable[[Asking], Iterator[Polled]]


def accepted(answer: Response, whom: str, *, status: int = 200) -> bytes:
    """The body of an answer with that status. Raises Later where asking again may do, NotPermitted
    where the token does not suffice, else Malformed; what the server says of it is not repeated.
    """
    if answer.status == status:
        return answer.body
    said = f"{whom}: expected status {status}, found {answer.status}"
    if answer.is_passing:
        seconds = answer.retry_after_seconds
        if seconds is None:
            raise Unreachable(said)
        raise Later(said, seconds)
    if answer.status in _REFUSED:
        raise NotPermitted(f"{said}: see that its settings are right, and what its token may do")
    raise Malformed(f"{said}; see that its settings are right")


ADDRESS: Final = r"https://[^\s?#]+|http://127\.0\.0\.1(:[0-9]+)?(/[^\s?#]*)?"
"""The form of a setting that says where to ask: only this machine is sent a token in clear."""
