"""What is read of CloudTrail's events, and of what holds them.

Pure. The names are CloudTrail's own; what a call was asked and what it answered stays bytes, of
which `cloudtrail_request` reads a few names. Source: AWS CloudTrail User Guide, "CloudTrail record
contents" and "CloudTrail userIdentity element".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Raw, field

from deploytrail.kit.shape import Shape


class Outer(Shape, frozen=True, rename="camel"):
    """The body of a delivery: a log file, one event, EventBridge's or SNS's envelope."""

    records: list[Raw] | None = field(name="Records", default=None)
    detail: Raw = Raw()
    id: Any = None
    detail_type: Any = field(name="detail-type", default=None)
    envelope: Any = field(name="Type", default=None)
    topic_arn: Any = field(name="TopicArn", default=None)
    event_version: Any = None
    event_name: Any = None
    event_time: Any = None
    digest_s3_object: Any = None


class Head(Shape, frozen=True, rename="camel"):
    """As much of an event as tells its kind. Of any type: one odd event must not spoil a file."""

    event_source: Any = None
    event_name: Any = None
    event_type: Any = None
    event_category: Any = None
    event_id: Any = field(name="eventID", default=None)
    read_only: Any = None
    error_code: Any = None
    error_message: Any = None
    user_identity: Any = None
    notified: Any = field(name="EventSource", default=None)


class Issuer(Shape, frozen=True, rename="camel"):
    arn: str | None = None
    user_name: str | None = None


class Federation(Shape, frozen=True, rename="camel"):
    federated_provider: str | None = None


class SessionAttributes(Shape, frozen=True, rename="camel"):
    mfa_authenticated: Any = None


class Session(Shape, frozen=True, rename="camel"):
    session_issuer: Issuer | None = None
    web_id_federation_data: Federation | None = None
    attributes: SessionAttributes | None = None
    source_identity: str | None = None


class Principal(Shape, frozen=True, rename="camel"):
    """A person of IAM Identity Center, for whom a role or an application acts."""

    user_id: str | None = None
    identity_store_arn: str | None = None


class Identity(Shape, frozen=True, rename="camel"):
    type: str | None = None
    principal_id: str | None = None
    arn: str | None = None
    account_id: str | None = None
    user_name: str | None = None
    invoked_by: str | None = None
    identity_provider: str | None = None
    session_context: Session | None = None
    on_behalf_of: Principal | None = None


class Resource(Shape, frozen=True, rename="camel"):
    listed_arn: str | None = field(name="ARN", default=None)
    arn: str | None = None
    type: str | None = None


class Call(Shape, frozen=True, rename="camel"):
    """An event of any type but insights."""

    event_time: datetime
    event_source: str
    event_name: str
    user_identity: Identity | None
    aws_region: str | None = None
    recipient_account_id: str | None = None
    source_address: str | None = field(name="sourceIPAddress", default=None)
    user_agent: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    request_parameters: Raw = Raw()
    response_elements: Raw = Raw()
    additional_event_data: Raw = Raw()
    service_event_details: Raw = Raw()
    resources: list[Resource] | None = None
    shared_event_id: str | None = field(name="sharedEventID", default=None)
    session_credential_from_console: Any = None


class InsightDetails(Shape, frozen=True, rename="camel"):
    state: str
    event_name: str
    event_source: str
    insight_type: str | None = None


class Insight(Shape, frozen=True, rename="camel"):
    """CloudTrail's own finding: calls came at another rate than before."""

    event_time: datetime
    insight_details: InsightDetails
    aws_region: str | None = None
    recipient_account_id: str | None = None
    shared_event_id: str | None = field(name="sharedEventID", default=None)
