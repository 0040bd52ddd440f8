"""What CloudTrail's events become, call by call; the samples beside this show whole ones."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import msgspec
import pytest

from deploytrail import actions
from deploytrail.kit.delivery import fetched
from deploytrail.sources import cloudtrail_actions
from deploytrail.sources.cloudtrail import SOURCE, is_denied
from deploytrail.sources.cloudtrail_actions import meaning
from deploytrail.sources.cloudtrail_actor import work_of_session, work_of_subject
from deploytrail.testing import RECEIVED, events

ACCOUNT = "111122223333"
ALICE = {"type": "IAMUser", "accountId": ACCOUNT, "userName": "alice"}


def call(source: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "eventTime": "2026-11-22T10:00:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "userIdentity": ALICE,
        "readOnly": False,
        "recipientAccountId": ACCOUNT,
        **more,
    }


def role(name: str, session: str, **context: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "accountId": ACCOUNT,
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        "sessionContext": {"sessionIssuer": {"userName": name}, **context},
    }


def told(body: Any) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))


def kind(body: Any) -> str:
    (telling,) = SOURCE.tell(fetched(msgspec.json.encode(body), RECEIVED))
    return telling.kind


def test_every_action_of_the_table_is_in_the_catalogue() -> None:
    tables = (cloudtrail_actions._CALLS, cloudtrail_actions._FIRST_WORDS)
    assert [name for table in tables for name in table if actions.find(name) is None] == []


def test_no_call_is_two_actions() -> None:
    calls = [one for row in cloudtrail_actions._CALLS.values() for one in row.split()]
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("CreateWidget", "resource.created"),
        ("DeleteWidget", "resource.deleted"),
        ("PutWidget", "resource.updated"),
        ("EnableWidget", "resource.enabled"),
        ("UntagResource", "resource.tagged"),
        ("RestoreWidgetFromBackup", "resource.restored"),
        ("snooze", "resource.updated"),
        ("CreateWidget2020_05_31", "resource.created"),
    ],
)
def test_a_call_that_no_table_names_is_told_by_its_first_word(name: str, action: str) -> None:
    assert meaning("acme.amazonaws.com", name).action == action


def test_the_version_in_a_name_does_not_count() -> None:
    found = meaning("lambda.amazonaws.com", "UpdateFunctionCode20150331v2")
    assert found.call == "lambda:UpdateFunctionCode"
    assert found.action == "deployment.succeeded"


ASIDE: dict[str, tuple[dict[str, Any], str]] = {
    "it reads": (call("ec2", "DescribeVpcs", readOnly=True), "read"),
    "its name reads, and nobody says whether it does": (
        call("ec2", "DescribeVpcs", readOnly=None),
        "read",
    ),
    "it reads what is not there": (
        call("s3", "GetBucketPolicy", readOnly=True, errorCode="NoSuchBucketPolicy"),
        "read",
    ),
    "an agent reports": (call("ssm", "UpdateInstanceInformation"), "heartbeat"),
    "a key is used": (call("kms", "GenerateDataKey", readOnly=True), "use"),
    "a service decrypts for somebody": (
        call("kms", "Decrypt", userIdentity=ALICE | {"invokedBy": "s3.amazonaws.com"}),
        "service",
    ),
    "a service takes up its role": (
        call("sts", "AssumeRole", userIdentity={"type": "AWSService"}),
        "service",
    ),
    "a notice of S3": ({"Records": [{"eventSource": "aws:s3", "eventName": "x"}]}, "notification"),
    "a notice of SNS": ({"Records": [{"EventSource": "aws:sns"}]}, "notification"),
    "a digest": ({"digestS3Object": "AWSLogs/x.json.gz"}, "digest"),
}


@pytest.mark.parametrize("why", ASIDE)
def test_what_tells_nothing_is_set_aside(why: str) -> None:
    body, expected = ASIDE[why]
    assert kind(body) == expected
    assert expected in SOURCE.set_aside
    (event,) = told(body)
    assert event["action"] == "integration.delivery.set_aside"


def test_a_decryption_that_somebody_asked_for_is_told() -> None:
    (event,) = told(call("kms", "Decrypt", readOnly=True))
    assert event["action"] == "secret.read"


@pytest.mark.parametrize(
    ("decrypts", "action"),
    [(True, "secret.read"), (False, "config.read"), (None, "config.read")],
)
def test_a_parameter_is_a_secret_where_it_was_decrypted(decrypts: bool | None, action: str) -> None:
    asked = {"name": "/shop/db", "withDecryption": decrypts}
    (event,) = told(call("ssm", "GetParameter", readOnly=True, requestParameters=asked))
    assert event["action"] == action
    assert event["targets"] == [{"type": "ssm:parameter", "id": "/shop/db"}]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AccessDenied", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("AccessDeniedException", "denied"),
        ("VpceAccessDenied", "denied"),
        ("ThrottlingException", "failure"),
        ("Client.InvalidParameterValue", "failure"),
    ],
)
def test_an_error_is_denied_or_a_failure(code: str, outcome: str) -> None:
    (event,) = told(call("ec2", "RunInstances", errorCode=code))
    assert (event["action"], event["outcome"]) == ("resource.created", outcome)
    assert is_denied(code) == (outcome == "denied")


def test_a_deployment_that_went_wrong_did_not_succeed() -> None:
    (event,) = told(call("lambda", "UpdateFunctionCode", errorCode="AccessDenied"))
    assert (event["action"], event["outcome"]) == ("deployment.failed", "denied")


def test_a_message_without_a_code_is_refused() -> None:
    (event,) = told(call("ec2", "RunInstances", errorMessage="no"))
    assert event["error"]["text"] == "body.errorCode: is missing"


def test_a_name_that_may_be_a_password_names_nobody() -> None:
    body = call(
        "signin",
        "ConsoleLogin",
        userIdentity={"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        responseElements={"ConsoleLogin": "Failure"},
        errorMessage="No username found in supplied account",
    )
    (event,) = told(body)
    assert event["actor"]["type"] == "unknown"
    assert event["outcome"] == "failure"


def test_all_that_the_root_account_does_is_told_as_such() -> None:
    root = {"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}
    found = told(call("s3", "DeleteBucket", userIdentity=root, errorCode="AccessDenied"))
    assert [(each["action"], each["outcome"]) for each in found] == [
        ("resource.deleted", "denied"),
        ("identity.root.used", "denied"),
    ]


def test_what_a_service_does_for_the_root_account_is_not_the_root_account() -> None:
    root = {"type": "Root", "accountId": ACCOUNT, "invokedBy": "cloudformation.amazonaws.com"}
    found = told(call("s3", "DeleteBucket", userIdentity=root))
    assert [each["action"] for each in found] == ["resource.deleted"]


ACTORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a user of IAM": (ALICE, "user", f"aws:{ACCOUNT}:user/alice"),
    "a role": (role("release", "ci"), "service", f"aws:{ACCOUNT}:role/release"),
    "a role without its issuer": (
        {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/release/ci"},
        "service",
        f"aws:{ACCOUNT}:role/release",
    ),
    "a person of Identity Center": (
        role("AWSReservedSSO_Admin_0", "bob"),
        "user",
        f"aws:{ACCOUNT}:sso/bob",
    ),
    "a role of AWS": (role("AWSServiceRoleForEKS", "x"), "system", f"aws:{ACCOUNT}:role/"),
    "AWS itself": (
        {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
        "system",
        "aws:ec2.amazonaws.com",
    ),
    "another account": (
        {"type": "AWSAccount", "accountId": "444455556666"},
        "unknown",
        "aws:444455556666",
    ),
    "a person by SAML": (
        {"type": "SAMLUser", "userName": "carol"},
        "user",
        f"aws:{ACCOUNT}:saml/carol",
    ),
    "a kind that comes some day": (
        {"type": "Robot", "userName": "r2"},
        "unknown",
        f"aws:{ACCOUNT}:r2",
    ),
}


@pytest.mark.parametrize("who", ACTORS)
def test_an_identity_is_an_actor(who: str) -> None:
    identity, type_, id_ = ACTORS[who]
    (event,) = told(call("s3", "DeleteBucket", userIdentity=identity))
    assert event["actor"]["type"] == type_
    assert event["actor"]["id"].startswith(id_)


def test_a_source_identity_stands_behind_a_role_and_a_session_only_claims() -> None:
    carol = "carol@example.com"
    (sure,) = told(
        call("s3", "DeleteBucket", userIdentity=role("release", carol, sourceIdentity="alice"))
    )
    (claimed,) = told(call("s3", "DeleteBucket", userIdentity=role("release", carol)))
    assert sure["on_behalf_of"]["id"] == f"aws:{ACCOUNT}:source/alice"
    assert "auth" not in sure["on_behalf_of"]
    assert claimed["on_behalf_of"]["name"] == carol
    assert claimed["on_behalf_of"]["auth"] == {"method": "claimed", "assurance": 0}


def test_a_session_has_the_same_trace_as_its_begin() -> None:
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/release/ci"
    (begin,) = told(
        call("sts", "AssumeRole", responseElements={"assumedRoleUser": {"arn": session}})
    )
    (later,) = told(call("s3", "DeleteBucket", userIdentity=role("release", "ci")))
    (other,) = told(call("s3", "DeleteBucket", userIdentity=role("release", "cd")))
    assert begin["links"]["trace"] == later["links"]["trace"]
    assert begin["links"]["trace"] != other["links"]["trace"]


@pytest.mark.parametrize(
    ("session", "run"),
    [
        ("github=acme=infra=712", "github:acme/infra/actions/runs/712"),
        ("gitlab=acme=web=shop=34", "gitlab:acme/web/shop/pipelines/34"),
        ("run-Abc123Def456Gh78", "hcp_terraform:run-Abc123Def456Gh78"),
        ("terraform-run-Abc123Def456Gh78", "hcp_terraform:run-Abc123Def456Gh78"),
        ("GitHubActions", None),
        ("github=acme=infra=x", None),
        ("gitlab=34", None),
        ("alice", None),
        ("", None),
    ],
)
def test_a_session_may_name_its_run(session: str, run: str | None) -> None:
    assert work_of_session(session).run == run


def test_the_subject_of_a_token_tells_repository_and_environment() -> None:
    assert work_of_subject("repo:acme/infra:environment:prod")[1:4] == ("acme/infra", None, "prod")
    found = work_of_subject("repo:acme@12/infra@34:ref:refs/heads/main")
    assert found[1:3] == ("acme/infra", "refs/heads/main")
    found = work_of_subject("project_path:acme/web/shop:ref_type:branch:ref:main")
    assert found[1:3] == ("acme/web/shop", "main")
    found = work_of_subject("organization:acme:project:p:workspace:prod:run_phase:apply")
    assert found.workspace == "acme/prod"
    assert work_of_subject("alice") == work_of_subject("")


def test_nothing_of_a_request_is_kept_but_names_that_are_listed() -> None:
    hidden = "-".join(("not", "to", "be", "seen"))
    asked = {
        "functionName": "shop",
        "environment": {"variables": {"A": hidden}},
        "masterUserPassword": hidden,
        "policyDocument": hidden,
        "description": hidden,
        "memorySize": 512,
        "runtime": {"nested": hidden},
    }
    (event,) = told(call("lambda", "UpdateFunctionConfiguration", requestParameters=asked))
    assert hidden not in str(event)
    assert event["changes"] == [{"path": "memorySize", "op": "update", "new": "512"}]


def test_a_request_of_any_other_shape_tells_nothing_and_does_no_harm() -> None:
    for asked in ("HIDDEN_DUE_TO_SECURITY_REASONS", ["a"], 1, None):
        (event,) = told(call("lambda", "UpdateFunctionConfiguration", requestParameters=asked))
        assert event["action"] == "config.updated"
        assert "targets" not in event


def test_one_odd_event_spoils_no_file() -> None:
    found = told({"Records": [call("s3", "CreateBucket"), {"eventSource": 1}, 7, [], "x"]})
    assert [each["action"].rpartition(".")[2] for each in found] == ["created", *["malformed"] * 4]


def test_events_may_come_as_an_array() -> None:
    found = told([call("s3", "CreateBucket", eventID="1"), call("s3", "DeleteBucket", eventID="2")])
    assert [each["action"] for each in found] == ["resource.created", "resource.deleted"]
    assert [each["source"]["delivery"] for each in found] == ["1", "2"]


def test_what_else_eventbridge_sends_is_unrecognised_by_its_name() -> None:
    (event,) = told({"detail-type": "EC2 Spot Instance Interruption Warning", "detail": {}})
    assert event["action"] == "integration.delivery.unrecognised"
    assert event["targets"] == [{"type": "kind", "id": "EC2 Spot Instance Interruption Warning"}]


def test_a_time_without_a_zone_is_utc() -> None:
    (event,) = told(call("s3", "CreateBucket", eventTime="2026-11-22 10:00:00"))
    assert event["time"] == "2026-11-22T10:00:00Z"


def test_an_image_is_known_by_its_digest() -> None:
    digest = f"sha256:{'ab' * 32}"
    (event,) = told(
        call(
            "ecr",
            "PutImage",
            requestParameters={"repositoryName": "acme/shop", "imageTag": "1"},
            responseElements={"image": {"imageId": {"imageDigest": digest}}},
        )
    )
    assert event["artifact"]["digest"] == digest


def test_who_started_a_workflow_is_claimed_by_the_tags_of_its_session() -> None:
    tags = [{"key": "GitHub", "value": "Actions"}, {"key": "Actor", "value": "alice"}]
    (event,) = told(call("sts", "AssumeRole", requestParameters={"tags": tags}))
    assert event["on_behalf_of"]["id"] == "github:alice"
    assert event["on_behalf_of"]["auth"]["assurance"] == 0
    (event,) = told(call("sts", "AssumeRole", requestParameters={"tags": tags[1:]}))
    assert "on_behalf_of" not in event


def firehose(*bodies: bytes) -> dict[str, Any]:
    data = [{"data": base64.b64encode(body).decode()} for body in bodies]
    return {"requestId": "r-1", "timestamp": 1, "records": data}


def test_what_firehose_delivers_is_read_and_one_odd_body_spoils_none() -> None:
    logged = {
        "messageType": "DATA_MESSAGE",
        "logGroup": "trail",
        "logStream": "s",
        "logEvents": [{"id": "1", "message": json.dumps(call("s3", "CreateBucket"))}],
    }
    bus = {"detail-type": "AWS API Call via CloudTrail", "detail": call("s3", "DeleteBucket")}
    found = told(
        firehose(gzip.compress(json.dumps(logged).encode()), b"no json", json.dumps(bus).encode())
    )
    assert [each["action"] for each in found] == [
        "resource.created",
        "integration.delivery.malformed",
        "resource.deleted",
    ]


def test_a_broken_line_spoils_no_other() -> None:
    lines = [json.dumps(call("s3", "CreateBucket")), "{", json.dumps(call("s3", "DeleteBucket"))]
    found = events(SOURCE, fetched("\n".join(lines).encode(), RECEIVED))
    assert [each["action"].rpartition(".")[2] for each in found] == [
        "created",
        "malformed",
        "deleted",
    ]
