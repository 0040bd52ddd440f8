"""HCP Terraform's audit trail, asked for page by page: it never sends it, and drops it in 14 days.

Source: developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from deploytrail.clock import microseconds, rfc3339
from deploytrail.errors import Malformed
from deploytrail.kit.answer import Request
from deploytrail.kit.poller import ADDRESS, Asking, Lost, Polled, Poller, Setting, accepted
from deploytrail.kit.shape import Shape, read

API: Final = "https://app.terraform.io"
EVERY_SECONDS: Final = 60
KEPT: Final = timedelta(days=13)
"""A day less than its page says: what is about to be dropped may not be there any more."""
MARGIN: Final = timedelta(minutes=10)
"""Asked for once more: an entry may come late, and neither clock is exact. Entries have ids."""
PAGES_MAX: Final = 10_000
_ROWS: Final = 1_000
_WHOM: Final = "HCP Terraform"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Pagination(Shape, frozen=True):
    next_page: int | None


class Page(Shape, frozen=True):
    pagination: Pagination


def poll(asking: Asking) -> Iterator[Polled]:
    """The place is a time, in microseconds, before which everything was fetched.

    Nobody promises in which order entries come, so it moves on behind the last page alone.
    """
    place = asking.place or 0
    oldest = asking.now - KEPT
    since = None if asking.place is None else _EPOCH + timedelta(microseconds=place)
    if since is not None and since < oldest:
        yield Polled(place, lost=_gap(since, oldest))
    # What is older than it keeps, it has none of; a first poll asks for all that there is.
    for body in _pages(asking, None if since is None or since < oldest else since):
        yield Polled(place, body)
    yield Polled(max(place, microseconds(asking.now - MARGIN)))


def _pages(asking: Asking, since: datetime | None) -> Iterator[bytes]:
    url = f"{asking.settings.get('api', API).rstrip('/')}/api/v2/organization/audit-trail"
    headers = {"authorization": f"Bearer {asking.token}"}
    number = 1
    for _ in range(PAGES_MAX):
        query = {"page[number]": str(number), "page[size]": str(_ROWS)}
        if since is not None:
            query["since"] = f"{rfc3339(since)[:23]}Z"
        asked = Request("GET", f"{url}?{urlencode(query)}", None, headers)
        body = accepted(asking.http.request(asked), _WHOM)
        following = read(body, Page).pagination.next_page
        yield body
        if following is None:
            return
        if following <= number:
            raise Malformed("body.pagination.next_page: expected a later page, found this or less")
        number = following
    raise Malformed(f"{_WHOM}: expected at most {PAGES_MAX} pages, found more")


def _gap(since: datetime, until: datetime) -> Lost:
    return Lost(
        "gap",
        rfc3339(since),
        "HCP Terraform keeps its audit trail for 14 days, and was not asked for longer: what "
        f"happened from {rfc3339(since)} to {rfc3339(until)} is lost, in part or whole",
    )


POLLER: Final = Poller(
    every_seconds=EVERY_SECONDS,
    settings={
        "api": Setting(
            what="where it is asked, where that is not app.terraform.io",
            example="https://app.eu.terraform.io",
            form=ADDRESS,
            is_required=False,
        )
    },
    rights="an audit trail token of the organization, which opens nothing else",
    poll=poll,
)
