"""GitLab's audit events: what their types mean, and what of their details is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail import actions
from deploytrail.kit.delivery import Delivery, fetched
from deploytrail.sources.gitlab_audit import SOURCE
from deploytrail.sources.gitlab_audit_types import SET_ASIDE, TYPES
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT

SAMPLES = Path(__file__).parent / "gitlab_audit"
PAGE = ROOT / "docs" / "sources" / "gitlab-audit.md"
UUID = "3f2c7a50-6d1b-4c8e-9a4f-0b7e5d2c1a90"


def body(name: str = "access_setting_changed") -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())["body"]
    return found


def told(said: dict[str, Any]) -> dict[str, Any]:
    (event,) = events(SOURCE, fetched(msgspec.json.encode(said), RECEIVED))
    return event


def test_each_type_means_an_action_of_the_catalogue() -> None:
    unknown = {kind for kind in TYPES.values() if actions.find(kind.partition(":")[0]) is None}
    assert unknown == set()


def test_no_type_is_both_read_and_set_aside() -> None:
    assert set(TYPES) & set(SET_ASIDE) == set()


def test_the_page_lists_each_type() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*TYPES, *SET_ASIDE) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", sorted(TYPES))
def test_each_type_becomes_what_it_means(name: str) -> None:
    action, _, outcome = TYPES[name].partition(":")
    event = told(body() | {"event_type": name})
    assert event["action"] == action
    assert event["outcome"] == (outcome or actions.outcome(action))


def test_the_header_does_not_decide_the_type() -> None:
    octets = msgspec.json.encode(body("code_protection_deleted"))
    forged = Delivery(octets, (("x-gitlab-audit-event-type", "comment_created"),), RECEIVED)
    assert [each["action"] for each in events(SOURCE, forged)] == ["code.protection.deleted"]


def test_a_type_that_is_new_is_kept_as_unrecognised() -> None:
    event = told(body() | {"event_type": "teleporter_created"})
    assert event["action"] == "integration.delivery.unrecognised"


def test_a_name_of_ours_is_no_type_of_theirs() -> None:
    event = told(body() | {"event_type": "approval.granted"})
    assert event["action"] == "integration.delivery.malformed"


def test_what_was_there_and_what_is_there_now_is_told() -> None:
    said = body("approval_rule_updated")
    said["details"] |= {"change": "reset_approvals_on_push", "from": True, "to": False}
    assert told(said)["changes"] == [
        {"path": "reset_approvals_on_push", "op": "update", "old": "true", "new": "false"}
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [("config_variable_updated", "value"), ("access_setting_changed", "smtp_password")],
)
def test_the_values_of_secrets_are_not_kept(name: str, path: str) -> None:
    said = body(name)
    said["details"] |= {"change": path, "from": "kept-nowhere", "to": "kept-nowhere"}
    event = told(said)
    assert {"path": path, "op": "update", "sensitive": True} in event["changes"]
    assert "kept-nowhere" not in str(event)


def test_what_gitlab_says_of_a_variable_is_not_kept() -> None:
    said = body("config_variable_created")
    said["details"]["custom_message"] = "Added SIZE with kept-nowhere"
    assert "kept-nowhere" not in str(told(said))


def test_a_consent_binds_to_nothing_since_nothing_is_named() -> None:
    assert told(body("approval_granted"))["approval"] == {"decision": "granted"}


ACTORS: dict[str, tuple[int, str | None, dict[str, Any]]] = {
    "a user": (7, "Alice", {"type": "user", "id": "gitlab:user/7", "name": "Alice"}),
    "a deploy token": (-2, "robot", {"type": "service", "id": "gitlab:deploy_token/robot"}),
    "a deploy key": (-3, "robot", {"type": "service", "id": "gitlab:deploy_key/robot"}),
    "another machine": (-9, "robot", {"type": "service", "id": "gitlab:runner/robot"}),
}


@pytest.mark.parametrize("who", ACTORS)
def test_who_acted_is_told_by_a_number(who: str) -> None:
    number, name, expected = ACTORS[who]
    said = body() | {"author_id": number, "author_name": name}
    said["details"]["author_class"] = "Ci::Runner"
    assert told(said)["actor"] == expected


def test_who_is_not_signed_in_is_anonymous_and_only_claimed() -> None:
    actor = told(body("identity_signed_in_failure"))["actor"]
    assert actor == {
        "type": "anonymous",
        "name": "mallory",
        "auth": {"method": "claimed", "assurance": 0},
    }


def test_a_machine_without_a_name_is_unknown() -> None:
    assert told(body() | {"author_id": -3, "author_name": None})["actor"]["type"] == "unknown"


@pytest.mark.parametrize(
    ("id_", "is_relied_on"), [(UUID, True), ("1", False), (1653461355, False), (None, False)]
)
def test_an_id_is_relied_on_only_where_no_two_events_share_it(id_: Any, is_relied_on: bool) -> None:
    event = told(body() | {"id": id_})
    assert (event["source"]["delivery"] == id_) == is_relied_on


def test_a_program_of_git_that_nobody_knows_is_named() -> None:
    said = body("git_push")
    said["details"]["custom_message"]["action"] = "git-teleport"
    event = told(said)
    assert event["action"] == "integration.delivery.malformed"
    assert "custom_message.action" in event["error"]["text"]


def test_another_visibility_is_kept_as_unrecognised() -> None:
    said = body("visibility_public")
    said["details"]["to"] = "Secret"
    assert told(said)["action"] == "integration.delivery.unrecognised"


def test_the_branch_that_is_the_default_now_is_told() -> None:
    said = body("code_default_branch_changed")
    said["details"] |= {"change": "default_branch", "from": "main", "to": "next"}
    assert told(said)["targets"] == [{"type": "branch", "name": "next"}]


def test_whose_token_it_is_is_told_beside_it() -> None:
    assert [each["type"] for each in told(body("identity_key_created"))["targets"]] == [
        "key",
        "user",
    ]


def test_a_group_that_is_invited_to_another_is_told() -> None:
    said = body("access_granted")
    said |= {"target_type": "Group", "target_id": 5, "target_details": "acme/tools"}
    event = told(said)
    assert event["targets"] == [{"type": "group", "id": "5", "name": "acme/tools"}]
    assert event["place"] == {"raw": {"account": "acme"}}
