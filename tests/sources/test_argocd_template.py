"""What we ship for Argo CD renders, in Go as there, to what the source reads."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploytrail.kit.delivery import fetched
from deploytrail.sources.argocd import SOURCE
from deploytrail.testing import RECEIVED, events
from tests.conftest import ROOT, tool

SHIPPED = ROOT / "src/deploytrail/sources/files/argocd-notifications.yaml"
COMMIT = "1f0c9a5e8b7d6c4f3a2e1d0c9b8a7f6e5d4c3b2a"
Render = Callable[[str, Any], bytes]


def parsed(text: str) -> Any:
    """As YAML; the parser has no types of its own."""
    return import_module("yaml").safe_load(text)


DATA: dict[str, str] = parsed(SHIPPED.read_text(encoding="utf-8"))["data"]
TEMPLATES = sorted(name for name in DATA if name.startswith("template."))
TRIGGERS = sorted(name for name in DATA if name.startswith("trigger."))


def body_of(template: str) -> str:
    body: str = parsed(DATA[template])["webhook"]["deploytrail"]["body"]
    return body


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Go's own templates, with the one function of Argo CD's that ours use."""
    go, folder = tool("go"), tmp_path_factory.mktemp("go")
    program = folder / "render"
    settings = {
        "GO111MODULE": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(folder / "path"),
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    source = Path(__file__).with_name("argocd_render.go")
    build = [go, "build", "-o", str(program), str(source)]
    subprocess.run(build, env=settings, check=True, capture_output=True, timeout=120)

    def rendered(template: str, app: Any) -> bytes:
        variables = {"app": app, "context": {"argocdUrl": "https://argocd.acme.example"}}
        given = msgspec.json.encode({"Body": body_of(template), "Vars": variables})
        done = subprocess.run(
            [program], input=given, check=True, stdout=subprocess.PIPE, timeout=30
        )
        return done.stdout

    return rendered


def application(**status: Any) -> dict[str, Any]:
    operation = {
        "phase": "Succeeded",
        "startedAt": "2026-11-22T11:57:00Z",
        "finishedAt": "2026-11-22T11:58:30Z",
        "operation": {"initiatedBy": {"username": "alice"}, "sync": {"revision": COMMIT}},
        "syncResult": {"revision": COMMIT},
    }
    return {
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://github.com/acme/infra"}, "destination": {}},
        "status": {
            "sync": {"status": "OutOfSync", "revision": COMMIT},
            "health": {"status": "Degraded"},
            "operationState": operation,
        }
        | status,
    }


RENDERED = {
    "template.deploytrail-sync": "deployment.succeeded",
    "template.deploytrail-deployed": "deployment.verified",
    "template.deploytrail-health": "runtime.health.degraded",
    "template.deploytrail-drift": "drift.detected",
    "template.deploytrail-created": "deployment.unit.created",
    "template.deploytrail-deleted": "deployment.unit.deleted",
}


def test_there_is_an_expectation_of_every_template() -> None:
    assert sorted(RENDERED) == TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_a_template_renders_is_read(template: str, render: Render) -> None:
    (event,) = events(SOURCE, fetched(render(template, application()), RECEIVED))
    assert event["action"] == RENDERED[template]
    assert event["place"]["raw"]["repository"] == "acme/infra"
    assert event["links"]["commit"] == COMMIT
    assert event["source"]["url"] == "https://argocd.acme.example/applications/argocd/shop"


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_application_of_which_little_is_known_renders(template: str, render: Render) -> None:
    bare = {"metadata": {"name": "shop", "namespace": "argocd"}}
    said = msgspec.json.decode(render(template, bare))
    assert said["application"]["name"] == "shop"
    assert said["sources"] == said["outOfSync"] == said["operation"]["resources"] == []


HOSTILE = {
    "it ends a text": '","event":"deleted","x":"',
    "it ends a line": "a\nb\r\n\u2028c",
    "it is a template": '{{ .secrets.token }} {{ "x" }}',
    "it is mark-up": "</script><b>&amp;",
    "it escapes": '\\" \\u0022 \\',
    "it is no ASCII": "schön 🚀",
}


@pytest.mark.parametrize("why", HOSTILE)
def test_no_text_of_an_application_becomes_a_field(why: str, render: Render) -> None:
    text = HOSTILE[why]
    app = application(resources=[{"kind": text, "name": text, "status": "OutOfSync"}])
    app["metadata"] |= {"name": text, "annotations": {"deploytrail.io/environment": text}}
    app["status"]["operationState"] |= {"message": text, "phase": "Failed"}
    app["spec"]["sources"] = [{"repoURL": text, "path": text}, {"chart": text}]
    said = msgspec.json.decode(render("template.deploytrail-sync", app))
    assert said["event"] == "sync"
    assert "x" not in said
    assert said["application"]["name"] == said["application"]["environment"] == text
    assert said["operation"]["message"] == said["sources"][1]["chart"] == text
    assert said["outOfSync"][0]["kind"] == text


ENVIRONMENTS: dict[str, tuple[Any, Any, str]] = {
    "nothing says it": (None, None, ""),
    "a label": ({"env": "prod"}, None, "prod"),
    "the longer label counts": ({"env": "test", "environment": "prod"}, None, "prod"),
    "the annotation counts most": (
        {"environment": "test"},
        {"deploytrail.io/environment": "prod"},
        "prod",
    ),
    "other labels": ({"team": "payments"}, {"owner": "alice"}, ""),
}


@pytest.mark.parametrize("why", ENVIRONMENTS)
def test_the_environment_is_what_the_application_says(why: str, render: Render) -> None:
    labels, annotations, expected = ENVIRONMENTS[why]
    app = application()
    app["metadata"] |= {"labels": labels} if labels else {}
    app["metadata"] |= {"annotations": annotations} if annotations else {}
    said = msgspec.json.decode(render("template.deploytrail-sync", app))
    assert said["application"]["environment"] == expected


def test_only_what_is_out_of_sync_is_listed(render: Render) -> None:
    parts = [{"kind": kind, "status": status} for kind, status in zip("ABCD", STATES, strict=True)]
    parts[3].pop("status")
    said = msgspec.json.decode(
        render("template.deploytrail-drift", application(resources=parts, history=[{"id": 4}]))
    )
    assert [each["kind"] for each in said["outOfSync"]] == ["A", "C"]
    assert said["history"] == 4


STATES = ("OutOfSync", "Synced", "OutOfSync", "")


def test_the_bodies_differ_by_their_event_alone() -> None:
    names = {name.removeprefix("template.deploytrail-"): body_of(name) for name in TEMPLATES}
    assert len({body.replace(f'"event": "{name}"', "") for name, body in names.items()}) == 1


def test_nothing_of_an_operator_s_own_is_overwritten() -> None:
    kinds = {name.partition(".")[0] for name in DATA}
    assert kinds == {"service", "trigger", "template"}
    assert all(".deploytrail" in name for name in DATA)


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_sends_a_template_that_is_there(name: str) -> None:
    (condition,) = parsed(DATA[name])
    assert set(condition) <= {"when", "oncePer", "send"}
    (template,) = condition["send"]
    assert f"template.{template}" in TEMPLATES


def test_the_token_comes_from_the_secret_of_the_controller() -> None:
    headers = parsed(DATA["service.webhook.deploytrail"])["headers"]
    assert {"name": "Authorization", "value": "Bearer $deploytrail-token"} in headers


def test_the_page_subscribes_to_every_trigger() -> None:
    page = (ROOT / "docs/sources/argocd.md").read_text(encoding="utf-8")
    assert [name for name in TRIGGERS if f"- {name.removeprefix('trigger.')}\n" not in page] == []
