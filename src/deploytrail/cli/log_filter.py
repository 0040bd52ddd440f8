"""Which events `deploytrail log` lists: by place, time, action and outcome.

Pure: the clock's time is an argument. The log is in the order in which it was written, so times
that senders claim may stand anywhere within a day of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

from msgspec import Struct

from deploytrail.actions import CATALOGUE, TIME_AHEAD_MAX
from deploytrail.cli.span import span
from deploytrail.clock import rfc3339
from deploytrail.errors import Malformed
from deploytrail.event import Outcome
from deploytrail.trail import Shown

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing is older; a day before it is one of the calendar, too."""


class Filter(Struct, frozen=True, kw_only=True):
    """What all listed events have in common; None is anything, and so are no outcomes.

    `since` is of their own time or of when they were logged, whichever is later.
    """

    environment: str | None = None
    unit: str | None = None
    since: datetime | None = None
    action: str | None = None
    outcomes: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether every event passes."""
        return self == Filter()


def filter_of(
    *,
    environment: str | None,
    unit: str | None,
    since: str | None,
    action: str | None,
    outcomes: Sequence[str],
    now: datetime,
) -> Filter:
    """The words of the command line as a filter; raises Malformed, naming the option."""
    for name, value in (("--environment", environment), ("--unit", unit)):
        if value == "":
            raise Malformed(f"{name}: expected a name, found nothing; leave it out")
    for outcome in outcomes:
        if outcome not in get_args(Outcome):
            raise Malformed(
                f"--outcome: expected one of {', '.join(get_args(Outcome))}, found {outcome[:60]!r}"
            )
    if action is not None and not (action and any(name.startswith(action) for name in CATALOGUE)):
        raise Malformed(
            "--action: expected the beginning of an action's name such as deployment, "
            f"found {action[:60]!r}; 'deploytrail actions' lists them"
        )
    return Filter(
        environment=environment,
        unit=unit,
        since=None if since is None else _moment(since, now),
        action=action,
        outcomes=tuple(outcomes),
    )


def matching(events: Iterable[Shown], wanted: Filter) -> Iterator[Shown]:
    """Those of the events, newest first, that pass; reads no further back than it has to."""
    since = None if wanted.since is None else rfc3339(wanted.since)
    # An event's own time is at most so far ahead of when it was logged, and `logged` only falls.
    logged_min = None if wanted.since is None else rfc3339(wanted.since - TIME_AHEAD_MAX)
    for shown in events:
        event = shown.event
        if logged_min is not None and str(event.get("logged")) < logged_min:
            return
        # Whoever claims another time than now can't hide from who asks what came in of late.
        moment = max(str(event.get("time")), str(event.get("logged")))
        if (since is None or moment >= since) and _passes(event, wanted):
            yield shown


def _passes(event: dict[str, Any], wanted: Filter) -> bool:
    place = event.get("where") or {}
    return (
        (wanted.environment is None or place.get("environment") == wanted.environment)
        and (wanted.unit is None or place.get("unit") == wanted.unit)
        and (not wanted.outcomes or event.get("outcome") in wanted.outcomes)
        and (wanted.action is None or str(event.get("action")).startswith(wanted.action))
    )


def _moment(text: str, now: datetime) -> datetime:
    ago = span(text)
    try:
        if ago is not None:
            return max(now - ago, _FIRST)
        moment = datetime.fromisoformat(text)
        # A day alone begins in UTC, as `log` prints days.
        moment = moment.replace(tzinfo=UTC) if len(text) == 10 else moment
        if moment.tzinfo is not None:
            return max(moment.astimezone(UTC), _FIRST)
        advice = "add Z"
    except (ValueError, OverflowError):
        advice = "write it so"
    raise Malformed(
        "--since: expected a span such as 30m, 2h or 7d, a day such as 2026-11-22 or a time such "
        f"as 2026-11-22T10:11:12Z, found {text[:40]!r}; {advice}"
    )
