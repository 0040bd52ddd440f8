"""Deliveries come in over connections: proven or refused, and durable before the answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from deploytrail.app.connections.taking import Connected
from deploytrail.kit.delivery import fetched
from deploytrail.kit.draft import Place as Told
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.signing import signed
from tests.app.places import Place
from tests.fakes import NOON
from tests.toy_source import SOURCE
from tests.web.served import Answer, Declared, Served, served

SECRETS = ["the first secret of ours", "the second secret of ours"]
SHIPPER = Connected("shipper-acme", SOURCE, SCHEMES["github"], SECRETS, lambda _: None)
TOLD: dict[str, Any] = {"kind": "deployed", "id": "d-1", "user": "alice", "application": "shop"}
BODY = {"all": [TOLD]}


@pytest.fixture
def server(there: Place) -> Iterator[Served]:
    with served(there, known_connections=Declared(SHIPPER)) as found:
        yield found


def deliver(
    server: Served, said: Any = BODY, *, secret: str | None = SECRETS[0], name: str = "shipper-acme"
) -> Answer:
    octets = said if isinstance(said, bytes) else msgspec.json.encode(said)
    headers = {}
    if secret is not None:
        delivery = signed(SHIPPER.scheme, fetched(octets, NOON), secret, at=NOON)
        headers = {key.replace("-", "_"): value for key, value in delivery.headers}
    return server.ask("POST", f"/in/{name}", octets, token=None, **headers)


def test_a_proven_delivery_is_durable_when_it_is_answered(server: Served, there: Place) -> None:
    answer = deliver(server)
    assert (answer.status, answer.json()) == (
        200,
        {"events": 1, "known": 0, "conflicts": 0, "unread": 0},
    )
    with there.opened() as trail:
        (shown,) = trail.entries()
    event: Any = shown.event
    assert event["action"] == "deployment.succeeded"
    assert event["source"]["instance"] == "shipper-acme"
    assert event["actor"]["auth"] == {
        "method": "signature",
        "assurance": 2,
        "verified_by": "shipper-acme",
    }


def test_the_same_delivery_again_changes_nothing(server: Served, there: Place) -> None:
    first, again = deliver(server), deliver(server)
    assert (first.json()["events"], again.json()) == (
        1,
        {"events": 0, "known": 1, "conflicts": 0, "unread": 0},
    )
    with there.opened() as trail:
        assert trail.size() == 1


def test_both_secrets_of_a_connection_prove(server: Served) -> None:
    assert deliver(server, secret=SECRETS[1]).status == 200
    assert server.assembled.server.connections.heard["shipper-acme"].secret == 1


def test_another_body_under_a_known_id_is_told_and_kept_out(server: Served, there: Place) -> None:
    deliver(server)
    other = {"all": [TOLD | {"user": "mallory"}]}
    assert deliver(server, other).json()["conflicts"] == 1
    with there.opened() as trail:
        actions = [each.event["action"] for each in trail.entries()]
    assert "audit.delivery.conflicted" in actions


REFUSED: dict[str, dict[str, Any]] = {
    "unsigned": {"secret": None},
    "another secret": {"secret": "a secret of mallory's own"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_proven_is_refused_and_told(server: Served, there: Place, why: str) -> None:
    answer = deliver(server, **REFUSED[why])
    assert answer.status == 401
    assert answer.json()["type"] == "/problems/unproven"
    for secret in [*SECRETS, "mallory"]:
        assert secret not in answer.body.decode()
    heard = server.assembled.server.connections.heard["shipper-acme"]
    assert (heard.refused, heard.taken) == (1, 0)
    with there.opened() as trail:
        assert trail.size() == 0


def test_a_connection_that_is_not_declared_is_not_found(server: Served) -> None:
    answer = deliver(server, name="nobody")
    assert answer.status == 404
    assert "connection: expected one that is declared" in answer.detail


def test_a_packed_body_is_proven_as_it_is_unpacked(server: Served) -> None:
    octets = msgspec.json.encode(BODY)
    delivery = signed(SHIPPER.scheme, fetched(octets, NOON), SECRETS[0], at=NOON)
    headers = {key.replace("-", "_"): value for key, value in delivery.headers}
    answer = server.ask(
        "POST",
        "/in/shipper-acme",
        gzip.compress(octets),
        token=None,
        content_encoding="gzip",
        **headers,
    )
    assert answer.status == 200


def test_what_can_not_be_read_is_kept_as_such(server: Served, there: Place) -> None:
    answer = deliver(server, b"no json")
    assert answer.json() == {"events": 1, "known": 0, "conflicts": 0, "unread": 1}
    with there.opened() as trail:
        (shown,) = trail.entries()
    assert shown.event["action"] == "integration.delivery.malformed"


def test_a_large_delivery_is_taken_beside_others(server: Served, there: Place) -> None:
    told = [
        {"kind": "deployed", "id": f"d-{number}", "user": "alice", "application": "shop" * 20}
        for number in range(1_500)
    ]
    assert deliver(server, {"all": told}).json()["events"] == 1_500
    with there.opened() as trail:
        assert trail.size() == 1_500


def test_what_was_taken_and_refused_is_counted(server: Served) -> None:
    deliver(server)
    deliver(server, secret=None)
    text = server.ask("GET", "/metrics").body.decode()
    for outcome in ("taken", "unproven"):
        line = f'deploytrail_deliveries_total{{connection="shipper-acme",outcome="{outcome}"}} 1'
        assert line in text


def test_where_it_belongs_is_what_the_mapping_says(there: Place) -> None:
    seen: list[Told] = []

    def placed(place: Told) -> None:
        seen.append(place)

    with served(there, known_connections=Declared(SHIPPER._replace(placed=placed))) as server:
        deliver(server)
    assert json.dumps([each.raw.application for each in seen]) == '["shop"]'


def test_the_journal_tells_why_without_the_secret(there: Place) -> None:
    with served(there, known_connections=Declared(SHIPPER)) as server:
        deliver(server, secret="a secret of mallory's own")
    (line,) = [each for each in server.journal() if each["what"] == "request"]
    assert line["route"] == "/in/{connection}"
    assert line["connection"] == "shipper-acme"
    assert line["why"].startswith("X-Hub-Signature-256: expected a signature by a secret")
    assert not any(secret in json.dumps(line) for secret in [*SECRETS, "mallory"])


def test_a_secret_that_was_just_applied_proves(there: Place) -> None:
    class Renewing(Declared):
        """Knows at hand what was applied before."""

        def renewed(self, name: str) -> Connected:
            return self.find(name)._replace(secrets=["the newest secret of ours"])

    with served(there, known_connections=Renewing(SHIPPER)) as server:
        assert deliver(server, secret="the newest secret of ours").status == 200
        assert deliver(server, secret="a secret of mallory's own").status == 401


def test_how_connections_do_is_told_to_who_operates(server: Served) -> None:
    deliver(server)
    deliver(server, secret=None)
    (told,) = server.get("/v1/connections").json()["items"]
    assert (told["name"], told["taken"], told["refused"]) == ("shipper-acme", 1, 1)
    assert (told["refused_why"], told["secret"]) == ("missing", 0)
    assert server.get("/v1/connections", token="viewer").status == 403
