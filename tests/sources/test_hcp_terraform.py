"""What of a run becomes an event, beyond the samples."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.hcp_terraform import SOURCE
from deploytrail.testing import RECEIVED, events


def run(trigger: str, status: str | None, by: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {
        "run_id": "run-1",
        "run_created_at": "2026-11-22T11:50:00Z",
        "run_created_by": "alice",
        "workspace_name": "shop-prod",
        "organization_name": "acme",
        "notifications": [{"trigger": trigger, "run_status": status, "run_updated_by": by}],
    }
    (found,) = events(SOURCE, fetched(msgspec.json.encode(body | fields), RECEIVED))
    return found


ENDS: dict[tuple[str, str], str] = {
    ("run:completed", "applied"): "deployment.succeeded",
    ("run:completed", "planned_and_finished"): "plan.created",
    ("run:completed", "planned_and_saved"): "plan.created",
    ("run:errored", "errored"): "deployment.failed",
    ("run:errored", "canceled"): "deployment.cancelled",
    ("run:errored", "force_canceled"): "deployment.cancelled",
    ("run:errored", "discarded"): "plan.discarded",
    ("run:errored", "policy_soft_failed"): "policy.check.failed",
    ("run:completed", "errored"): "integration.delivery.malformed",
    ("run:errored", "applied"): "integration.delivery.malformed",
    ("run:completed", "dreaming"): "integration.delivery.malformed",
}


@pytest.mark.parametrize("told", ENDS, ids="-".join)
def test_the_status_of_a_run_says_how_it_ended(told: tuple[str, str]) -> None:
    assert run(*told)["action"] == ENDS[told]


def test_the_service_acts_for_whoever_made_the_run() -> None:
    event = run("run:applying", "applying")
    assert event["actor"]["type"] == "system"
    assert event["on_behalf_of"]["id"] == "hcp-terraform:alice"


def test_whoever_confirms_a_run_of_another_acts_alone() -> None:
    event = run("run:applying", "applying", "bob")
    assert event["actor"]["id"] == "hcp-terraform:bob"
    assert "on_behalf_of" not in event


def test_nobody_is_named_where_nobody_made_a_run() -> None:
    event = run("run:created", "pending", run_created_by=None)
    assert event["actor"] == {"type": "unknown", "auth": {"method": "claimed", "assurance": 0}}


def test_a_request_of_a_team_is_counted() -> None:
    body = {"trigger": "change_request:created", "message": "please look"}
    (event,) = events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))
    assert event["action"] == "integration.delivery.set_aside"


def test_two_notifications_of_one_delivery_are_two_tellings() -> None:
    both = [
        {"trigger": trigger, "run_status": status, "run_updated_by": None}
        for trigger, status in (("run:applying", "applying"), ("run:errored", "errored"))
    ]
    body = {
        "run_id": "run-1",
        "run_created_at": "2026-11-22T11:50:00Z",
        "run_created_by": "alice",
        "workspace_name": "shop-prod",
        "organization_name": "acme",
        "notifications": both,
    }
    found = events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))
    assert [each["action"] for each in found] == ["deployment.started", "deployment.failed"]
    assert len({each["source"]["delivery"] for each in found}) == 2
