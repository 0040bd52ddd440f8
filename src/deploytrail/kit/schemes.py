"""The schemes that there are, each as its vendor describes it.

Data only. A hexadecimal signature is lower-case in all of them: the vendors' own examples compare
it as text with what their language writes, and that is lower-case.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from deploytrail.errors import Malformed
from deploytrail.kit.credential import Scheme, Shared, Signature

_STANDARD: Final = Signature(
    header="webhook-signature",
    prefix="v1,",
    coding="base64",
    separator=" ",
    signs=("id", "time", "body"),
    joint=".",
    id_header="webhook-id",
    time_header="webhook-timestamp",
)

SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        one.name: one
        for one in (
            # X-Hub-Signature comes beside it and is SHA-1: it is not looked at.
            Scheme(
                name="github",
                page="GitHub Docs, Validating webhook deliveries",
                evidence=Signature(header="X-Hub-Signature-256", prefix="sha256="),
                form="text",
            ),
            # The same name as GitHub's SHA-1, and SHA-256 in Bitbucket Cloud and Data Center.
            Scheme(
                name="bitbucket",
                page="Atlassian Support, Manage webhooks: Secure webhooks",
                evidence=Signature(header="X-Hub-Signature", prefix="sha256="),
                form="text",
            ),
            # From GitLab 19.0 on.
            Scheme(
                name="gitlab-signing",
                page="GitLab Docs, Webhooks: signing token",
                evidence=_STANDARD,
                form="whsec",
            ),
            Scheme(
                name="gitlab-token",
                page="GitLab Docs, Webhooks: secret token",
                evidence=Shared(header="X-Gitlab-Token"),
                form="header",
            ),
            # The stream's own token: GitLab makes it, and only its API takes one that is given.
            Scheme(
                name="gitlab-audit",
                page="GitLab Docs, Audit event streaming: Verify event authenticity",
                evidence=Shared(header="X-Gitlab-Event-Streaming-Token"),
                form="header",
                is_given=True,
            ),
            Scheme(
                name="hcp-terraform",
                page="HCP Terraform, Notification Configurations API: Notification Authenticity",
                evidence=Signature(header="X-TFE-Notification-Signature", digest="sha512"),
                form="text",
            ),
            # Only v1 exists; the page asks to check the latest version alone once there are more.
            Scheme(
                name="circleci",
                page="CircleCI Docs, Outbound webhooks: Validate outbound webhooks",
                evidence=Signature(header="circleci-signature", prefix="v1=", separator=","),
                form="text",
            ),
            Scheme(
                name="standard-webhooks",
                page="Standard Webhooks specification, Verifying webhook authenticity",
                evidence=_STANDARD,
                form="whsec",
            ),
            Scheme(
                name="slack",
                page="Slack Developer Docs, Verifying requests from Slack",
                evidence=Signature(
                    header="X-Slack-Signature",
                    prefix="v0=",
                    signs=("v0", "time", "body"),
                    joint=":",
                    time_header="X-Slack-Request-Timestamp",
                ),
                form="text",
                is_given=True,
            ),
            Scheme(
                name="buildkite-signature",
                page="Buildkite Docs, Pipelines webhooks: Webhook signature",
                evidence=Signature(
                    header="X-Buildkite-Signature",
                    prefix="signature=",
                    separator=",",
                    signs=("time", "body"),
                    joint=".",
                    time_prefix="timestamp=",
                ),
                form="text",
                is_given=True,
            ),
            Scheme(
                name="buildkite-token",
                page="Buildkite Docs, Pipelines webhooks: Webhook token",
                evidence=Shared(header="X-Buildkite-Token"),
                form="header",
                is_given=True,
            ),
            Scheme(
                name="bearer",
                page="RFC 6750 §2.1",
                evidence=Shared(header="Authorization", prefix="Bearer"),
                form="header",
            ),
            Scheme(
                name="basic",
                page="RFC 7617 §2",
                evidence=Shared(header="Authorization", prefix="Basic"),
                form="pair",
            ),
            Scheme(
                name="firehose-key",
                page="Amazon Data Firehose, HTTP Endpoint Delivery Request and Response",
                evidence=Shared(header="X-Amz-Firehose-Access-Key"),
                form="header",
            ),
            Scheme(name="nothing", page="", evidence=None, form="none"),
        )
    }
)
"""By the names that a connection's configuration uses."""


def scheme(name: str) -> Scheme:
    """The scheme of that name; raises Malformed."""
    found = SCHEMES.get(name)
    if found is None:
        near = get_close_matches(name[:64], SCHEMES, n=1)
        advice = f"did you mean {near[0]}?" if near else "name one of these"
        raise Malformed(
            f"credential: expected one of {', '.join(SCHEMES)}, found {name[:64]!a}; {advice}"
        )
    return found
