"""What GitHub could not deliver is delivered again, or told: never passed by."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from deploytrail.clock import microseconds, rfc3339
from deploytrail.errors import DeploytrailError, Malformed, NotPermitted, Unreachable
from deploytrail.kit.poller import Later
from deploytrail.sources.github_deliveries import KEPT, POLLER
from tests.fakes import NOON
from tests.kit.servers import answer, says, serving
from tests.sources.asked import TOKEN, Poll, again, lost

HOOK = "/repos/acme/infra/hooks/7/deliveries"


class GitHub:
    """What GitHub keeps of one webhook; whoever asks for a delivery has it tried again."""

    def __init__(self, poll: Poll) -> None:
        self._poll = poll
        self.tries: list[dict[str, Any]] = []
        self.is_up = False
        """Whether we can be reached."""
        self.rows = 100
        self.refused: set[int] = set()
        self.requests: list[bytes] = []

    def send(self, guid: str, *, ago: timedelta = timedelta(0), status: int | None = None) -> None:
        at: datetime = self._poll.now - ago
        code = (200 if self.is_up else 502) if status is None else status
        self.tries.append(
            {
                "id": len(self.tries) + 1, "guid": guid, "delivered_at": rfc3339(at),
                "redelivery": False, "duration": 0.27, "status": "OK", "status_code": code,
                "event": "push", "action": None, "installation_id": None, "repository_id": 4,
            }
        )  # fmt: skip

    def answer(self, connection: socket.socket, request: bytes) -> None:
        self.requests.append(request)
        line, _, head = request.decode().partition("\r\n")
        assert f"authorization: bearer {TOKEN}" in head.lower()
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        connection.sendall(self._listed(query) if method == "GET" else self._again(path))

    def _again(self, path: str) -> bytes:
        found = re.fullmatch(rf"{HOOK}/([0-9]+)/attempts", path)
        assert found is not None
        number = int(found[1])
        if number in self.refused:
            return answer("422 Unprocessable Content", b"{}")
        self.send(self.tries[number - 1]["guid"])
        return answer("202 Accepted", b"{}")

    def _listed(self, query: str) -> bytes:
        cursor = re.search("cursor=v1_([0-9]+)", query)
        oldest = rfc3339(self._poll.now - KEPT)
        kept = [one for one in self.tries[::-1] if one["delivered_at"] >= oldest]
        start = int(cursor[1]) if cursor else 0
        page = kept[start : start + self.rows]
        following = start + self.rows
        link = f'<https://mallory.test{HOOK}?per_page=100&cursor=v1_{following}>; rel="next"'
        headers = [f"link: {link}"] if following < len(kept) else []
        return answer("200 OK", msgspec.json.encode(page), *headers)


@contextmanager
def github(**settings: str) -> Iterator[tuple[GitHub, Poll]]:
    given = {"repository": "acme/infra", "hook": "7", **settings}
    poll = Poll(POLLER, given)
    there = GitHub(poll)
    with serving(there.answer, is_kept=True) as server:
        given["api"] = server.url("/").rstrip("/")
        yield there, poll


def test_what_arrived_is_left_alone() -> None:
    with github() as (there, poll):
        there.is_up = True
        there.send("a")
        assert again(poll.once()) == []
        assert poll.place == microseconds(NOON - timedelta(minutes=5))
    assert len(there.requests) == 1


def test_what_did_not_arrive_is_asked_for_again_until_it_does() -> None:
    with github() as (there, poll):
        there.send("a")
        there.send("b", status=200)
        assert again(poll.once()) == ["a/1"]
        assert poll.place is not None
        assert poll.place <= microseconds(NOON)
        poll.later(minutes=5)
        assert again(poll.once()) == []
        poll.later(minutes=60)
        there.is_up = True
        assert again(poll.once()) == ["a/3"]
        poll.later(minutes=5)
        assert again(poll.once()) == []
        poll.later(minutes=5)
        poll.once()
        assert poll.place == microseconds(poll.now - timedelta(minutes=5))
        assert lost(poll.once()) == []


def test_what_never_arrives_is_told_and_not_asked_for_forever() -> None:
    asked, told = [], []
    with github() as (there, poll):
        there.send("a")
        for _ in range(24 * 4):
            steps = poll.once()
            asked += again(steps)
            told += lost(steps)
            poll.later(minutes=15)
        assert asked == ["a/1", "a/2", "a/3"]
        assert set(told) == {("undelivered", "a")}
        assert len(there.tries) == 4
        assert poll.place is not None
        assert poll.place > microseconds(NOON + timedelta(hours=20))


def test_what_is_open_is_not_passed_by_what_came_after_it() -> None:
    with github() as (there, poll):
        there.send("a")
        poll.once()
        for _ in range(5):
            poll.later(minutes=10)
            there.send("b", status=200)
            poll.once()
        assert poll.place == microseconds(NOON)
        there.is_up = True
        poll.later(minutes=10)
        assert again(poll.once()) == ["a/2"]


def test_what_was_sent_before_the_first_poll_is_looked_at_too() -> None:
    with github() as (there, poll):
        there.send("a", ago=timedelta(days=2))
        assert again(poll.once()) == ["a/1"]


def test_pages_are_asked_of_the_same_server_as_far_back_as_it_takes() -> None:
    with github() as (there, poll):
        there.rows = 2
        for number in range(7):
            there.send(f"a{number}", ago=timedelta(hours=70 - 10 * number))
        assert len(again(poll.once())) == 7
        assert sum(b"GET " in one for one in there.requests) == 4


def test_a_poll_that_was_stopped_asks_no_twice_than_once_more() -> None:
    with github() as (there, poll):
        there.send("a")
        there.send("b")
        assert again(poll.once(steps_max=2)) == ["a/1"]
        assert poll.place is None
        assert again(poll.once()) == ["b/2"]


def test_one_that_github_refuses_holds_up_no_other() -> None:
    with github() as (there, poll):
        there.refused = {1}
        there.send("a")
        there.send("b")
        with pytest.raises(Malformed, match="expected status 202, found 422"):
            poll.once()
        assert [one["guid"] for one in there.tries] == ["a", "b", "b"]


def test_who_was_away_for_longer_than_github_keeps_says_from_when_to_when() -> None:
    with github() as (there, poll):
        there.is_up = True
        poll.once()
        poll.later(days=5)
        steps = poll.once()
        assert [code for code, _ in lost(steps)] == ["gap"]
        told = next(one.lost for one in steps if one.lost)
        assert "from 2026-11-22T11:55:00.000000Z to 2026-11-24T12:00:00.000000Z" in told.text
        assert lost(poll.once()) == []
        poll.later(days=2)
        assert lost(poll.once()) == []


def test_a_webhook_of_an_organization_is_asked_there() -> None:
    poll = Poll(POLLER, {})
    with serving(says(answer(body=b"[]")), is_kept=True) as server:
        settings = {"organization": "acme", "hook": "7", "api": server.url("/api/v3/")}
        Poll(POLLER, settings).once()
    assert server.requests[0].startswith(b"GET /api/v3/orgs/acme/hooks/7/deliveries?per_page=100 ")
    assert poll.place is None


RESET = str(microseconds(NOON) // 1_000_000 + 90)
REFUSALS: dict[str, tuple[bytes, type[DeploytrailError], str]] = {
    "a token that may not": (answer("404 Not Found"), NotPermitted, "what its token may do"),
    "a token that is none": (answer("401 Unauthorized"), NotPermitted, "found 401"),
    "the hour's limit": (
        answer("403 Forbidden", b"", "x-ratelimit-remaining: 0", f"x-ratelimit-reset: {RESET}"),
        Later,
        "asked again in 91 s",
    ),
    "another limit": (
        answer("403 Forbidden", b"", "retry-after: 60"), Later, "asked again in 60 s",
    ),
    "a server that is down": (answer("502 Bad Gateway"), Unreachable, "found 502"),
    "no list": (answer(body=b"{}"), Malformed, "expected an array"),
    "no guid": (answer(body=b'[{"id":1}]'), Malformed, "guid"),
    "a guid that is none": (
        answer(body=b'[{"id":1,"guid":"a/b","delivered_at":"2026-11-22T11:00:00Z"}]'),
        Malformed,
        "guid",
    ),
    "a time that is to come": (
        answer(body=b'[{"id":1,"guid":"a","delivered_at":"9999-12-31T23:59:59-14:00"}]'),
        Malformed,
        "delivered_at",
    ),
    "pages without an end": (
        answer(
            "200 OK",
            b'[{"id":1,"guid":"a","delivered_at":"2026-11-22T11:00:00Z","status_code":200}]',
            'link: <https://api.test/x?cursor=v1_1>; rel="next"',
        ),
        Malformed,
        "expected at most 1000 pages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSALS)
def test_an_answer_that_is_none_is_told_without_the_token(why: str) -> None:
    octets, error, expected = REFUSALS[why]
    with serving(says(octets), is_kept=True) as server:
        poll = Poll(POLLER, {"repository": "acme/infra", "hook": "7", "api": server.url("")})
        with pytest.raises(error) as refused:
            poll.once()
    assert expected in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_no_form_of_a_setting_lets_anything_else_be_asked() -> None:
    forms = {name: one.form for name, one in POLLER.settings.items()}
    for name, bad in {
        "repository": "acme/..", "organization": "acme/infra", "hook": "7/../8",
        "api": "http://github.acme.example",
    }.items():  # fmt: skip
        assert not re.fullmatch(forms[name], bad), name
        assert re.fullmatch(forms[name], POLLER.settings[name].example)
