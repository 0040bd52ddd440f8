"""How builds, deployments and stacks of AWS went on and ended, as EventBridge tells."""

from __future__ import annotations

from typing import Any

import msgspec

from deploytrail import actions
from deploytrail.kit.delivery import fetched
from deploytrail.sources import cloudtrail_states
from deploytrail.sources.cloudtrail import SOURCE
from deploytrail.testing import RECEIVED, events

ACCOUNT = "111122223333"


def told(body: Any) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))


def state(kind: str, **detail: Any) -> dict[str, Any]:
    return {
        "id": "e-1",
        "detail-type": kind,
        "account": ACCOUNT,
        "region": "eu-central-1",
        "time": "2026-11-22T10:00:00Z",
        "detail": detail,
    }


def test_every_state_is_an_action_of_the_catalogue_that_its_outcome_fits() -> None:
    tables = (
        *(cloudtrail_states._PIPELINE, cloudtrail_states._CONSENT, cloudtrail_states._BUILD),
        cloudtrail_states._STEP,
        *(cloudtrail_states._CODEDEPLOY, cloudtrail_states._SERVICE, cloudtrail_states._STACK),
    )
    for action, outcome in (meant for table in tables for meant in table.values()):
        assert actions.find(action) is not None, action
        actions.check_outcome(action, outcome or actions.outcome(action))


def test_a_state_that_aws_adds_some_day_is_told_and_not_guessed() -> None:
    body = state(
        "CodeDeploy Deployment State-change Notification",
        state="MAYBE",
        application="shop",
        deploymentId="d-1",
    )
    (event,) = told(body)
    assert event["action"] == "integration.delivery.malformed"
    assert event["error"]["text"].startswith("body.detail.state: expected a state")
    assert event["source"]["delivery"] == "e-1"


def test_a_deployment_that_ends_names_the_run_that_its_call_began() -> None:
    call = {
        "eventTime": "2026-11-22T10:00:00Z",
        "eventSource": "codedeploy.amazonaws.com",
        "eventName": "CreateDeployment",
        "userIdentity": {"type": "IAMUser", "userName": "alice"},
        "recipientAccountId": ACCOUNT,
        "awsRegion": "eu-central-1",
        "requestParameters": {"applicationName": "shop"},
        "responseElements": {"deploymentId": "d-1"},
    }
    (began,) = told(call)
    (ended,) = told(
        state(
            "CodeDeploy Deployment State-change Notification",
            state="FAILURE",
            application="shop",
            deploymentId="d-1",
        )
    )
    assert (began["action"], ended["action"]) == ("deployment.started", "deployment.failed")
    assert began["links"]["run"] == ended["links"]["run"]
    assert began["place"]["raw"] == ended["place"]["raw"]


def test_what_a_state_repeats_is_set_aside() -> None:
    (event,) = told(state("CodeBuild Build Phase Change"))
    assert event["action"] == "integration.delivery.set_aside"


def test_an_approval_is_answered_by_the_name_under_which_it_was_requested() -> None:
    names = {"pipeline": "shop", "stage": "prod", "action": "consent", "execution-id": "x-1"}
    kind = "CodePipeline Action Execution State Change"
    (requested,) = told(state(kind, **names, state="STARTED", type={"category": "Approval"}))
    asked = {
        "pipelineName": "shop",
        "stageName": "prod",
        "actionName": "consent",
        "result": {"status": "Approved"},
    }
    (granted,) = told(
        {
            "eventTime": "2026-11-22T10:00:00Z",
            "eventSource": "codepipeline.amazonaws.com",
            "eventName": "PutApprovalResult",
            "userIdentity": {"type": "IAMUser", "userName": "bob"},
            "requestParameters": asked,
        }
    )
    assert (requested["action"], granted["action"]) == ("approval.requested", "approval.granted")
    assert requested["approval"]["request"] == granted["approval"]["request"]
