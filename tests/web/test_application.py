"""The edge: unknown paths, wrong methods, foreign hosts, and what every answer carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploytrail.errors import Tampered
from tests.app.places import Place
from tests.app.witnessed import Asker, Neighbour, named
from tests.web.indexed import follow, over
from tests.web.served import Served, served


def test_an_unknown_path_is_not_found(server: Served) -> None:
    answer = server.get("/v2/events")
    assert answer.status == 404
    assert "/openapi.json lists them" in answer.detail


def test_a_wrong_method_names_the_right_ones(server: Served) -> None:
    answer = server.ask("DELETE", "/v1/events")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_head_is_get_without_a_body(server: Served) -> None:
    got, head = server.get("/healthz"), server.ask("HEAD", "/healthz")
    assert head.status == 200
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("path", ["/v1/tail", "/v1/export"])
def test_head_of_a_stream_ends(server: Served, path: str) -> None:
    answer = server.ask("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] in {
        "text/event-stream; charset=utf-8", "application/x-ndjson",
    }  # fmt: skip


def test_head_of_an_export_with_proofs_makes_none(there: Place) -> None:
    there.record(1)
    with served(there) as server:
        # As if another one were being made: of these there is one at a time.
        server.runner.run(server.assembled.server.exporting.acquire())
        assert server.get("/v1/export/proofs").status == 429
        answer = server.ask("HEAD", "/v1/export/proofs")
        server.assembled.server.exporting.release()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-tar"
    assert "content-length" not in answer.headers


FOREIGN = {
    "another name": "evil.example",
    "another name with our port": "evil.example:8420",
    "none": "",
    "two": "localhost, evil.example",
    "ours at the end": "localhost.evil.example",
    "with a user": "localhost@evil.example",
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_a_host_is_refused_that_is(server: Served, reason: str) -> None:
    answer = server.get("/healthz", host=FOREIGN[reason])
    assert answer.status == 400
    assert "host: expected" in answer.detail


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8420", "[::1]:8420", "LOCALHOST:1"])
def test_a_host_of_loopback_is_ours(server: Served, host: str) -> None:
    assert server.get("/healthz", host=host).status == 200


def test_behind_a_proxy_every_name_is_ours(there: Place) -> None:
    with served(there, hosts=None) as server:
        assert server.get("/healthz", host="trail.example.org").status == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("application/*", 200),
        ("text/html, application/json;q=0.5", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("", 200),
    ],
)
def test_what_the_client_takes_is_held_against_what_there_is(
    server: Served, accept: str, status: int
) -> None:
    assert server.get("/healthz", accept=accept).status == status


def test_every_answer_says_how_it_is_to_be_taken(server: Served) -> None:
    for path in ("/healthz", "/nowhere", "/v1/stats"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert len(headers["x-request-id"]) == 16
        assert "access-control-allow-origin" not in headers


def test_what_nobody_expected_is_told_without_internals_and_once(there: Place) -> None:
    def authenticate(_: str | None) -> None:
        raise RuntimeError("the password is hunter2")

    with served(there, authenticate=authenticate) as server:
        answer = server.get("/v1/stats")
    assert answer.status == 500
    assert "hunter2" not in answer.body.decode()
    (fault,) = [line for line in server.journal() if line["what"] == "fault"]
    assert (fault["error"], fault["request"]) == ("RuntimeError", answer.json()["instance"])
    assert "hunter2" not in str(server.journal())


def test_wrong_evidence_is_a_problem_of_ours(there: Place) -> None:
    def authenticate(_: str | None) -> None:
        raise Tampered("entry 3: its bytes are not those that were logged")

    with served(there, authenticate=authenticate) as server:
        answer = server.get("/v1/stats")
    assert answer.status == 500
    assert answer.json()["type"] == "/problems/tampered"
    (line,) = [each for each in server.journal() if each["what"] == "request"]
    assert line["why"] == "entry 3: its bytes are not those that were logged"


def test_a_request_is_one_line_that_does_not_tell_what_was_asked(there: Place) -> None:
    with served(there) as server:
        server.get("/v1/events/alices-secret?x=hunter2", token="viewer")
    (line,) = [each for each in server.journal() if each["what"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/events/{event}", 400)
    assert (line["principal"], line["bytes"] > 0) == ("token:carol", True)
    assert "secret" not in str(line)
    assert "hunter2" not in str(line)


def test_what_a_problem_means_can_be_read(server: Served) -> None:
    answer = server.get(server.get("/nowhere").json()["type"], token=None)
    assert answer.json()["status"] == 404
    assert server.get("/problems/nothing", token=None).status == 404


def test_figures_tell_no_text_of_users(server: Served) -> None:
    server.get("/v1/events/alices-secret")
    server.get("/alices-secret")
    text = server.get("/metrics").body.decode()
    assert 'deploytrail_requests_total{route="/v1/events/{event}",status="404"} 1' in text
    assert 'route="none",status="404"' in text
    assert "secret" not in text
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


def test_figures_tell_how_far_behind_in_seconds(there: Place, tmp_path: Path) -> None:
    there.record(3)
    bob = Neighbour(tmp_path, "alices-secret", there.clock)
    named(there, bob)
    follow(there)
    there.clock.advance(seconds=10)
    there.record(1, publish=False)
    there.clock.advance(seconds=5)
    with over(there) as server:
        assert server.get("/v1/stats").json()["lag_seconds"] == {"index": 5.0, "publisher": 5.0}
        assert server.get("/v1/stats").json()["quorum"] == {"size": None, "seconds": None}
        text = server.get("/metrics").body.decode()
        assert 'deploytrail_lag_seconds{follower="index"} 5\n' in text
        assert 'deploytrail_lag_seconds{follower="publisher"} 5\n' in text
        # None that anybody knows of: later than any limit.
        assert "deploytrail_quorum_age_seconds +Inf\n" in text
        asker = Asker(there.open(), there.clock, bob)
        asker.tick(2, seconds=2)
        asker.close()
        text = server.get("/metrics").body.decode()
        (age,) = re.findall(r"^deploytrail_quorum_age_seconds (.+)$", text, re.MULTILINE)
        assert 0 <= float(age) <= 5
        assert "secret" not in text


@pytest.mark.parametrize("path", ["/v1/actions", "/openapi.json", "/checkpoint"])
def test_who_has_what_seldom_changes_is_not_sent_it_again(there: Place, path: str) -> None:
    there.record(1)
    with served(there) as server:
        first = server.get(path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = server.get(path, if_none_match=known)
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        for other in ("", '"other"', tag.strip('"')):
            assert server.get(path, if_none_match=other).body == first.body
