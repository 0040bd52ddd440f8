"""What of an application becomes an event, beyond the samples."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.argocd import SOURCE
from deploytrail.sources.argocd_application import repository
from deploytrail.testing import RECEIVED, events

COMMIT = "1f0c9a5e8b7d6c4f3a2e1d0c9b8a7f6e5d4c3b2a"
NEWER = "2f0c9a5e8b7d6c4f3a2e1d0c9b8a7f6e5d4c3b2a"
DIGEST = "sha256:" + "ab" * 32


def told(event: str, **fields: Any) -> dict[str, Any]:
    operation = {
        "phase": "Succeeded",
        "startedAt": "2026-11-22T11:57:00Z",
        "finishedAt": "2026-11-22T11:58:30Z",
        "revision": COMMIT,
        "revisions": None,
        "dryRun": None,
        "username": "alice",
        "automated": None,
    }
    body = {
        "event": event,
        "application": {"name": "shop", "namespace": "argocd", "project": "default"},
        "operation": operation | fields.pop("operation", {}),
        "sync": {"status": "OutOfSync", "revision": COMMIT, "revisions": None},
    }
    (found,) = events(SOURCE, fetched(msgspec.json.encode(body | fields), RECEIVED))
    return found


NO_DRIFT: dict[str, dict[str, Any]] = {
    "a new commit waits": {"sync": {"status": "OutOfSync", "revision": NEWER, "revisions": None}},
    "one of several sources is newer": {
        "sync": {"status": "OutOfSync", "revision": None, "revisions": [NEWER, "1.0"]},
        "operation": {"revision": None, "revisions": [COMMIT, "1.0"]},
    },
    "it was never synced": {"operation": dict.fromkeys(("revision", "startedAt", "phase"))},
}


@pytest.mark.parametrize("why", NO_DRIFT)
def test_what_waits_for_a_sync_is_no_drift(why: str) -> None:
    assert told("drift", **NO_DRIFT[why])["action"] == "integration.delivery.set_aside"


def test_drift_from_what_was_synced_is_told() -> None:
    parts = [{"kind": "ConfigMap", "namespace": "shop", "name": "flags", "status": "OutOfSync"}]
    event = told("drift", outOfSync=parts)
    assert event["action"] == "drift.detected"
    assert event["drift"] == {"changed": 1}
    assert event["targets"][-1]["id"] == "ConfigMap/shop/flags"


MALFORMED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no start": ("sync", {"operation": {"startedAt": None}}, "body.operation.startedAt"),
    "no phase": ("sync", {"operation": {"phase": None}}, "body.operation.phase"),
    "no health": ("health", {}, "body.health.status"),
    "a time without a zone": (
        "sync",
        {"operation": {"startedAt": "2026-11-22T11:57:00"}},
        "body.operation.startedAt",
    ),
    "drift that is none": (
        "drift",
        {"sync": {"status": "Synced", "revision": COMMIT, "revisions": None}},
        "body.sync.status",
    ),
}


@pytest.mark.parametrize("why", MALFORMED)
def test_what_the_template_does_not_send_is_malformed(why: str) -> None:
    event, fields, expected = MALFORMED[why]
    found = told(event, **fields)
    assert found["action"] == "integration.delivery.malformed"
    assert expected in found["error"]["text"]


@pytest.mark.parametrize("phase", ["Terminating", "Dreaming"])
def test_a_phase_is_known_set_aside_or_unrecognised(phase: str) -> None:
    action = told("sync", operation={"phase": phase})["action"]
    expected = "set_aside" if phase == "Terminating" else "unrecognised"
    assert action == f"integration.delivery.{expected}"


REPOSITORIES: dict[str, tuple[str, str | None]] = {
    "https": ("https://github.com/acme/infra.git", "acme/infra"),
    "with a port": ("https://git.acme.example:8443/acme/infra/", "acme/infra"),
    "groups of groups": ("https://gitlab.com/acme/ops/infra", "acme/ops/infra"),
    "as scp has it": ("git@github.com:acme/infra.git", "acme/infra"),
    "ssh": ("ssh://git@github.com/acme/infra.git", "acme/infra"),
    "with a password": ("https://alice:pass@github.com/acme/infra", "acme/infra"),
    "charts": ("https://charts.acme.example", None),
    "a password that ends early": ("https://alice:pa/ss@github.com/acme/infra", None),
    "much too long": ("https://github.com/" + "a" * 3_000, None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("why", REPOSITORIES)
def test_a_repository_is_named_without_credentials(why: str) -> None:
    url, expected = REPOSITORIES[why]
    assert repository(url) == expected


IMAGES: dict[str, tuple[list[str], dict[str, Any] | None]] = {
    "pinned": (
        [f"registry.acme.example:5000/shop:1.4@{DIGEST}"],
        {"id": "registry.acme.example:5000/shop", "version": "1.4", "digest": DIGEST},
    ),
    "a tag": (["shop:1.4"], {"id": "shop", "version": "1.4"}),
    "a port is no tag": (["registry:5000/shop"], {"id": "registry:5000/shop"}),
    "several": (["a:1", "b:1"], None),
    "none": ([], None),
}


@pytest.mark.parametrize("why", IMAGES)
def test_the_only_image_is_the_artifact(why: str) -> None:
    images, expected = IMAGES[why]
    event = told("deployed", images=images)
    assert event.get("artifact") == (expected and {"type": "image", **expected})
    assert ("artifact" in event["links"]) == (why == "pinned")


def test_images_of_a_running_sync_are_not_said_to_be_its_own() -> None:
    event = told("sync", operation={"phase": "Running"}, images=[f"shop@{DIGEST}"])
    assert DIGEST not in str(event)


def test_a_credential_in_the_url_of_a_source_does_not_arrive() -> None:
    odd = "https://alice:pa/ss@charts.acme.example"
    several = [{"repoURL": odd, "chart": "shop"}, {"repoURL": odd}]
    event = told("sync", sources=several, operation={"revision": None, "revisions": ["1", "2"]})
    assert "ss@" not in str(event)
    assert event["artifact"] == {"type": "helm_chart", "id": "shop", "version": "1"}


def test_the_default_project_is_none() -> None:
    assert "project" not in told("sync")["place"]
