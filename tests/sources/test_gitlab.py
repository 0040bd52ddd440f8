"""GitLab's webhooks: what of them decides, and what nobody may read into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.errors import Malformed
from deploytrail.kit.delivery import Delivery, fetched
from deploytrail.sources.gitlab import SOURCE
from deploytrail.sources.gitlab_shapes import account, moment, path_of
from deploytrail.testing import RECEIVED, events

SAMPLES = Path(__file__).parent / "gitlab"


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())["body"]
    return found


def told(said: dict[str, Any]) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(msgspec.json.encode(said), RECEIVED))


def people(*names: str) -> list[dict[str, Any]]:
    return [{"id": len(name), "username": name} for name in names]


CHANGED_REVIEWERS = {
    "as an object": {"previous": people("carol"), "current": people("bob")},
    "as a pair": [people("carol"), people("bob")],
}


@pytest.mark.parametrize("why", CHANGED_REVIEWERS)
def test_who_is_asked_for_a_review_and_who_no_longer_is_told(why: str) -> None:
    said = body("merge_request_update")
    said["changes"] = {"reviewers": CHANGED_REVIEWERS[why]}
    found = told(said)
    assert [(each["action"], each["targets"][0].get("name")) for each in found] == [
        ("code.change.updated", "Raise the limit"),
        ("code.review.requested", "gitlab:bob"),
        ("code.review.withdrawn", "gitlab:carol"),
    ]
    assert found[0]["changes"] == [
        {"path": "reviewers", "op": "update", "old": '["carol"]', "new": '["bob"]'}
    ]


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ("Raise the limit", "Draft: Raise the limit", "code.change.drafted"),
        ("WIP: Raise the limit", "Raise the limit", "code.change.readied"),
        ("[Draft] Raise it", "(draft) Raise it", "code.change.updated"),
        ("Draftsmen wanted", "Raise the limit", "code.change.updated"),
    ],
)
def test_old_versions_tell_a_draft_by_its_title(before: str, after: str, action: str) -> None:
    said = body("merge_request_update")
    said["changes"] = {"title": {"previous": before, "current": after}}
    assert [each["action"] for each in told(said)] == [action]


def test_an_approval_binds_to_the_last_commit() -> None:
    said = body("merge_request_approval")
    (event,) = told(said)
    head = said["object_attributes"]["last_commit"]["id"]
    assert event["approval"]["approves"] == {"kind": "commit", "digest": head}


def test_an_approval_without_a_commit_binds_to_nothing() -> None:
    said = body("merge_request_approval")
    said["object_attributes"]["last_commit"] = None
    assert "approves" not in told(said)[0]["approval"]


def test_approvals_that_a_push_took_back_are_laid_to_nobody() -> None:
    (event,) = told(body("merge_request_unapproved_by_push"))
    assert event["actor"] == {"type": "system"}
    assert event["on_behalf_of"]["id"] == "gitlab:alice"
    assert "approves" not in event["approval"]


@pytest.mark.parametrize(
    "name", ["pipeline_canceled", "build_canceled", "deployment_canceled", "release_create"]
)
def test_who_is_not_told_is_unknown(name: str) -> None:
    (event,) = told(body(name))
    assert event["actor"]["type"] == "unknown"


def test_the_header_does_not_decide_the_kind() -> None:
    octets = msgspec.json.encode(body("push"))
    forged = Delivery(octets, (("x-gitlab-event", "Merge Request Hook"),), RECEIVED)
    assert [each["action"] for each in events(SOURCE, forged)] == ["code.pushed"]


def test_the_values_of_variables_are_not_kept() -> None:
    said = body("pipeline_success")
    said["object_attributes"]["variables"] = [{"key": "SIZE", "value": "kept-nowhere"}]
    assert "kept-nowhere" not in str(told(said))


def test_a_status_that_is_new_is_kept_as_unrecognised() -> None:
    (event,) = told(body("deployment_success") | {"status": "teleported"})
    assert event["action"] == "integration.delivery.unrecognised"
    assert event["targets"] == [{"type": "kind", "id": "deployment.teleported"}]


def test_a_fork_runs_a_pipeline_for_the_request_of_another_project() -> None:
    said = body("pipeline_success_of_merge_request")
    said["project"]["path_with_namespace"] = "mallory/infra"
    (event,) = told(said)
    assert event["links"]["change_request"] == "acme/infra!7"
    assert event["links"]["run"] == "gitlab:mallory/infra/pipelines/3100"


MALFORMED: dict[str, tuple[str, dict[str, Any], str]] = {
    "neither kind nor name": ("push", {"object_kind": None, "event_name": None}, "object_kind"),
    "a ref that went nowhere": ("push", {"after": "main"}, "body.after: expected a commit id"),
    "no time": ("deployment_success", {"status_changed_at": "now"}, "body.status_changed_at"),
    "a year that is none": (
        "deployment_success",
        {"status_changed_at": "0000-13-40 99:99:99 UTC"},
        "body.status_changed_at: expected a time such as",
    ),
    "changes that are no object": ("merge_request_update", {"changes": 7}, "body.changes"),
    "nobody approved": ("deployment_approved", {"approver": "bob"}, "body.approver"),
}


@pytest.mark.parametrize("why", MALFORMED)
def test_what_is_not_as_gitlab_sends_it_is_kept_with_the_reason(why: str) -> None:
    name, changed, expected = MALFORMED[why]
    (event,) = told(body(name) | changed)
    assert event["action"] == "integration.delivery.malformed"
    assert expected in event["error"]["text"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22 10:00:00 UTC", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 11:00:00 +0100", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T11:00:00.123+01:00", "2026-11-22T10:00:00.123000+00:00"),
        ("2026-11-22T10:00:00.123456789Z", "2026-11-22T10:00:00.123456+00:00"),
    ],
)
def test_a_time_is_read_in_each_of_its_notations(text: str, expected: str) -> None:
    found = moment(text, "time")
    assert found is not None
    assert found.isoformat() == expected


def test_a_time_outside_of_the_calendar_is_refused() -> None:
    with pytest.raises(Malformed, match=r"body\.time"):
        moment("9999-12-31 23:59:59 -0100", "time")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://gitlab.acme.example/acme/infra", "acme/infra"),
        ("https://gitlab.acme.example/acme/tools/infra/-/jobs/5", "acme/tools/infra"),
        ("https://gitlab.acme.example/acme/infra/merge_requests/7", "acme/infra"),
        ("https://gitlab.acme.example/acme/infra.git", "acme/infra"),
        ("https://gitlab.acme.example/" + "/-/" * 100_000 + "?", None),
        ("git@gitlab.acme.example:acme/infra.git", None),
        (None, None),
    ],
)
def test_a_path_is_read_from_an_address(url: str | None, path: str | None) -> None:
    assert path_of(url) == path


@pytest.mark.parametrize(
    ("username", "number", "type_", "id_"),
    [
        ("alice", 7, "user", "gitlab:alice"),
        (None, 7, "user", "gitlab:user/7"),
        ("project_30_bot_4ad3f1c2", 21, "service", "gitlab:project_30_bot_4ad3f1c2"),
        ("project_30_bot1", 21, "service", "gitlab:project_30_bot1"),
        ("service_account_group_4_9f", 22, "service", "gitlab:service_account_group_4_9f"),
        ("projects_30_bot", 23, "user", "gitlab:projects_30_bot"),
        (None, None, "unknown", None),
    ],
)
def test_an_account_is_a_person_or_a_machine_by_its_name(
    username: str | None, number: int | None, type_: str, id_: str | None
) -> None:
    found = account(username, number)
    assert (found.type, found.id) == (type_, id_)


def delivered(*headers: tuple[str, str]) -> str:
    octets = msgspec.json.encode(body("feature_flag_on"))
    (event,) = events(SOURCE, Delivery(octets, headers, RECEIVED))
    found: str = event["source"]["delivery"]
    return found


def test_a_flag_that_is_switched_on_twice_is_two_events() -> None:
    assert delivered(("webhook-id", "one")) != delivered(("webhook-id", "two"))


def test_what_is_signed_says_which_delivery_it_is() -> None:
    # Whoever repeats a signed delivery could write anything into the other header.
    assert delivered(("idempotency-key", "forged"), ("webhook-id", "signed")) == "signed"


def test_without_a_signature_the_key_for_repeats_says_which_delivery_it_is() -> None:
    assert delivered(("idempotency-key", "one")) == "one"


def test_a_version_that_gives_no_id_is_known_by_its_bytes() -> None:
    assert delivered() == delivered(("x-gitlab-event-uuid", "any"))
