"""A tool with a protocol of its own is answered, and refused, in its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec import structs

from deploytrail.app.connections.taking import Connected
from deploytrail.kit import firehose
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Answered, Became
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.secret import RANDOM_BYTES
from deploytrail.kit.signing import sample_secret
from deploytrail.sources import otlp
from tests.app.places import Place
from tests.fakes import NOON
from tests.formats.otlp import export, protobuf
from tests.toy_source import SOURCE
from tests.web.served import Answer, Declared, Served, served

SCHEME = SCHEMES["firehose-key"]
KEY, OTHER = (sample_secret(SCHEME, bytes([each]) * RANDOM_BYTES) for each in (1, 2))
ID = "8f0c1c0e-0000-4000-8000-000000000001"
STREAM = Connected(
    "stream-acme",
    structs.replace(SOURCE, schemes=(SCHEME,), answer=firehose.answer),
    SCHEME,
    [KEY],
    lambda _: None,
)
BODY = msgspec.json.encode(
    {"all": [{"kind": "deployed", "id": "d-1", "user": "alice", "application": "shop"}]}
)


@pytest.fixture
def server(there: Place) -> Iterator[Served]:
    with served(there, known_connections=Declared(STREAM)) as found:
        yield found


def deliver(server: Served, body: bytes = BODY, *, key: str = KEY, **headers: str) -> Answer:
    given = {"x_amz_firehose_request_id": ID, "x_amz_firehose_access_key": key} | headers
    return server.ask("POST", "/in/stream-acme", body, token=None, **given)


def test_what_is_taken_is_answered_in_its_words(server: Served, there: Place) -> None:
    answer = deliver(server)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    said = answer.json()
    assert (sorted(said), said["requestId"]) == (["requestId", "timestamp"], ID)
    assert said["timestamp"] >= int(NOON.timestamp() * 1000)
    with there.opened() as trail:
        assert trail.size() == 1


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "another key": (401, {"key": OTHER}),
    "another coding": (415, {"content_encoding": "br"}),
    "half of a packed body": (400, {"content_encoding": "gzip", "body": b"\x1f\x8b"}),
    "too large": (413, {"content_length": "99999999"}),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_is_told_why_in_its_words(server: Served, there: Place, why: str) -> None:
    status, options = REFUSED[why]
    answer = deliver(server, **options)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    said = answer.json()
    assert said["requestId"] == ID
    assert "expected" in said["errorMessage"]
    assert KEY not in answer.body.decode()
    with there.opened() as trail:
        assert trail.size() == 0


def test_who_is_unknown_is_still_asked_to_prove_it(server: Served) -> None:
    assert "www-authenticate" in deliver(server, key=OTHER).headers


def test_the_journal_tells_of_a_refusal_in_other_words_too(there: Place) -> None:
    with served(there, known_connections=Declared(STREAM)) as server:
        deliver(server, key=OTHER)
    (line,) = [each for each in server.journal() if each["what"] == "request"]
    assert (line["status"], line["connection"]) == (401, "stream-acme")
    assert line["why"].startswith("X-Amz-Firehose-Access-Key: expected")
    assert OTHER not in json.dumps(line)


def test_another_sender_over_the_same_source_is_answered_as_ever(server: Served) -> None:
    answer = server.ask("POST", "/in/stream-acme", BODY, token=None, x_amz_firehose_access_key=KEY)
    assert answer.json() == {"events": 1, "known": 0, "conflicts": 0, "unread": 0}
    refused = server.ask("POST", "/in/stream-acme", BODY, token=None)
    assert refused.json()["type"] == "/problems/unproven"


def test_a_source_is_told_what_became_of_its_delivery(there: Place) -> None:
    told: list[tuple[Delivery, Became]] = []

    def answer(delivery: Delivery, became: Became, _: datetime) -> None:
        told.append((delivery, became))

    source = structs.replace(STREAM.source, answer=answer)
    over = Declared(STREAM._replace(source=source))
    with served(there, known_connections=over) as server:
        deliver(server)
        deliver(server)
        deliver(server, b"no json")
        deliver(server, key=OTHER)
    assert [each.body for each, _ in told] == [BODY, BODY, b"no json", b""]
    assert [each[:5] for _, each in told] == [
        (1, 0, 0, 0, 200),
        (0, 1, 0, 0, 200),
        (1, 0, 0, 1, 200),
        (0, 0, 0, 0, 401),
    ]


def test_an_answer_may_be_any_bytes(there: Place) -> None:
    def answer(_: Delivery, __: Became, ___: datetime) -> Answered:
        return Answered(200, "application/x-protobuf", b"\x0a\x00")

    source = structs.replace(STREAM.source, answer=answer)
    with served(there, known_connections=Declared(STREAM._replace(source=source))) as server:
        found = deliver(server, accept="application/x-protobuf")
    assert (found.status, found.body) == (200, b"\x0a\x00")
    assert found.headers["content-type"] == "application/x-protobuf"


def test_who_reads_problems_reads_our_words(server: Served) -> None:
    accept = "application/json, application/problem+json"
    assert deliver(server, accept=accept).json()["events"] == 1
    assert deliver(server, key=OTHER, accept=accept).detail.startswith("X-Amz-Firehose")


def test_an_exporter_of_otlp_is_answered_in_protobuf(there: Place) -> None:
    scheme = SCHEMES["bearer"]
    secret, other = (sample_secret(scheme, bytes([each]) * RANDOM_BYTES) for each in (1, 2))
    over = Connected("otlp-acme", otlp.SOURCE, scheme, [secret], lambda _: None)
    octets = protobuf(export(eventName="deployment.started"))
    with served(there, known_connections=Declared(over)) as server:
        answers = [
            server.ask(
                "POST",
                "/in/otlp-acme",
                octets,
                token=None,
                authorization=f"Bearer {each}",
                content_type="application/x-protobuf",
            )
            for each in (secret, secret, other)
        ]
    assert [each.status for each in answers] == [200, 200, 401]
    assert [each.headers["content-type"] for each in answers] == ["application/x-protobuf"] * 3
    assert [each.body for each in answers[:2]] == [b"", b""]
    assert b"Authorization: expected" in answers[2].body
    with there.opened() as trail:
        (shown,) = trail.entries()
    assert shown.event["action"] == "deployment.started"
