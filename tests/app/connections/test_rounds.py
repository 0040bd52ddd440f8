"""Connections are asked as often as their source says; what fails is told once while it lasts."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.app.connections.known_connections import KnownConnections
from deploytrail.app.connections.polling import place_name
from deploytrail.errors import Misconfigured
from tests.app.connections.polled import asked, deployed, done, put, told
from tests.app.places import Place, place
from tests.kit.servers import Server, answer, says, serving


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return place(tmp_path)


def stanza(server: Server | None, name: str = "toy") -> str:
    port = 1 if server is None else server.port
    return (
        f'[{name}]\nsource = "shipper"\nsecrets = ["env:SECRET"]\ntoken = "env:TOKEN"\n'
        f'[{name}.settings]\nurl = "http://127.0.0.1:{port}/{name}"\n'
    )


def unasked(secret: str) -> str:
    return f'[toy]\nsource = "opa"\nsecrets = ["{secret}"]\n'


def said(*steps: dict[str, Any]) -> bytes:
    return answer(body=msgspec.json.encode(list(steps)))


def paths(server: Server) -> list[str]:
    return [request.split(b" ")[1].decode() for request in server.requests]


def test_what_a_poll_brings_is_in_the_log_before_its_place_moves_on(there: Place) -> None:
    steps = said({"place": 5, "all": [deployed("1")]}, {"place": 7, "all": [deployed("2")]})
    with (
        serving(says(steps), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        assert some.rounds.tick()
        assert told(trail, "deployment") == ["deployment.succeeded"]
        assert trail.bookmarks().load(place_name("toy")) == 5
        done(some.rounds)
        assert told(trail, "deployment") == ["deployment.succeeded"] * 2
        assert trail.bookmarks().load(place_name("toy")) == 7
        event: Any = next(one.event for one in trail.newest(count=1))
    assert event["actor"]["auth"] == {
        "method": "fetched", "assurance": 1, "verified_by": "toy",
    }  # fmt: skip
    assert b"authorization: t" in server.requests[0].lower()


def test_the_same_again_is_the_same_event(there: Place) -> None:
    with (
        serving(says(said({"place": 5, "all": [deployed("1")]})), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        for _ in range(3):
            done(some.rounds)
            there.clock.advance(seconds=60)
        assert told(trail, "deployment") == ["deployment.succeeded"]
    assert paths(server) == ["/toy/0", "/toy/5", "/toy/5"]


def test_nobody_is_asked_sooner_than_its_source_says(there: Place) -> None:
    with serving(says(said()), is_kept=True) as server, asked(there, stanza(server)) as (_, some):
        for _ in range(60):
            some.rounds.tick()
            there.clock.advance(seconds=2)
    assert len(server.requests) == 2


def test_a_connection_without_token_or_paused_is_not_asked(there: Place) -> None:
    with serving(says(said()), is_kept=True) as server:
        paused = stanza(server).replace("token", "enabled = false\ntoken")
        bare = '[bare]\nsource = "shipper"\nsecrets = ["env:SECRET"]\n'
        with asked(there, paused + bare) as (_, some):
            done(some.rounds)
            assert list(some.rounds.standings()) == []
    assert server.requests == []


def test_what_can_not_be_had_any_more_is_told_once(there: Place) -> None:
    with (
        serving(says(said({"place": 5, "lost": "monday"})), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        for _ in range(3):
            done(some.rounds)
            there.clock.advance(seconds=60)
        assert told(trail, "integration.connection.f") == ["integration.connection.failed gap"]


def test_what_held_against_its_proof_is_told_once(there: Place) -> None:
    with (
        serving(says(said({"place": 5, "verified": "a/1"})), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        for _ in range(2):
            done(some.rounds)
            there.clock.advance(seconds=60)
        assert told(trail, "integration.audit_log") == ["integration.audit_log.verified"]


def test_what_was_asked_for_again_is_told(there: Place) -> None:
    with (
        serving(says(said({"place": 5, "again": "a/1"})), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        done(some.rounds)
        assert told(trail, "integration.d") == ["integration.delivery.redelivered"]


REFUSALS: dict[str, tuple[bytes, str]] = {
    "a token that does not suffice": (answer("403 Forbidden"), "not-permitted"),
    "an answer that is none": (answer(body=b"<html>"), "malformed"),
    "another status": (answer("301 Moved Permanently"), "malformed"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_is_told_at_once_and_once_and_when_it_is_over(there: Place, why: str) -> None:
    octets, code = REFUSALS[why]
    answers = [octets] * 4

    def handle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answers.pop() if answers else said())

    expected = [f"integration.connection.failed {code}"]
    with serving(handle, is_kept=True) as server, asked(there, stanza(server)) as (trail, some):
        done(some.rounds)
        assert told(trail, "integration.connection.f") == expected
        (standing,) = some.rounds.standings()
        assert (standing.name, standing.state) == ("polling/toy", "waiting")
        assert "toy: expected" in standing.reason or "body" in standing.reason
        while answers:
            there.clock.advance(seconds=1)
            done(some.rounds)
        there.clock.advance(seconds=60)
        done(some.rounds)
        assert told(trail, "integration.connection.")[1:] == [
            *expected, "integration.connection.recovered",
        ]  # fmt: skip
        assert [one.state for one in some.rounds.standings()] == ["following"]


def test_who_does_not_answer_is_told_after_a_minute(there: Place) -> None:
    failures: list[str] = []
    with asked(there, stanza(None)) as (trail, some):
        for second in range(120):
            done(some.rounds)
            failures = told(trail, "integration.connection.f")
            assert not failures or second >= 60
            there.clock.advance(seconds=1)
        assert failures == ["integration.connection.failed unreachable"]


def test_whoever_asks_for_a_pause_has_it(there: Place) -> None:
    limited = answer("429 Too Many Requests", b"", "retry-after: 600")
    with serving(says(limited), is_kept=True) as server, asked(there, stanza(server)) as (_, some):
        for _ in range(590):
            done(some.rounds)
            there.clock.advance(seconds=1)
        assert len(server.requests) == 1
        there.clock.advance(seconds=20)
        done(some.rounds)
        assert len(server.requests) == 2


def test_a_token_that_can_not_be_read_is_told(there: Place) -> None:
    with (
        serving(says(said()), is_kept=True) as server,
        asked(there, stanza(server)) as (trail, some),
    ):
        del some.environment["TOKEN"]
        done(some.rounds)
        assert told(trail, "integration.connection.f") == ["integration.connection.failed token"]
    assert server.requests == []


def test_a_connection_that_was_changed_is_asked_at_once(there: Place) -> None:
    with (
        serving(says(answer("403 Forbidden")), is_kept=True) as wrong,
        serving(says(said()), is_kept=True) as right,
        asked(there, stanza(wrong)) as (trail, some),
    ):
        for _ in range(8):
            done(some.rounds)
            there.clock.advance(seconds=30)
        assert [one.state for one in some.rounds.standings()] == ["broken"]
        put(trail, there, stanza(right))
        there.clock.advance(seconds=1)
        done(some.rounds)
        assert len(right.requests) == 1
        assert told(trail, "integration.connection.")[-1] == "integration.connection.recovered"


def test_one_that_has_much_to_tell_holds_up_no_other(there: Place) -> None:
    much = [{"place": at, "all": [deployed(str(at))]} for at in range(1, 9)]

    def handle(connection: socket.socket, request: bytes) -> None:
        connection.sendall(said(*much) if b"/much/" in request else said({"place": 1}))

    with serving(handle, is_kept=True) as server:
        both = stanza(server, "much") + stanza(server, "other")
        with asked(there, both) as (trail, some):
            some.rounds.tick()
            assert trail.bookmarks().load(place_name("other")) == 1
            assert trail.bookmarks().load(place_name("much")) == 1


def test_a_secret_that_is_gone_is_told_before_it_takes_effect(there: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret in a file\n")
    with asked(there, unasked(f"file:{secret}")) as (trail, some):
        of = KnownConnections(trail.store.reading, there.clock, {})
        done(some.rounds)
        assert of.find("toy").secrets == ["a secret in a file"]
        secret.unlink()
        seconds = 0
        while not told(trail, "integration.connection.f"):
            assert of.find("toy").secrets == ["a secret in a file"]
            there.clock.advance(seconds=1)
            seconds += 1
            done(some.rounds)
        assert seconds <= 6
        there.clock.advance(seconds=60)
        with pytest.raises(Misconfigured):
            of.find("toy")
        secret.write_text("another\n")
        there.clock.advance(seconds=5)
        done(some.rounds)
        assert told(trail, "integration.connection.r") == ["integration.connection.recovered"]


def test_a_command_that_fails_is_told_before_it_takes_effect(there: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret in a file\n")
    with asked(there, unasked(f"command:cat {secret}")) as (trail, some):
        of = KnownConnections(trail.store.reading, there.clock, {})
        seconds, failed_at, refused_at = 0, 0, 0
        while not refused_at:
            if seconds == 45:
                secret.unlink()
            done(some.rounds)
            if not failed_at and told(trail, "integration.connection.f"):
                failed_at = seconds
            try:
                of.find("toy")
            except Misconfigured:
                refused_at = seconds
            there.clock.advance(seconds=1)
            seconds += 1
    assert 45 <= failed_at <= 66
    assert failed_at < refused_at <= 106
