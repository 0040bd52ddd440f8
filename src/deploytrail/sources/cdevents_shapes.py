"""The parts of CDEvents that are read (https://github.com/cdevents/spec), of any version of them.

Values only. What a version has and another has not is optional; what decides is required.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from msgspec import field

from deploytrail.kit.shape import Shape

C = TypeVar("C")


class Context(Shape, frozen=True):
    id: str
    source: str
    type: str
    timestamp: datetime
    chain: str | None = field(name="chainId", default=None)


class Reference(Shape, frozen=True):
    """To a subject of another event; without a source it is of the same one."""

    id: str
    source: str | None = None


class Named(Shape, frozen=True):
    id: str
    name: str | None = None
    version: str | None = None


class Content(Shape, frozen=True, kw_only=True):
    """What any subject may say. No two of them mean different things by one word."""

    name: str | None = None
    owner: str | None = None
    uri: str | None = None
    view: str | None = field(name="viewUrl", default=None)
    pipeline: str | None = field(name="pipelineName", default=None)
    task: str | None = field(name="taskName", default=None)
    pipeline_run: Reference | None = field(name="pipelineRun", default=None)
    outcome: str | None = None
    errors: str | None = None
    reason: str | None = None
    severity: str | None = None
    description: str | None = None
    summary: str | None = None
    user: str | None = None
    creator: str | None = None
    updated_by: str | None = field(name="updatedBy", default=None)
    artifact: str | None = field(name="artifactId", default=None)
    change: Reference | None = None
    repository: Reference | None = None
    environment: Reference | None = None
    service: Reference | None = None
    test_case: Named | None = field(name="testCase", default=None)
    test_suite: Named | None = field(name="testSuite", default=None)
    output: str | None = field(name="outputType", default=None)
    ticket: str | None = field(name="ticketURI", default=None)
    requestor: str | None = None
    responder: str | None = None
    details: str | None = field(name="approvalDetailsUrl", default=None)
    resource: str | None = field(name="resourceTargetUrl", default=None)


class Tested(Content, frozen=True, kw_only=True):
    outcome: str


class Decided(Content, frozen=True, kw_only=True):
    decision: str


class Settled(Content, frozen=True, kw_only=True):
    status: str


class Subject(Shape, Generic[C], frozen=True):
    id: str
    content: C
    source: str | None = None


class Event(Shape, Generic[C], frozen=True):
    context: Context
    subject: Subject[C]
