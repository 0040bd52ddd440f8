"""What a call acted on, and what it changed: a few names of its request and its answer.

Pure. Names are listed here or not read at all: requests hold passwords, policies and whole
programs, and answers hold credentials. A change is a scalar under a name that can't be a secret's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from deploytrail.event import Change, Target
from deploytrail.sources.cloudtrail_shape import Call, Resource

Parameters = dict[str, Raw]

_TARGETS_MAX: Final = 64
_VALUE_BYTES_MAX: Final = 1_024
_CHANGED_BYTES_MAX: Final = 256

_NOUNS: Final = {
    noun: name
    for name, nouns in (
        ("user", "userName"),
        ("group", "groupName"),
        ("role", "roleName roleArn"),
        ("policy", "policyName policyArn policyId"),
        ("instance-profile", "instanceProfileName"),
        ("provider", "sAMLProviderArn openIDConnectProviderArn trustAnchorId"),
        ("function", "functionName functionArn"),
        ("layer", "layerName"),
        ("bucket", "bucketName"),
        ("object", "key"),
        ("secret", "secretId"),
        ("key", "keyId"),
        ("stack", "stackName stackId"),
        ("stack-set", "stackSetName"),
        ("change-set", "changeSetName"),
        ("cluster", "clusterName cluster dBClusterIdentifier"),
        ("service", "service serviceName"),
        ("task-definition", "taskDefinition taskDefinitionArn family"),
        ("task", "task"),
        ("pipeline", "pipelineName"),
        ("project", "projectName"),
        ("application", "applicationName applicationId"),
        ("deployment-group", "deploymentGroupName"),
        ("deployment", "deploymentId"),
        ("environment", "environmentName environmentId"),
        ("repository", "repositoryName repository"),
        ("db-instance", "dBInstanceIdentifier dbInstanceIdentifier"),
        ("db-snapshot", "dBSnapshotIdentifier dBClusterSnapshotIdentifier"),
        ("instance", "instanceId"),
        ("vpc", "vpcId"),
        ("subnet", "subnetId"),
        ("security-group", "groupId"),
        ("route-table", "routeTableId"),
        ("snapshot", "snapshotId"),
        ("image", "imageId"),
        ("volume", "volumeId"),
        ("network-interface", "networkInterfaceId"),
        ("internet-gateway", "internetGatewayId"),
        ("nat-gateway", "natGatewayId"),
        ("network-acl", "networkAclId"),
        ("address", "allocationId"),
        ("auto-scaling-group", "autoScalingGroupName"),
        ("load-balancer", "loadBalancerArn loadBalancerName"),
        ("target-group", "targetGroupArn"),
        ("listener", "listenerArn"),
        ("hosted-zone", "hostedZoneId"),
        ("table", "tableName"),
        ("queue", "queueUrl queueName"),
        ("topic", "topicArn"),
        ("log-group", "logGroupName"),
        ("detector", "detectorId"),
        ("trail", "trailName"),
        ("event-data-store", "eventDataStore"),
        ("document", "documentName"),
        ("state-machine", "stateMachineArn"),
        ("job", "jobName jobDefinition"),
        ("certificate", "certificateArn"),
        ("api", "restApiId apiId"),
        ("distribution", "distributionId"),
        ("permission-set", "permissionSetArn"),
        ("account", "accountId targetId"),
        ("resource", "resourceArn resourceId resourceARN"),
        ("", "name"),
        ("mfa-device", "serialNumber"),
        ("session", "sessionId"),
        ("target", "target"),
    )
    for noun in nouns.split()
}
"""Of a name in a request, what it names. `name` alone names whatever the service has."""
_PEOPLE: Final = frozenset(
    {"iam:user", "sso-directory:user", "identitystore:user", "sts:federated-user"}
)
"""Of these the name is a person's: it stands concealed."""
_INNER_WORDS: Final = (
    "instancesSet instances vpc subnet routeTable natGateway internetGateway networkInterface "
    "securityGroup role user group policy function service cluster stack trail build"
)
_INNER: Final = frozenset(_INNER_WORDS.split())
"""Of an answer, what holds the ids of what was made."""
_HARMLESS_WORDS: Final = (
    "allocatedStorage backupRetentionPeriod cidrBlock dBInstanceClass deletionProtection "
    "deploymentConfigName desiredCapacity desiredCount disableApiTermination "
    "enableKeyRotation enableLogFileValidation enableTerminationProtection engine engineVersion "
    "forceDestroy forceNewDeployment forceDeleteWithoutRecovery imageTag "
    "includeGlobalServiceEvents "
    "instanceType isMultiRegionTrail isOrganizationTrail launchType maxSize memorySize minSize "
    "multiAZ packageType pendingWindowInDays platformVersion publiclyAccessible "
    "recoveryWindowInDays retentionInDays runtime s3BucketName setAsDefault sourceVersion status "
    "storageEncrypted taskDefinition timeout version versionLabel"
)
_HARMLESS: Final = frozenset(_HARMLESS_WORDS.split())
"""Settings whose value can be no secret."""

