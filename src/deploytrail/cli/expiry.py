"""When something ends, as people type it. Pure: the clock's time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime

from deploytrail.cli.span import span
from deploytrail.errors import Malformed

NEVER = "never"


def expiry(text: str, now: datetime, *, option: str = "--expires") -> datetime | None:
    """`90d`, a day (which it does not live to see, in UTC) or a time; None for `never`.

    Raises Malformed, naming the option, also for what is past.
    """
    if text == NEVER:
        return None
    ahead = span(text)
    try:
        moment = now + ahead if ahead is not None else datetime.fromisoformat(text)
        # A day alone begins in UTC, as `log` prints days.
        moment = moment.replace(tzinfo=UTC) if len(text) == 10 else moment
        if moment.tzinfo is None:
            advice = "add Z"
        elif moment.astimezone(UTC) > now:
            return moment.astimezone(UTC)
        else:
            advice = "name a time to come"
    except (ValueError, OverflowError):
        advice = "write it so"
    raise Malformed(
        f"{option}: expected a span such as 90d or 12h, a day such as 2027-01-31, a time such as "
        f"2027-01-31T10:00:00Z, or never, found {text[:40]!a}; {advice}"
    )
