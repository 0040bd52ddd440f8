"""The audit trail in HashiCorp's documentation is read; what the trail does not name is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail import actions
from deploytrail.kit.delivery import fetched
from deploytrail.sources.hcp_terraform_audit import SOURCE
from deploytrail.sources.hcp_terraform_audit_actions import ACTIONS
from deploytrail.testing import RECEIVED, events

PAGE = "website-docs-cloud-docs-api-docs-audit-trails--01-sample-response.json"


def given(body: Any) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))


def entry(kind: str = "run.apply", **fields: Any) -> dict[str, Any]:
    type_, _, action = kind.partition(".")
    auth = {"accessor_id": "user-1", "description": "alice", "type": "Client"}
    return {
        "id": "e-1",
        "timestamp": "2026-11-22T10:00:00Z",
        "auth": auth | {"impersonator_id": None, "organization_id": "org-1"} | fields,
        "resource": {"id": "run-1", "type": type_, "action": action, "meta": None},
    }


def test_the_documented_page_is_read(fixtures: Path) -> None:
    path = fixtures / "hcp-terraform-docs" / PAGE
    if not path.is_file():
        pytest.skip("hcp-terraform-docs is absent")
    (event,) = events(SOURCE, fetched(path.read_bytes(), RECEIVED))
    assert event["action"] == "identity.token.created"
    assert event["actor"] == {"type": "user", "id": "hcp-terraform:pveverka"}
    assert event["time"] == "2020-06-30T17:52:46Z"
    assert event["source"]["delivery"] == "ae66e491-db59-457c-8445-9c908ee726ae"


def test_other_answers_of_the_api_are_no_audit_trail(fixtures: Path) -> None:
    folder = fixtures / "hcp-terraform-docs"
    if not folder.is_dir():
        pytest.skip("hcp-terraform-docs is absent")
    found = Counter(
        event["action"]
        for path in sorted(folder.glob("*.json"))
        if path.name != PAGE
        for event in events(SOURCE, fetched(path.read_bytes(), RECEIVED))
    )
    assert found == {
        "integration.delivery.malformed": 31,
        "integration.delivery.unrecognised": 7,
    }, found


def test_every_action_of_the_table_is_in_the_catalogue() -> None:
    assert [name for name in ACTIONS.values() if actions.find(name) is None] == []


def test_an_event_that_names_no_kind_hides_none_of_its_neighbours() -> None:
    nameless = entry()
    del nameless["resource"]["action"]
    found = given({"data": [entry(), nameless, entry("run.discard")]})
    assert [each["action"] for each in found] == [
        "approval.granted",
        "integration.delivery.unrecognised",
        "plan.discarded",
    ]


ACTORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a person": ({}, {"type": "user", "id": "hcp-terraform:alice"}),
    "a person without a name": (
        {"description": None},
        {"type": "user", "id": "hcp-terraform:user-1"},
    ),
    "an organisation's token": (
        {"description": "api-org-acme"},
        {"type": "service", "id": "hcp-terraform:api-org-acme"},
    ),
    "the service itself": (
        {"type": "System", "description": None, "accessor_id": None},
        {"type": "system", "id": "hcp-terraform:hcp-terraform"},
    ),
    "a way to act that nobody knows": (
        {"type": "Robot"},
        {"type": "unknown", "id": "hcp-terraform:alice"},
    ),
    "an impersonator": (
        {"type": "Impersonated", "impersonator_id": "user-2"},
        {"type": "user", "id": "hcp-terraform:user-2"},
    ),
}


@pytest.mark.parametrize("who", ACTORS)
def test_whoever_acts_is_told(who: str) -> None:
    said, expected = ACTORS[who]
    (event,) = given(entry(**said))
    assert event["actor"] == expected
    assert ("on_behalf_of" in event) == (who == "an impersonator")


def test_a_result_of_a_task_that_nobody_knows_is_malformed() -> None:
    body = entry("task_result.callback")
    body["resource"]["meta"] = {"task_result_status": "dreaming"}
    (event,) = given(body)
    assert event["action"] == "integration.delivery.malformed"
    assert "body.resource.meta.task_result_status" in event["error"]["text"]
