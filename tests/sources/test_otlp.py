"""Logs of OpenTelemetry: the same in both encodings, and answered in the request's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.event import Actor
from deploytrail.formats import otlp_protobuf
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.door import Became
from deploytrail.sources.otlp import SOURCE, answer, tell
from deploytrail.sources.otlp_attributes import Attributes, actor, links, repository
from deploytrail.testing import RECEIVED, Sample, events, samples
from tests.formats.otlp import protobuf

HERE = Path(__file__).parent
SAMPLES = samples(HERE / "otlp")
PROTOBUF = otlp_protobuf.MEDIA_TYPE
REVISION = "7" * 40


def delivery(body: bytes, media: str = "application/json") -> Delivery:
    return Delivery(body, (("content-type", media),), RECEIVED)


def log(event: str = "", body: str = "", **attributes: Any) -> bytes:
    """An export of one log; `__` stands for a dot."""
    pairs = [
        {"key": name.replace("__", "."), "value": {"stringValue": value}}
        for name, value in attributes.items()
    ]
    one = {"eventName": event, "body": {"stringValue": body}, "attributes": pairs}
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [one]}]}]}).encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_log_is_the_same_telling_in_both_encodings(sample: Sample) -> None:
    packed = protobuf(json.loads(sample.body))
    told = list(tell(sample.delivery()))
    assert told == list(tell(delivery(packed, PROTOBUF)))
    found = events(SOURCE, delivery(packed, PROTOBUF))
    # Of a delivery as a whole, the bytes that came are the id.
    ours = [each for each in found if not each["source"]["delivery"].startswith("whole:")]
    same = [each for each in sample.events if not each["source"]["delivery"].startswith("whole:")]
    assert ours == same


def test_a_log_is_an_event_by_what_it_says_itself() -> None:
    (found,) = events(SOURCE, delivery(log(deployment__status="succeeded")))
    assert found["action"] == "deployment.succeeded"
    said = json.loads(log())
    resource = {"attributes": [{"key": "deployment.status", "value": {"stringValue": "failed"}}]}
    said["resourceLogs"][0]["resource"] = resource
    (found,) = events(SOURCE, delivery(json.dumps(said).encode()))
    assert found["action"] == "integration.delivery.set_aside"


FAULTS: dict[str, tuple[bytes, str, str]] = {
    "no log": (b"{}", "application/json", "logRecords"),
    "no json": (b"{", "application/json", "JSON"),
    "no protobuf": (b"\xff", PROTOBUF, "expected"),
    "another type": (log(), "text/plain", "content-type"),
    "a status of nobody's": (log(deployment__status="odd"), "application/json", "status"),
    "a finish without a result": (log("build.pipeline.finished"), "application/json", "result"),
    "a result of nobody's": (log(cicd__pipeline__result="odd"), "application/json", "result"),
}


@pytest.mark.parametrize("why", FAULTS)
def test_what_can_not_be_read_is_kept_and_says_why(why: str) -> None:
    body, media, told = FAULTS[why]
    (found,) = events(SOURCE, delivery(body, media))
    assert found["action"] == "integration.delivery.malformed"
    assert told in found["error"]["text"]
    assert "odd" not in found["error"]["text"]


def test_a_file_without_a_content_type_is_read_as_json() -> None:
    (found,) = events(SOURCE, Delivery(log("deployment.started"), (), RECEIVED))
    assert found["action"] == "deployment.started"


def test_nobody_tells_what_only_the_trail_tells() -> None:
    for event in ("audit.trail.created", "integration.delivery.malformed", "no.such.action"):
        (telling,) = tell(delivery(log(event)))
        assert telling.kind == "log"


def test_a_log_without_a_time_is_of_when_it_came() -> None:
    (found,) = events(SOURCE, delivery(log("deployment.started")))
    assert datetime.fromisoformat(found["time"]) == RECEIVED.astimezone(UTC)


ACTORS: dict[str, tuple[dict[str, Any], dict[str, Any], Actor]] = {
    "a person": ({"user.id": "alice"}, {}, Actor(type="user", id="otlp:alice")),
    "by the older name": ({"enduser.id": "bob"}, {}, Actor(type="user", id="otlp:bob")),
    "the sender": ({}, {"service.name": "deployer"}, Actor(type="service", id="otlp:deployer")),
}


@pytest.mark.parametrize("who", ACTORS)
def test_the_actor_is_who_is_named(who: str) -> None:
    own, resource, expected = ACTORS[who]
    assert actor(Attributes(own, resource)) == expected


def test_who_is_not_named_is_unknown() -> None:
    assert actor(Attributes({}, {})).type == "unknown"


def test_a_run_of_a_tool_that_is_known_is_named_as_that_names_it() -> None:
    url = "https://github.com/acme/infra/actions/runs/12"
    own = {"cicd.pipeline.run.url.full": url, "cicd.pipeline.run.id": 12}
    found = links(Attributes(own, {}), None)
    assert found is not None
    assert found.run == "github:acme/infra/actions/runs/12"
    found = links(Attributes({"cicd.pipeline.run.id": 12}, {}), None)
    assert found is not None
    assert found.run == "otlp:12"


def test_a_repository_is_named_by_its_url_or_its_owner() -> None:
    url = {"vcs.repository.url.full": "https://github.com/acme/infra"}
    assert repository(Attributes(url, {})) == "acme/infra"
    names = {"vcs.owner.name": "acme", "vcs.repository.name": "infra"}
    assert repository(Attributes({}, names)) == "acme/infra"


def test_what_is_no_commit_is_no_link() -> None:
    assert links(Attributes({"vcs.ref.head.revision": "v1.2"}, {}), None) is None
    found = links(Attributes({"vcs.ref.head.revision": REVISION}, {}), None)
    assert found is not None
    assert found.commit == REVISION


ANSWERS: dict[str, tuple[Became, int, bytes]] = {
    "taken": (Became(events=1), 200, b"{}"),
    "unproven": (Became(status=401, why="no token"), 401, b'{"message":"no token"}'),
    "too much": (Became(status=429, why="slower"), 429, b'{"message":"slower"}'),
    "our disk": (Became(status=507, why="full"), 503, b'{"message":"full"}'),
    "our setting": (Became(status=500, why="odd"), 503, b'{"message":"odd"}'),
    "too slow": (Became(status=408, why="slow"), 503, b'{"message":"slow"}'),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_exporter_is_answered_in_its_own_encoding(what: str) -> None:
    became, status, body = ANSWERS[what]
    assert answer(delivery(b""), became, RECEIVED) == (status, "application/json", body)
    packed = answer(delivery(b"", PROTOBUF), became, RECEIVED)
    assert packed[:2] == (status, PROTOBUF)
    assert became.why.encode() in packed.body


def test_an_exporter_hears_of_what_was_not_understood() -> None:
    said = msgspec.json.decode(answer(delivery(b""), Became(events=2, unread=1), RECEIVED).body)
    assert said["partialSuccess"]["rejectedLogRecords"] == "0"
    assert said["partialSuccess"]["errorMessage"].startswith("1 were not understood")
