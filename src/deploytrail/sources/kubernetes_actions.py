"""What a request to Kubernetes means: its action, or why nothing is told of it.

Data only, and its look-up. Verbs and resources are those of Kubernetes' API; those of Argo CD and
Flux stand by their own names. What no table names is a resource that was created, updated, deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

READS: Final = frozenset({"get", "list", "watch", "head", "options", "propfind", "proxy"})
_WRITES: Final[Mapping[str, str]] = {
    "create": "created",
    "post": "created",
    "update": "updated",
    "put": "updated",
    "patch": "updated",
    "apply": "updated",
    "delete": "deleted",
    "deletecollection": "deleted",
}
_OBJECTS: Final[Mapping[str, str]] = {
    "secrets": "secret",
    "configmaps": "config",
    "roles": "access.role",
    "clusterroles": "access.role",
    "rolebindings": "access.binding",
    "clusterrolebindings": "access.binding",
    "networkpolicies": "access.policy",
    "serviceaccounts": "identity.service",
    "mutatingwebhookconfigurations": "policy",
    "validatingwebhookconfigurations": "policy",
    "mutatingadmissionpolicies": "policy",
    "mutatingadmissionpolicybindings": "policy",
    "validatingadmissionpolicies": "policy",
    "validatingadmissionpolicybindings": "policy",
    "applications": "deployment.unit",
    "applicationsets": "deployment.unit",
    "kustomizations": "deployment.unit",
    "helmreleases": "deployment.unit",
}
"""Of resources, what stands before `created`, `updated` and `deleted`."""
_GROUPS: Final[Mapping[str, str]] = {
    "applications": "argoproj.io",
    "applicationsets": "argoproj.io",
    "kustomizations": "kustomize.toolkit.fluxcd.io",
    "helmreleases": "helm.toolkit.fluxcd.io",
}
"""Of names that others use, too, the group where they mean this."""
_SPECIAL: Final[Mapping[str, str]] = {
    "create jobs": "runtime.job.started",
    "create nodes": "runtime.node.added",
    "delete nodes": "runtime.node.removed",
    "create certificatesigningrequests": "access.requested",
    "update certificatesigningrequests/approval": "secret.certificate.issued",
    "patch certificatesigningrequests/approval": "secret.certificate.issued",
    "create serviceaccounts/token": "identity.token.created",
    "create pods/eviction": "runtime.evicted",
    "patch pods/ephemeralcontainers": "runtime.debug.started",
    "update pods/ephemeralcontainers": "runtime.debug.started",
    "get secrets": "secret.read",
    "list secrets": "secret.read",
    "watch secrets": "secret.read",
    "get configmaps": "config.read",
    "list configmaps": "config.read",
    "get pods/log": "runtime.log.read",
    **{
        f"{verb} {resource}": "resource.quota.changed"
        for verb in ("create", "update", "patch", "delete", "deletecollection")
        for resource in ("resourcequotas", "limitranges")
    },
}
SESSIONS: Final[Mapping[str, str]] = {
    "exec": "runtime.exec.started",
    "attach": "runtime.attached",
    "portforward": "runtime.port.forwarded",
    "proxy": "runtime.proxy.opened",
}
"""Of what lasts: the action once the answer starts."""
_HEARTBEATS: Final = frozenset(
    (
        *("leases", "events", "endpoints", "endpointslices", "controllerrevisions"),
        *("tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews"),
        *("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"),
        *("bindings", "podmetrics", "nodemetrics", "csinodes", "csistoragecapacities"),
    )
)
_HEARTBEAT_PARTS: Final = frozenset({"status", "binding", "finalize", "finalizers"})
_CHATTY: Final = frozenset({"secret.read", "config.read", "runtime.log.read", "access.requested"})
"""What the cluster's own parts do all the time."""
_OWN_FAMILIES: Final = ("resource.", "config.", "runtime.job.", "runtime.node.", "identity.token.")
"""What the cluster does by itself to reach what somebody asked for."""


def action(verb: str, resource: str, subresource: str, group: str) -> str | None:
    """None where it only reads, of nothing sensitive."""
    if subresource in SESSIONS:
        return SESSIONS[subresource]
    if subresource == "scale" and verb not in READS:
        return "runtime.scaled"
    whole = f"{resource}/{subresource}" if subresource else resource
    found = _SPECIAL.get(f"{verb} {whole}")
    if found is not None:
        return found
    if verb in READS:
        return None
    how = _WRITES.get(verb)
    if how is None or not resource:
        return "runtime.api.called"
    if subresource:
        return "resource.updated"
    is_meant = _GROUPS.get(resource, group) == group
    return f"{_OBJECTS.get(resource, 'resource') if is_meant else 'resource'}.{how}"


def missing(uri: str, resource: str, subresource: str, group: str) -> str | None:
    """What the path of a request names and `objectRef` doesn't; None where both say the same.

    Without it an exec into a pod would read as the creation of one.
    """
    parts = uri.partition("?")[0].strip("/").split("/")
    if parts[0] == "api":
        is_grouped, rest = False, parts[2:]
    elif parts[0] == "apis":
        is_grouped, rest = True, parts[3:]
    else:
        return None
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in _HEARTBEAT_PARTS:
        rest = rest[2:]
    if not rest:
        return None
    if not resource:
        return "objectRef.resource"
    if is_grouped and not group:
        return "objectRef.apiGroup"
    return "objectRef.subresource" if len(rest) > 2 and not subresource else None


_HEARTBEAT_GROUPS: Final = frozenset(
    {
        *("", "apps", "metrics.k8s.io", "storage.k8s.io", "authentication.k8s.io"),
        *("authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
    }
)
"""Anybody may define resources of the same names in groups of his own."""


def is_heartbeat(resource: str, subresource: str, group: str) -> bool:
    """Whether it is how a cluster tells itself that it lives."""
    is_one = resource in _HEARTBEATS and group in _HEARTBEAT_GROUPS
    return is_one or subresource in _HEARTBEAT_PARTS


def is_own(username: str) -> bool:
    """Whether it is a part of the cluster itself: a controller, the scheduler, a node.

    Not every account in kube-system is: people put their own tools there, and so do intruders.
    """
    if not username.startswith("system:serviceaccount:"):
        return username.startswith(_OWN)
    space, _, name = username.removeprefix("system:serviceaccount:").partition(":")
    if space != "kube-system":
        return space == "argocd" and name == "argocd-application-controller"
    return name.endswith("-controller") or name in _OWN_ACCOUNTS


_OWN: Final = (
    *("system:kube-", "system:node:", "system:apiserver", "system:cloud-controller-manager"),
    *("system:volume-scheduler", "eks:"),
)
"""How the names of users begin that are parts of a cluster; `eks:` are those of Amazon."""
_OWN_ACCOUNTS: Final = frozenset(
    (
        *("generic-garbage-collector", "pod-garbage-collector", "horizontal-pod-autoscaler"),
        *("root-ca-cert-publisher", "persistent-volume-binder", "bootstrap-signer"),
        *("token-cleaner", "kube-proxy", "coredns", "metrics-server"),
    )
)
"""Of kube-controller-manager's accounts, those that don't call themselves a controller."""


def is_housekeeping(username: str, done: str) -> bool:
    """Whether a part of the cluster does what it does all the time, of nothing sensitive."""
    if not is_own(username):
        # Service accounts read settings without end; that people do is worth an entry.
        return done == "config.read" and username.startswith("system:")
    if done in _CHATTY or done.startswith(_OWN_FAMILIES):
        return True
    return done == "deployment.unit.updated"