_decode_names: Final = msgspec.json.Decoder(Parameters).decode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode


def parameters(octets: Raw) -> Parameters:
    """The names of an object with their bytes; empty for what is no object."""
    if not bytes(octets).startswith(b"{"):
        return {}
    try:
        return _decode_names(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def text(value: Raw | None) -> str | None:
    """A text, or a number as text, of at most 1024 bytes; None for all else."""
    found = _scalar(value)
    return found if isinstance(found, str) else str(found) if isinstance(found, int) else None


def _scalar(value: Raw | None) -> Any:
    octets = bytes(value) if value is not None else b""
    if not octets or len(octets) > _VALUE_BYTES_MAX or octets[:1] in b"{[":
        return None
    try:
        return _decode_any(octets)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def targets(call: Call, service: str, asked: Parameters, answered: Parameters) -> list[Target]:
    """What was acted on: as CloudTrail lists it, else what was made, and what the request names."""
    found = [one for each in call.resources or () if (one := _listed(each)) is not None]
    if not found:
        for name, value in answered.items():
            if name in _INNER:
                found += _made(service, value)
        found += _named(service, asked)
        if not found:
            told = parameters(call.additional_event_data) | parameters(call.service_event_details)
            found += _named(service, {_OTHERS.get(name, name): told[name] for name in told})
    return list(dict.fromkeys(found[:_TARGETS_MAX]))


_OTHERS: Final = {"SecretId": "secretId"}
"""How services name things in what they tell of themselves."""


def _listed(resource: Resource) -> Target | None:
    arn = resource.listed_arn or resource.arn
    if not arn:
        return None
    words = (resource.type or "").split("::")
    # What is no type is not written in another case: a mask would not know what it was.
    if len(words) == 3 and all(re.fullmatch("[A-Za-z0-9]{1,30}", word) for word in words):
        kind = f"{words[1]}:{words[2]}".lower()
    else:
        kind = _kind_of(arn)
    return _target(kind, arn)


def _kind_of(arn: str) -> str:
    """As far as an ARN says: `arn:aws:rds:eu-west-1:123456789012:cluster:shop` is a rds:cluster."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not _is_noun(parts[2]):
        return "aws:resource"
    noun = parts[5].partition("/")[0].partition(":")[0]
    is_told = noun != parts[5] and _is_noun(noun)
    return f"{parts[2]}:{noun}" if is_told else f"{parts[2]}:{_NAMED.get(parts[2], 'resource')}"


_is_noun: Final = re.compile(r"[a-z0-9-]{1,24}").fullmatch
_NAMED: Final = {
    "acm": "certificate",
    "cloudtrail": "trail",
    "codebuild": "project",
    "codepipeline": "pipeline",
    "eks": "cluster",
    "lambda": "function",
    "s3": "bucket",
    "secretsmanager": "secret",
    "ssm": "parameter",
    "sts": "federated-user",
}
"""Of a service, what `name` names in its requests."""


def _target(kind: str, value: str) -> Target:
    is_person = kind in _PEOPLE or ":user/" in value or ":assumed-role/" in value
    return Target(type=kind, name=value) if is_person else Target(type=kind, id=value)


def _named(service: str, asked: Parameters) -> Iterator[Target]:
    for name, value in asked.items():
        noun = _NOUNS.get(name)
        said = text(value) if noun is not None else None
        if said:
            yield _target(f"{service}:{noun or _NAMED.get(service, 'resource')}", said)


def _made(service: str, value: Raw) -> Iterator[Target]:
    inner = parameters(value)
    entries = _entries(inner.get("items")) if "items" in inner else [inner]
    for one in entries[:_TARGETS_MAX]:
        yield from _named(service, {name: said for name, said in one.items() if name in _IDS})


_IDS_WORDS: Final = (
    "instanceId vpcId subnetId routeTableId natGatewayId internetGatewayId networkInterfaceId "
    "groupId functionArn stackId"
)
_IDS: Final = frozenset(_IDS_WORDS.split())


def _entries(value: Raw | None) -> list[Parameters]:
    try:
        return [parameters(each) for each in _decode_list(value or b"")]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def changes(asked: Parameters, how: Literal["add", "update"]) -> Iterator[Change]:
    """The settings of a request; what they were before, CloudTrail doesn't tell."""
    for name, value in asked.items():
        if name in _HARMLESS:
            octets = bytes(value)
            if octets[:1] not in b"{[n" and 0 < len(octets) <= _CHANGED_BYTES_MAX:
                yield Change(path=name, op=how, new=octets.decode("utf-8", "replace"))


def first(asked: Parameters, *names: str) -> str | None:
    """The first of the names that is there, as a text."""
    for name in names:
        if name in asked:
            return text(asked[name])
    return None


def tags(asked: Parameters) -> dict[str, str]:
    """The tags of a session: `[{"key", "value"}]`."""
    found = {}
    for one in _entries(asked.get("tags"))[:_TARGETS_MAX]:
        key, value = text(one.get("key")), text(one.get("value"))
        if key and value:
            found[key] = value
    return found
