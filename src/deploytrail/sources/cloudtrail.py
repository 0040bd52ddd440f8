"""AWS CloudTrail: who did what in an account of AWS, from log files, EventBridge or Firehose.

Pure. What a call means stands in `cloudtrail_actions`, who made it in `cloudtrail_actor`, on what
in `cloudtrail_request`. Source: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from deploytrail.errors import Malformed
from deploytrail.event import Actor, Client, Error, Links, Outcome, Target
from deploytrail.event import Raw as RawPlace
from deploytrail.formats.firehose import bodies, is_request
from deploytrail.kit import firehose
from deploytrail.kit.delivery import Delivery
from deploytrail.kit.documents import one_of_many, tellings
from deploytrail.kit.draft import Draft, Place
from deploytrail.kit.schemes import SCHEMES
from deploytrail.kit.source import Circumstances, Kind, Source, Telling
from deploytrail.sources.cloudtrail_actions import Meaning, meaning, service
from deploytrail.sources.cloudtrail_actor import Who, is_root, who
from deploytrail.sources.cloudtrail_bucket import POLLER
from deploytrail.sources.cloudtrail_links import (
    access_of,
    approval_of,
    artifact_of,
    links_of,
    run_of,
    tagged,
)
from deploytrail.sources.cloudtrail_request import (
    Parameters,
    changes,
    first,
    parameters,
    targets,
    text,
)
from deploytrail.sources.cloudtrail_rules import rules
from deploytrail.sources.cloudtrail_shape import Call, Head, Insight, Outer
from deploytrail.sources.cloudtrail_states import ASIDE, STATES

_TYPES: Final = frozenset(
    {None, "AwsApiCall", "AwsServiceEvent", "AwsConsoleAction", "AwsConsoleSignIn", "AwsVpceEvent"}
)
"""Of `eventType`; insights have one of their own."""
_DENIED: Final = (
    *("AccessDenied", "UnauthorizedOperation", "Unauthorized", "AuthFailure"),
    *("AuthorizationError", "NotAuthorized"),
)
"""Within `errorCode`: each service has its own word around one of these."""
_decode_head: Final = msgspec.json.Decoder(Head).decode


def tell(delivery: Delivery) -> Iterator[Telling]:
    """What Firehose delivers; else a log file, one event, an array or lines of them, or the
    envelope of EventBridge or SNS.
    """
    body = delivery.body.strip()
    if is_request(body):
        for inner in bodies(body):
            yield from one_of_many(inner.octets, Outer, _told, faulty="resource")
    else:
        yield from tellings(body, Outer, _told, one=_telling, faulty="resource")


def _told(octets: bytes, outer: Outer) -> Iterator[Telling]:
    if outer.records is not None:
        for each in outer.records:
            yield _telling(each)
    elif outer.detail_type is not None and outer.event_version is None:
        said = str(outer.detail_type)
        if not said.endswith("via CloudTrail"):
            yield Telling(said, octets, outer.id if isinstance(outer.id, str) else None)
        elif not bytes(outer.detail):
            raise Malformed("body.detail: is missing")
        else:
            yield _telling(outer.detail)
    elif bytes(outer.detail) and outer.event_version is None:
        raise Malformed("body.detail-type: is missing")
    elif outer.topic_arn is not None or outer.envelope == "Notification":
        yield Telling("notification", octets)
    elif outer.digest_s3_object is not None:
        yield Telling("digest", octets)
    elif outer.event_version is None and outer.event_name is None and outer.event_time is None:
        raise Malformed("body.Records: is missing, as is all else that holds events; send a file")
    else:
        yield _telling(octets)


def _telling(octets: Raw | bytes) -> Telling:
    try:
        head = _decode_head(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What is wrong with it is said where it is read.
        return Telling("resource", octets)
    id_ = head.event_id
    return Telling(_kind(head), octets, id_ if isinstance(id_, str) and id_ else None)


def _kind(head: Head) -> str:
    if head.event_category == "Insight" or head.event_type == "AwsCloudTrailInsight":
        return "insight"
    source, name = head.event_source, head.event_name
    if head.notified is not None or (isinstance(source, str) and source.startswith("aws:")):
        return "notification"
    if not isinstance(source, str) or not isinstance(name, str):
        return "resource"
    if not isinstance(head.event_type, str | None) or head.event_type not in _TYPES:
        return str(head.event_type)
    found = meaning(source, name)
    if found.aside is not None:
        return found.aside
    if not found.is_named and (found.reads if head.read_only is None else head.read_only is True):
        return "access" if _is_refused(head) else "read"
    if _is_housekeeping(found, head):
        return "service"
    return found.action.partition(".")[0]


def _is_refused(head: Head) -> bool:
    """Whether a reading call was denied, or failed without saying how."""
    code = head.error_code
    return is_denied(code) if isinstance(code, str) else bool(head.error_message)


def _is_housekeeping(found: Meaning, head: Head) -> bool:
    """Whether a service takes up its role, or uses a key for whoever called it."""
    identity = head.user_identity if isinstance(head.user_identity, dict) else {}
    if found.call == "sts:AssumeRole":
        return identity.get("type") == "AWSService"
    is_key = found.call in {"kms:Decrypt", "kms:CreateGrant", "kms:RetireGrant"}
    return is_key and bool(identity.get("invokedBy"))


def is_denied(code: str) -> bool:
    """Whether an `errorCode` says that the caller was not allowed to."""
    return any(word in code for word in _DENIED)


def called(call: Call, at: Circumstances) -> Iterator[Draft]:
    """One call; beside it that the root account was used, where it made the call."""
    found = meaning(call.event_source, call.event_name)
    asked, answered = parameters(call.request_parameters), parameters(call.response_elements)
    outcome = _outcome(call, answered)
    action = _action(found, asked, at.kind, outcome)
    if action is None:
        return
    someone = who(call.user_identity, call.recipient_account_id)
    some = targets(call, service(call.event_source), asked, answered)
    walls = rules(found.call, asked)
    draft = Draft(
        action=action,
        time=call.event_time.replace(tzinfo=call.event_time.tzinfo or UTC),
        actor=someone.actor,
        on_behalf_of=someone.on_behalf_of or tagged(asked),
        outcome=outcome or _pending(found),
        error=_error(call),
        client=_client(call, someone),
        trigger="human" if call.session_credential_from_console in ("true", True) else None,
        place=_place(call, someone, asked),
        targets=(*some, *_second_factor(call, found), *run_of(call, found, asked, answered)),
        severity="high" if walls.opens and outcome is None else None,
        changes=(*walls.changes, *changes(asked, _how(action))),
        links=links_of(call, found, someone, asked, answered),
        approval=approval_of(action, asked) if outcome is None else None,
        artifact=artifact_of(found, asked, answered),
        access=access_of(action, found, asked, some),
    )
    yield draft
    if is_root(call.user_identity) and action != "identity.root.used":
        yield Draft(
            action="identity.root.used",
            time=draft.time,
            actor=draft.actor,
            outcome=draft.outcome,
            error=draft.error,
            client=draft.client,
            place=draft.place,
            targets=(Target(type="call", id=found.call), *some),
            links=draft.links,
        )


def _outcome(call: Call, answered: Parameters) -> Outcome | None:
    """None where it went well. Raises Malformed where an error has no code."""
    if call.error_code:
        return "denied" if is_denied(call.error_code) else "failure"
    if call.event_name in {"ConsoleLogin", "CheckMfa", "SwitchRole"}:
        # A failed sign-in has a message and no code.
        return _signed_in(call.event_name, answered)
    if call.error_message:
        raise Malformed("body.errorCode: is missing")
    if call.event_name == "RotationFailed":
        return "failure"
    said = text(parameters(call.service_event_details).get(call.event_name))
    return "failure" if said == "Failure" else None


def _signed_in(name: str, answered: Parameters) -> Outcome | None:
    said = text(answered.get(name))
    if said not in {"Success", "Failure"}:
        raise Malformed(f"body.responseElements.{name}: expected Success or Failure; is missing")
    return "failure" if said == "Failure" else None


def _action(found: Meaning, asked: Parameters, kind: str, outcome: Outcome | None) -> str | None:
    """The action; None where nothing is to be told."""
    if kind == "access" and not found.action.startswith("access.") and not found.is_named:
        if outcome != "denied":
            raise Malformed("body.errorCode: expected one that denies, found another")
        return "access.denied"
    if found.action == "secret.read" and found.call.startswith("ssm:"):
        is_secret = text(asked.get("withDecryption")) == "True"
        return "secret.read" if is_secret else "config.read"
    if found.action == "approval.granted":
        status = text(parameters(asked.get("result", Raw())).get("status"))
        if status not in {"Approved", "Rejected"}:
            raise Malformed("body.requestParameters.result.status: expected Approved or Rejected")
        return "approval.granted" if status == "Approved" else "approval.rejected"
    if found.action == "deployment.succeeded" and outcome is not None:
        return "deployment.failed"
    return found.action


def _how(action: str) -> Literal["add", "update"]:
    return "add" if action.endswith(".created") else "update"


def _pending(found: Meaning) -> Outcome | None:
    return "pending" if found.call in _ONLY_ASKED else None


_ONLY_ASKED: Final = frozenset(
    {
        *("kms:ScheduleKeyDeletion", "organizations:CreateAccount", "cloudformation:DeleteStack"),
        *("cloudformation:DeleteStackInstances", "elasticbeanstalk:TerminateEnvironment"),
        "servicecatalog:TerminateProvisionedProduct",
    }
)


def _error(call: Call) -> Error | None:
    if not call.error_code and not call.error_message:
        return None
    return Error(code=call.error_code or None, text=call.error_message)


def _client(call: Call, someone: Who) -> Client | None:
    if not (call.source_address or call.user_agent or someone.session):
        return None
    return Client(address=call.source_address, user_agent=call.user_agent, runner=someone.session)


def _place(call: Call, someone: Who, asked: Parameters) -> Place:
    identity = call.user_identity
    account = call.recipient_account_id or (identity.account_id if identity else None)
    return Place(
        raw=RawPlace(
            account=account,
            path=call.aws_region,
            cluster=first(asked, "cluster", "clusterName"),
            application=_unit(asked),
            workspace=someone.work.workspace,
            repository=someone.work.repository,
        ),
        environment=someone.work.environment,
    )


def _unit(asked: Parameters) -> str | None:
    said = first(asked, *_UNITS)
    return said.rpartition(":")[2] if said and said.startswith("arn:") else said


_UNITS: Final = (
    "applicationName",
    "stackName",
    "stackSetName",
    "service",
    "serviceName",
    "functionName",
    "pipelineName",
    "projectName",
    "autoScalingGroupName",
)
"""Of requests, what deploys on its own."""


def _second_factor(call: Call, found: Meaning) -> tuple[Target, ...]:
    """Whether a second factor was used in a sign-in to the console."""
    if found.action != "identity.signed_in":
        return ()
    used = text(parameters(call.additional_event_data).get("MFAUsed"))
    return (Target(type="mfa", id="used" if used == "Yes" else "not used"),) if used else ()


def insight(said: Insight, _: Circumstances) -> Iterator[Draft]:
    """Calls that came at another rate, or failed more often, than before; and that it ended."""
    details = said.insight_details
    if details.state not in {"Start", "End"}:
        raise Malformed("body.insightDetails.state: expected Start or End, found another")
    call = f"{service(details.event_source)}:{details.event_name}"
    yield Draft(
        action="incident.alert.raised" if details.state == "Start" else "incident.alert.resolved",
        time=said.event_time.replace(tzinfo=said.event_time.tzinfo or UTC),
        actor=Actor(type="system", id="aws:cloudtrail.amazonaws.com"),
        place=Place(raw=RawPlace(account=said.recipient_account_id, path=said.aws_region)),
        targets=(Target(type="call", id=call, change=details.insight_type),),
        links=Links(trace=said.shared_event_id) if said.shared_event_id else None,
    )


_CALL: Final[Kind[Any]] = Kind(Call, called)
_FAMILIES: Final = (
    *("access", "approval", "build", "code", "config", "deployment", "drift", "environment"),
    *("identity", "integration", "plan", "policy", "resource", "runtime", "secret"),
)

SOURCE: Final = Source(
    name="cloudtrail",
    title="AWS CloudTrail",
    page="https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html",
    schemes=(SCHEMES["bearer"], SCHEMES["firehose-key"], SCHEMES["basic"]),
    tell=tell,
    kinds={**dict.fromkeys(_FAMILIES, _CALL), "insight": Kind(Insight, insight), **STATES},
    set_aside={
        "read": "a call that only reads, of nothing secret, and was allowed to",
        "heartbeat": "agents and services report about themselves",
        "use": "a key or a function is used, not changed",
        "service": "a service of AWS takes up its own role, or uses a key for whoever called it",
        "notification": "it names files that hold events, and tells none itself",
        "digest": "it proves files, and tells of no call",
        **ASIDE,
    },
    setup="""\
1. In CloudTrail, have a trail for management events of all regions, and of the organisation.
2. In EventBridge, create a connection: API key, name Authorization, value "Bearer {secret}".
3. Create an API destination with it: method POST, endpoint {url}.
4. On the default event bus of each region, create a rule with the API destination as its target,
   its input unchanged, and the pattern of {folder}/{name}-eventbridge-pattern.json,
   which was just written.
5. For reads of secrets, too, set the rule's state to
   ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS, as the page shows.
6. Or have the files in the bucket read as they are: deploytrail import knows them by their names.
Or have the bucket asked: --set bucket=… --set region=… --token file:/PATH, as the page shows.
Or let Amazon Data Firehose deliver, over a connection made with --credential firehose-key.
Choose one way for {name}: each would tell the same again.""",
    files=("eventbridge-pattern.json",),
    answer=firehose.answer,
    poller=POLLER,
    file_names=("*_CloudTrail_*.json*", "*_CloudTrail-Insight_*.json*"),
)
