"""What is read of the audit events of Kubernetes, and of the objects in them.

Pure. The names are those of `audit.k8s.io/v1`. Objects stay bytes until `kubernetes_object` reads a
few fields of them: a Secret's are never read. Source: Kubernetes Documentation, "kube-apiserver
Audit Configuration (v1)".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Raw, field

from deploytrail.kit.shape import Shape


class Outer(Shape, frozen=True):
    """A delivery: the list that the webhook sends, or one event."""

    items: list[Raw] | None = None
    kind: Any = None


class ObjectRef(Shape, frozen=True, rename="camel"):
    resource: str | None = None
    subresource: str | None = None
    api_group: str | None = None
    namespace: str | None = None
    name: str | None = None


class HeadRef(Shape, frozen=True, rename="camel"):
    resource: Any = None
    subresource: Any = None
    api_group: Any = None


class HeadUser(Shape, frozen=True):
    username: Any = None


class HeadStatus(Shape, frozen=True):
    code: Any = None


class Head(Shape, frozen=True, rename="camel"):
    """As much of an event as tells its kind."""

    audit_id: Any = field(name="auditID", default=None)
    stage: Any = None
    verb: Any = None
    request_uri: Any = field(name="requestURI", default=None)
    object_ref: HeadRef | None = None
    user: HeadUser | None = None
    response_status: HeadStatus | None = None
    annotations: dict[str, Any] | None = None


class User(Shape, frozen=True):
    username: str
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class Status(Shape, frozen=True):
    code: int | None = None
    reason: str | None = None
    message: str | None = None


class Audited(Shape, frozen=True, rename="camel"):
    """An event of any stage; `object_ref` is absent where the path names no resource."""

    stage: str
    verb: str
    user: User
    object_ref: ObjectRef | None = None
    response_status: Status | None = None
    impersonated_user: User | None = None
    request_uri: str | None = field(name="requestURI", default=None)
    source_ips: list[str] | None = field(name="sourceIPs", default=None)
    user_agent: str | None = None
    request_object: Raw = Raw()
    response_object: Raw = Raw()
    request_received: datetime | None = field(name="requestReceivedTimestamp", default=None)
    stage_time: datetime | None = field(name="stageTimestamp", default=None)


class Metadata(Shape, frozen=True):
    name: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Container(Shape, frozen=True):
    image: str | None = None


class PodSpec(Shape, frozen=True, rename="camel"):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class Template(Shape, frozen=True):
    spec: PodSpec | None = None


class JobSpec(Shape, frozen=True):
    template: Template | None = None


class JobTemplate(Shape, frozen=True):
    spec: JobSpec | None = None


class Spec(Shape, frozen=True, rename="camel"):
    """Of whatever holds containers: a pod, a workload, a cron job."""

    replicas: int | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    template: Template | None = None
    job_template: JobTemplate | None = None


class RoleRef(Shape, frozen=True):
    kind: str | None = None
    name: str | None = None


class Subject(Shape, frozen=True):
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class Object(Shape, frozen=True, rename="camel"):
    """Of a request or an answer, whatever it is of."""

    metadata: Metadata | None = None
    spec: Spec | None = None
    role_ref: RoleRef | None = None
    subjects: list[Subject] | None = None


class Named(Shape, frozen=True):
    """Of an object that may hold secrets: its metadata alone."""

    metadata: Metadata | None = None
