"""HCP Terraform's audit trail is fetched whole, and what was dropped before that is told."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from deploytrail.clock import microseconds, rfc3339
from deploytrail.errors import DeploytrailError, Malformed, NotPermitted, Unreachable
from deploytrail.kit.delivery import fetched
from deploytrail.kit.poller import Later
from deploytrail.sources.hcp_terraform_audit import SOURCE
from deploytrail.sources.hcp_terraform_audit_pages import POLLER
from tests.fakes import NOON
from tests.kit.servers import answer, says, serving
from tests.sources.asked import TOKEN, Poll, bodies, lost


def entry(number: int, at: datetime) -> dict[str, Any]:
    return {
        "id": f"ae66e491-0000-4000-8000-{number:012}",
        "version": "0",
        "type": "Resource",
        "timestamp": f"{rfc3339(at)[:23]}Z",
        "auth": {
            "accessor_id": "user-alice", "description": "alice", "type": "Client",
            "impersonator_id": None, "organization_id": "org-acme",
        },
        "request": {"id": "4df584d4-7e2a-01e6-6cc0-4adbefa020e6"},
        "resource": {"id": "at-1", "type": "authentication_token", "action": "create"},
    }  # fmt: skip


class Organization:
    """An audit trail, the newest first, in pages of two."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.since: list[str | None] = []

    def happens(self, at: datetime) -> None:
        self.entries.insert(0, entry(len(self.entries), at))

    def answer(self, connection: socket.socket, request: bytes) -> None:
        line, _, head = request.decode().partition("\r\n")
        assert f"authorization: bearer {TOKEN}" in head.lower()
        path, _, query = line.split(" ")[1].partition("?")
        assert path == "/api/v2/organization/audit-trail"
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        assert asked["page[size]"] == "1000"
        number = int(asked["page[number]"])
        if number == 1:
            self.since.append(asked.get("since"))
        found = [one for one in self.entries if one["timestamp"] > asked.get("since", "")]
        total = max(1, -(-len(found) // 2))
        page = {
            "data": found[2 * number - 2 : 2 * number],
            "pagination": {
                "current_page": number, "prev_page": None, "total_count": len(found),
                "next_page": number + 1 if number < total else None, "total_pages": total,
            },
        }  # fmt: skip
        connection.sendall(answer(body=msgspec.json.encode(page)))


def ids(poll: Poll, *, steps_max: int | None = None) -> list[str]:
    """Of the entries that came, as the source takes them apart."""
    return [
        str(telling.id)[-2:].lstrip("0") or "0"
        for body in bodies(poll.once(steps_max=steps_max))
        for telling in SOURCE.tell(fetched(body, poll.now))
    ]


def test_every_page_is_fetched_and_then_what_is_new() -> None:
    there = Organization()
    for hours in (50, 40, 30, 20, 10):
        there.happens(NOON - timedelta(hours=hours))
    with serving(there.answer, is_kept=True) as server:
        poll = Poll(POLLER, {"api": server.url("/")})
        assert ids(poll) == ["4", "3", "2", "1", "0"]
        assert poll.place == microseconds(NOON - timedelta(minutes=10))
        there.happens(NOON)
        poll.later(minutes=1)
        assert ids(poll) == ["5"]
        poll.later(minutes=5)
        assert ids(poll) == ["5"]
        poll.later(minutes=15)
        assert ids(poll) == ["5"]
        poll.later(minutes=1)
        assert ids(poll) == []
    assert there.since[:2] == [None, "2026-11-22T11:50:00.000Z"]


def test_a_poll_that_was_stopped_misses_no_page() -> None:
    there = Organization()
    for hours in (50, 40, 30):
        there.happens(NOON - timedelta(hours=hours))
    with serving(there.answer, is_kept=True) as server:
        poll = Poll(POLLER, {"api": server.url("")})
        assert ids(poll, steps_max=1) == ["2", "1"]
        assert poll.place is None
        assert ids(poll) == ["2", "1", "0"]


def test_who_was_away_for_longer_than_it_is_kept_says_from_when_to_when() -> None:
    there = Organization()
    with serving(there.answer, is_kept=True) as server:
        poll = Poll(POLLER, {"api": server.url("")})
        poll.once()
        poll.later(days=20)
        there.happens(poll.now - timedelta(days=13, hours=1))
        steps = poll.once()
        assert lost(steps) == [("gap", "2026-11-22T11:50:00.000000Z")]
        assert len(bodies(steps)) == 1
        assert b"ae66e491" in bodies(steps)[0]
        told = next(one.lost for one in steps if one.lost)
        assert "to 2026-11-29T12:00:00.000000Z is lost" in told.text
        assert lost(poll.once()) == []


def test_who_was_away_for_less_lost_nothing() -> None:
    there = Organization()
    with serving(there.answer, is_kept=True) as server:
        poll = Poll(POLLER, {"api": server.url("")})
        poll.once()
        poll.later(days=12)
        assert lost(poll.once()) == []


REFUSALS: dict[str, tuple[bytes, type[DeploytrailError]]] = {
    "a token of a user": (answer("404 Not Found"), NotPermitted),
    "no token": (answer("401 Unauthorized"), NotPermitted),
    "too often": (answer("429 Too Many Requests", b"", "retry-after: 1"), Later),
    "a server that is down": (answer("503 Service Unavailable"), Unreachable),
    "no page": (answer(body=b"[]"), Malformed),
    "pages in a circle": (answer(body=b'{"data":[],"pagination":{"next_page":1}}'), Malformed),
    "no pagination": (answer(body=b'{"data":[]}'), Malformed),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_an_answer_that_is_none_is_told_without_the_token(why: str) -> None:
    octets, error = REFUSALS[why]
    with serving(says(octets), is_kept=True) as server:
        poll = Poll(POLLER, {"api": server.url("")})
        with pytest.raises(error) as refused:
            poll.once()
    assert poll.place is None
    assert TOKEN not in str(refused.value)
