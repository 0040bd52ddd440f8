"""What audit events of Kubernetes become, rule by rule; the samples beside this show whole ones."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import msgspec
import pytest

from deploytrail import actions
from deploytrail.kit.delivery import fetched
from deploytrail.sources.kubernetes import SOURCE
from deploytrail.sources.kubernetes_actions import action, is_own, missing
from deploytrail.testing import RECEIVED, events

POD = {"resource": "pods", "apiVersion": "v1", "namespace": "shop", "name": "web-0"}
PODS = "/api/v1/namespaces/shop/pods"


def asked(verb: str, ref: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": "a-1",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": "alice"},
        "objectRef": ref,
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-11-22T10:00:00.250000Z",
        **more,
    }


def told(body: Any) -> list[dict[str, Any]]:
    return events(SOURCE, fetched(msgspec.json.encode(body), RECEIVED))


def kind(body: Any) -> str:
    (telling,) = SOURCE.tell(fetched(msgspec.json.encode(body), RECEIVED))
    return telling.kind


@pytest.mark.parametrize(
    ("verb", "whole", "expected"),
    [
        ("create", "pods", "resource.created"),
        ("deletecollection", "pods", "resource.deleted"),
        ("patch", "clusterroles", "access.role.updated"),
        ("delete", "rolebindings", "access.binding.deleted"),
        ("update", "secrets", "secret.updated"),
        ("watch", "secrets", "secret.read"),
        ("create", "serviceaccounts", "identity.service.created"),
        ("create", "serviceaccounts/token", "identity.token.created"),
        ("create", "pods/exec", "runtime.exec.started"),
        ("get", "pods/portforward", "runtime.port.forwarded"),
        ("get", "services/proxy", "runtime.proxy.opened"),
        ("patch", "pods/ephemeralcontainers", "runtime.debug.started"),
        ("patch", "statefulsets/scale", "runtime.scaled"),
        ("create", "pods/eviction", "runtime.evicted"),
        ("update", "resourcequotas", "resource.quota.changed"),
        ("patch", "validatingadmissionpolicies", "policy.updated"),
        ("create", "jobs", "runtime.job.started"),
        ("update", "certificatesigningrequests/approval", "secret.certificate.issued"),
        ("snooze", "pods", "runtime.api.called"),
        ("get", "pods", None),
        ("list", "deployments", None),
    ],
)
def test_verb_and_resource_are_an_action(verb: str, whole: str, expected: str | None) -> None:
    resource, _, part = whole.partition("/")
    found = action(verb, resource, part, "")
    assert found == expected
    assert found is None or actions.find(found) is not None


def test_an_application_is_a_unit_only_where_argo_cd_means_it() -> None:
    assert action("create", "applications", "", "argoproj.io") == "deployment.unit.created"
    assert action("create", "applications", "", "app.k8s.io") == "resource.created"


NODE = {"username": "system:node:n1"}
CONTROLLER = {"username": "system:serviceaccount:kube-system:replicaset-controller"}
ASIDE: dict[str, tuple[dict[str, Any], str]] = {
    "it reads": (asked("list", POD), "read"),
    "it was received": (asked("create", POD, stage="RequestReceived"), "received"),
    "a watch begins": (asked("watch", POD, stage="ResponseStarted"), "started"),
    "a forward ends": (asked("get", POD | {"subresource": "portforward"}), "ended"),
    "a lease": (asked("update", {"resource": "leases"}), "heartbeat"),
    "a status": (asked("patch", POD | {"subresource": "status"}), "heartbeat"),
    "a review": (asked("create", {"resource": "subjectaccessreviews"}), "heartbeat"),
    "a controller makes pods": (asked("create", POD, user=CONTROLLER), "controller"),
    "a node reads a secret": (asked("get", {"resource": "secrets"}, user=NODE), "controller"),
    "it was only tried": (asked("delete", POD, requestURI=f"{PODS}/web-0?dryRun=All"), "dry run"),
}


@pytest.mark.parametrize("why", ASIDE)
def test_what_tells_nothing_is_set_aside(why: str) -> None:
    body, expected = ASIDE[why]
    assert kind(body) == expected
    assert expected in SOURCE.set_aside
    assert [each["action"] for each in told(body)] == ["integration.delivery.set_aside"]


def test_a_controller_that_is_denied_or_touches_a_secret_is_told() -> None:
    (denied,) = told(asked("create", POD, user=CONTROLLER, responseStatus={"code": 403}))
    (changed,) = told(asked("update", {"resource": "secrets"}, user=CONTROLLER))
    assert (denied["action"], denied["outcome"]) == ("resource.created", "denied")
    assert changed["action"] == "secret.updated"


def test_not_every_account_in_kube_system_is_the_cluster_itself() -> None:
    assert is_own("system:serviceaccount:kube-system:job-controller")
    assert is_own("system:kube-scheduler")
    assert not is_own("system:serviceaccount:kube-system:admin-user")
    assert not is_own("system:serviceaccount:shop:job-controller")
    assert not is_own("system:anonymous")
    assert not is_own("alice")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(200, "success"), (201, "success"), (401, "denied"), (403, "denied"), (409, "failure")],
)
def test_the_code_is_the_outcome(code: int, outcome: str) -> None:
    (event,) = told(asked("create", POD, responseStatus={"code": code}))
    assert event["outcome"] == outcome
    assert ("error" in event) == (code >= 400)


def test_a_session_that_was_denied_never_began() -> None:
    for part, name in (("exec", "runtime.exec.started"), ("attach", "runtime.attached")):
        body = asked("create", POD | {"subresource": part}, responseStatus={"code": 403})
        (event,) = told(body)
        assert (event["action"], event["outcome"]) == (name, "denied")


WHERE: dict[str, tuple[str, tuple[str, str, str], str | None]] = {
    "all is said": (f"{PODS}/web-0/exec", ("pods", "exec", ""), None),
    "the part is not": (f"{PODS}/web-0/exec", ("pods", "", ""), "objectRef.subresource"),
    "the resource is not": (PODS, ("", "", ""), "objectRef.resource"),
    "the group is not": (
        "/apis/apps/v1/deployments",
        ("deployments", "", ""),
        "objectRef.apiGroup",
    ),
    "a namespace itself": ("/api/v1/namespaces/shop", ("namespaces", "", ""), None),
    "a namespace's status": ("/api/v1/namespaces/shop/status", ("namespaces", "status", ""), None),
    "of no namespace": ("/api/v1/nodes/n1/status", ("nodes", "status", ""), None),
    "no resource": ("/healthz", ("", "", ""), None),
    "what there is": ("/apis/apps/v1", ("", "", ""), None),
    "nothing": ("", ("", "", ""), None),
}


@pytest.mark.parametrize("why", WHERE)
def test_a_reference_that_lacks_what_its_path_says_is_refused(why: str) -> None:
    uri, said, expected = WHERE[why]
    assert missing(uri, *said) == expected


def test_an_impersonator_stands_behind_whom_it_impersonates() -> None:
    (event,) = told(asked("delete", POD, impersonatedUser={"username": "bob"}))
    assert event["actor"]["id"] == "kubernetes:bob"
    assert event["actor"]["auth"] == {"method": "impersonated", "assurance": 0}
    assert event["on_behalf_of"] == {
        "type": "user",
        "id": "kubernetes:alice",
        "name": "alice",
    }


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("alice", "user"),
        ("system:admin", "user"),
        ("system:serviceaccount:shop:web", "service"),
        ("system:node:n1", "system"),
        ("system:anonymous", "anonymous"),
        ("", "anonymous"),
    ],
)
def test_a_user_is_an_actor(name: str, type_: str) -> None:
    (event,) = told(asked("delete", POD, user={"username": name}, responseStatus={"code": 403}))
    assert event["actor"]["type"] == type_


def test_nothing_in_a_secret_or_a_setting_is_read() -> None:
    hidden = "-".join(("not", "to", "be", "seen"))
    content = {"metadata": {"name": "db"}, "data": {"a": hidden}, "spec": {"x": hidden}}
    for resource in ("secrets", "configmaps"):
        body = asked("create", {"resource": resource}, requestObject=content)
        (event,) = told(body | {"responseObject": content})
        assert event["targets"] == [{"type": resource, "id": "db"}]
        assert hidden not in str(event)


def test_of_a_workload_only_images_and_replicas_are_kept() -> None:
    hidden = "-".join(("not", "to", "be", "seen"))
    digest = f"sha256:{'ab' * 32}"
    inner = {"containers": [{"image": f"acme/web@{digest}", "env": [{"value": hidden}]}]}
    content = {"spec": {"replicas": 3, "template": {"spec": inner}}}
    ref = {"resource": "deployments", "apiGroup": "apps", "namespace": "shop", "name": "web"}
    (event,) = told(asked("update", ref, requestObject=content))
    assert event["targets"][1] == {"type": "image", "id": "acme/web", "digest": digest}
    assert event["links"]["artifact"] == digest
    assert event["changes"] == [{"path": "spec.replicas", "op": "update", "new": "3"}]
    assert hidden not in str(event)


@pytest.mark.parametrize("content", ["x", 1, [{"op": "add"}], {"spec": "x"}, {"metadata": []}])
def test_an_object_of_any_other_shape_tells_nothing_and_does_no_harm(content: Any) -> None:
    (event,) = told(asked("patch", POD, requestObject=content))
    assert event["targets"] == [{"type": "pods", "id": "shop/web-0"}]


def test_a_stage_has_an_id_of_its_own() -> None:
    exec_ = POD | {"subresource": "exec"}
    items = [
        asked("create", exec_, stage="ResponseStarted", responseStatus={"code": 101}),
        asked("create", exec_, responseStatus={"code": 101}),
    ]
    found = told({"kind": "EventList", "items": items})
    assert [each["action"] for each in found] == ["runtime.exec.started", "runtime.exec.ended"]
    assert len({each["source"]["delivery"] for each in found}) == 2


def test_who_asks_chooses_the_audit_id_and_nothing_by_it() -> None:
    items = [asked("delete", POD), asked("delete", POD | {"name": "web-1"})]
    found = told({"kind": "EventList", "items": items})
    assert len({each["source"]["delivery"] for each in found}) == 2


@pytest.mark.parametrize("uri", ["//[x", "//[x?dryRun=None", "/api?x=dryRun=All"])
def test_an_address_of_any_shape_is_borne(uri: str) -> None:
    (event,) = told(asked("delete", POD, requestURI=uri))
    assert event["action"] == "resource.deleted"


def test_what_refused_an_object_is_named() -> None:
    text = "ValidatingAdmissionPolicy 'signed' with binding 'all' denied request: not signed"
    status = {"code": 422, "message": text}
    (event,) = told(asked("create", POD, responseStatus=status))
    assert event["policy"] == {"engine": "signed", "decision": "deny"}


def test_a_list_without_events_is_refused_and_an_odd_event_spoils_none() -> None:
    (event,) = told({"kind": "EventList", "apiVersion": "audit.k8s.io/v1"})
    assert event["error"]["text"] == "body.items: is missing"
    found = told({"items": [asked("delete", POD), 7, {"verb": 1}, []]})
    assert [each["action"].rpartition(".")[2] for each in found] == ["deleted", *["malformed"] * 3]


def test_of_what_firehose_delivers_of_eks_only_audit_streams_are_read() -> None:
    def logged(stream: str, text: str) -> dict[str, str]:
        said = {
            "messageType": "DATA_MESSAGE",
            "logGroup": "/aws/eks/prod/cluster",
            "logStream": stream,
            "logEvents": [{"id": "1", "message": text}],
        }
        return {"data": base64.b64encode(gzip.compress(json.dumps(said).encode())).decode()}

    records = [
        logged("kube-apiserver-audit-0a1b", json.dumps(asked("delete", POD))),
        logged("kube-apiserver-0a1b", "I1122 10:00:00 all is well"),
        logged("kube-apiserver-audit-0a1b", "{"),
    ]
    found = told({"requestId": "r-1", "timestamp": 1, "records": records})
    assert [each["action"].rpartition(".")[2] for each in found] == [
        "deleted",
        "malformed",
        "set_aside",
    ]
    assert found[2]["targets"] == [{"type": "kind", "id": "log", "change": "1"}]
