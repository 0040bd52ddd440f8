"""GitHub's list of what it sent to a webhook: what never arrived is asked for again.

GitHub sends a delivery once, and keeps it for three days. Who asks it to, has it sent again, signed
as before, to the webhook's own address: so it comes in by the same door, and is proven there.
Source: GitHub Docs, "REST API endpoints for repository webhooks" (and "for organization webhooks"),
"Handling failed webhook deliveries", "Rate limits for the REST API".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from deploytrail.clock import microseconds, rfc3339
from deploytrail.errors import Malformed
from deploytrail.event import Time
from deploytrail.kit.answer import Request, Response
from deploytrail.kit.poller import (
    ADDRESS,
    Asking,
    Later,
    Lost,
    Polled,
    Poller,
    Setting,
    accepted,
)
from deploytrail.kit.shape import Shape, read

API: Final = "https://api.github.com"
EVERY_SECONDS: Final = 300
KEPT: Final = timedelta(days=3)
_LAST_CALL: Final = timedelta(hours=1)
"""So long before it is gone a delivery is given up: asking for it again takes its time."""
MARGIN: Final = timedelta(minutes=5)
"""A delivery is listed once it is over, and neither clock is exact."""
WAITS: Final = (timedelta(0), timedelta(hours=1), timedelta(hours=12))
"""Behind a failure, until it is asked for again: as often as there are waits. What keeps us from
being reached may take a night to mend."""
_AHEAD: Final = timedelta(days=1)
PAGES_MAX: Final = 1_000
_ROWS: Final = 100
_WHOM: Final = "GitHub"
_is_guid: Final = re.compile(r"[A-Za-z0-9-]{1,64}").fullmatch
_cursor: Final = re.compile(
    r"[?&]cursor=([A-Za-z0-9_.%=-]{1,200})(?:&[^>]{0,500})?>;\s*rel=\"next\""
).search
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Sent(Shape, frozen=True):
    """One try of a delivery: a try again has another id, and the same guid."""

    id: int
    guid: str
    delivered_at: Time
    status_code: int | None = None

    @property
    def is_taken(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def poll(asking: Asking) -> Iterator[Polled]:
    """The place is a time, in microseconds: whatever was sent before it arrived, or was given up.

    A time, for ids tell no gap: that we were away for longer than GitHub keeps deliveries.
    """
    place, oldest = asking.place or 0, asking.now - KEPT
    since = oldest if asking.place is None else _EPOCH + timedelta(microseconds=place)
    if since < oldest:
        yield Polled(place, lost=_gap(since, oldest))
    found: list[Sent] = []
    for page in _pages(asking, since):
        found += page
        yield Polled(place)
    settled = asking.now - MARGIN
    refused: Malformed | None = None
    for tries in _failing(found):
        first, last = tries[0], tries[-1]
        asked = len(tries) - 1
        if asked >= len(WAITS) or asking.now - first.delivered_at > KEPT - _LAST_CALL:
            yield Polled(place, lost=_undelivered(tries))
            continue
        settled = min(settled, first.delivered_at)
        if asking.now - last.delivered_at < WAITS[asked]:
            continue
        try:
            _ask_again(asking, last)
        except Malformed as error:
            # Of this one alone, maybe: the others are not kept waiting.
            refused = error
        else:
            yield Polled(place, redelivered=f"{last.guid}/{last.id}")
    yield Polled(max(place, microseconds(settled)))
    if refused is not None:
        raise refused


def _pages(asking: Asking, since: datetime) -> Iterator[list[Sent]]:
    """From the newest on, as far as they reach back to then."""
    cursor = ""
    for _ in range(PAGES_MAX):
        query = f"?per_page={_ROWS}" + (f"&cursor={cursor}" if cursor else "")
        answer = _answered(asking, "GET", query)
        page = read(accepted(answer, _WHOM), list[Sent])
        for each in page:
            if not _is_guid(each.guid):
                raise Malformed("body[].guid: expected letters, digits and '-', found others")
            if each.delivered_at > asking.now + _AHEAD:
                raise Malformed("body[].delivered_at: expected a time of before, found a later one")
        kept = [each for each in page if each.delivered_at >= since]
        yield kept
        # Only where the next page begins is taken from there: its address could be anybody's.
        more = _cursor(answer.headers.get("link", ""))
        if more is None or not kept:
            return
        cursor = more[1]
    raise Malformed(f"{_WHOM}: expected at most {PAGES_MAX} pages of deliveries, found more")


def _failing(found: Sequence[Sent]) -> Iterator[list[Sent]]:
    """The tries of each delivery of which none was taken, the oldest first."""
    by_guid: dict[str, dict[int, Sent]] = {}
    for each in sorted(found, key=lambda one: (one.delivered_at, one.id)):
        by_guid.setdefault(each.guid, {})[each.id] = each
    for tries in by_guid.values():
        if not any(each.is_taken for each in tries.values()):
            yield list(tries.values())


def _ask_again(asking: Asking, last: Sent) -> None:
    accepted(_answered(asking, "POST", f"/{last.id}/attempts"), _WHOM, status=202)


def _answered(asking: Asking, method: str, rest: str) -> Response:
    settings = asking.settings
    of = (
        f"repos/{settings['repository']}"
        if "repository" in settings
        else f"orgs/{settings['organization']}"
    )
    where = settings.get("api", API).rstrip("/")
    url = f"{where}/{of}/hooks/{settings['hook']}/deliveries{rest}"
    headers = {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {asking.token}",
        "x-github-api-version": "2022-11-28",
    }
    answer = asking.http.request(Request(method, url, b"" if method == "POST" else None, headers))
    seconds = _limited_seconds(answer, asking.now)
    if seconds is not None:
        raise Later(
            f"{_WHOM}: expected to be within its rate limit, found that we are not", seconds
        )
    return answer


def _limited_seconds(answer: Response, now: datetime) -> int | None:
    """For how long GitHub does not want to be asked; None where it does."""
    if answer.status not in {403, 429}:
        return None
    if answer.retry_after_seconds is not None:
        return answer.retry_after_seconds
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and re.fullmatch("[0-9]{1,12}", reset):
        return int(reset) - microseconds(now) // 1_000_000 + 1
    return None


def _gap(since: datetime, until: datetime) -> Lost:
    return Lost(
        "gap",
        rfc3339(since),
        f"GitHub keeps deliveries for {KEPT.days} days, and was not asked for longer: those that "
        f"failed from {rfc3339(since)} to {rfc3339(until)} can't be asked for again",
    )


def _undelivered(tries: Sequence[Sent]) -> Lost:
    first, last = tries[0], tries[-1]
    return Lost(
        "undelivered",
        first.guid,
        f"GitHub sent {first.guid} {len(tries)} times from {rfc3339(first.delivered_at)} to "
        f"{rfc3339(last.delivered_at)}, last with status {last.status_code or 'none'}; it is not "
        "asked for again: see the webhook's recent deliveries",
    )


_OWNER: Final = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"

POLLER: Final = Poller(
    every_seconds=EVERY_SECONDS,
    settings={
        "repository": Setting(
            what="the repository of the webhook",
            example="acme/infra",
            form=rf"{_OWNER}/(?!\.\.?$)[A-Za-z0-9._-]{{1,100}}",
            unless="organization",
        ),
        "organization": Setting(
            what="the organization of the webhook, where it is the organization's",
            example="acme",
            form=_OWNER,
            is_required=False,
        ),
        "hook": Setting(
            what="the webhook's number, as its address in the settings ends",
            example="12345678",
            form="[0-9]{1,19}",
        ),
        "api": Setting(
            what="where the REST API is, for GitHub Enterprise Server",
            example="https://github.acme.example/api/v3",
            form=ADDRESS,
            is_required=False,
        ),
    },
    rights='a fine-grained token with "Webhooks: read and write" there',
    poll=poll,
)
