"""Secrets of real deployments: however terraform is given them, no file of the trail holds them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploytrail.app import open_directory
from deploytrail.event import EventId
from tests.conftest import ROOT, tool
from tests.wrapper.terminal import Terminal

LONG = 'correct horse "battery" staple <and> a tail that is so long that terraform wraps its line'
SHORT = "hunter2"
# What a quotation mark or a bracket becomes depends on who prints it; these words stay.
TRACES = (SHORT.encode(), b"battery", b"staple")
CONFIGURATION = """
variable "long" {
  type      = string
  sensitive = true
%(default)s
}
variable "short" {
  sensitive = true
  type      = object({ word = string })
%(default_short)s
}
resource "terraform_data" "kept" {
  input = { long = var.long, short = var.short.word }
}
"""
FAILING = """
resource "terraform_data" "broken" {
  triggers_replace = terraform_data.kept.id
  provisioner "local-exec" { command = "echo '${var.long}' ${var.short.word}; exit 9" }
}
"""
WORD = json.dumps({"word": SHORT})
GIVEN: Mapping[str, tuple[tuple[str, ...], Mapping[str, str], Mapping[str, str]]] = {
    "by arguments": (("-var", f"long={LONG}", f"-var=short={WORD}"), {}, {}),
    "by variables": ((), {"TF_VAR_long": LONG, "TF_VAR_short": WORD}, {}),
    "by the usual file": (
        (),
        {},
        {"terraform.tfvars": f'long = {json.dumps(LONG)}\nshort = {{\n  word = "{SHORT}"\n}}\n'},
    ),
    "by a named file": (
        ("-var-file=values.json",),
        {},
        {"values.json": json.dumps({"long": LONG, "short": {"word": SHORT}})},
    ),
    "by defaults": ((), {}, {}),
}


class Deployment:
    """A root module of Alice's and a real trail beside it."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str], has_defaults: bool) -> None:
        tool("terraform")
        self.home = folder / "trail"
        self.module = folder / "live"
        self.module.mkdir()
        self.environ = {
            **os.environ,
            **environ,
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_STATE_HOME": str(folder / "state"),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
        }
        defaults = {
            "default": f"  default = {json.dumps(LONG)}" if has_defaults else "",
            "default_short": f'  default = {{ word = "{SHORT}" }}' if has_defaults else "",
        }
        (self.module / "main.tf").write_text(CONFIGURATION % defaults)
        init = ["terraform", "init", "-input=false", "-no-color"]
        subprocess.run(init, cwd=self.module, env=self.environ, check=True, capture_output=True)

    def arguments(self, *arguments: str) -> list[str]:
        options = ["--home", str(self.home), "--environment", "prod", "--keep-output", "--verbose"]
        return [sys.executable, "-m", "deploytrail", "run", *options, "--", "terraform", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.arguments(*arguments),
            cwd=self.module,
            env=self.environ,
            check=False,
            capture_output=True,
            timeout=60,
        )

    def outputs(self) -> list[bytes]:
        """What was kept of each run's output, decrypted."""
        return [held for held in self.revealed() if b"entry" not in held[:8]]

    def revealed(self) -> Iterator[bytes]:
        """All that the trail can still tell: every event as revealed, and every attachment."""
        trail = open_directory(self.home, environment=self.environ)
        try:
            for shown in list(trail.entries()):
                yield b"entry " + json.dumps(shown.event, ensure_ascii=False).encode()
                for each in held(shown.event, "evidence"):
                    yield trail.attachment(EventId(str(shown.event["id"])), each["id"])
        finally:
            trail.close()

    def leaks(self) -> list[str]:
        """Where a trace of a secret was found."""
        held = [(str(path), path.read_bytes()) for path in self.home.rglob("*") if path.is_file()]
        held += [(found.decode(), found) for found in self.revealed()]
        return [where for where, octets in held if any(trace in octets for trace in TRACES)]


def held(event: Mapping[str, object], field: str) -> list[dict[str, str]]:
    found = event.get(field, [])
    assert isinstance(found, list)
    return found


@pytest.fixture(params=GIVEN)
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Deployment, tuple[str, ...]]:
    flags, environ, files = GIVEN[request.param]
    deployment = Deployment(tmp_path, environ=environ, has_defaults=request.param == "by defaults")
    for name, content in files.items():
        (deployment.module / name).write_text(content)
    return deployment, flags


def test_no_secret_of_a_deployment_is_kept(given: tuple[Deployment, tuple[str, ...]]) -> None:
    deployment, flags = given
    created = deployment.run("apply", "-auto-approve", *flags)
    assert created.returncode == 0, created.stderr
    (deployment.module / "broken.tf").write_text(FAILING)
    failed = deployment.run("apply", "-auto-approve", *flags)
    assert b"battery" in failed.stderr
    assert SHORT.encode() in failed.stderr
    in_json = deployment.run("apply", "-auto-approve", "-json", *flags)
    assert b"battery" in in_json.stdout
    destroyed = deployment.run("destroy", "-auto-approve", *flags)
    assert destroyed.returncode == 0
    assert b"battery" in destroyed.stdout
    assert deployment.leaks() == []
    kept = deployment.outputs()
    assert len(kept) == 4
    assert b"Error running command '[masked:command]': exit status 9" in kept[1]
    assert b"Error running command '[masked:command]': exit status 9" in kept[2]
    assert b"(sensitive)" in kept[3]
    assert all(b"terraform_data.kept" in output for output in kept)


@pytest.mark.parametrize("given", ["by variables"], indirect=True)
def test_no_secret_of_a_saved_plan_is_kept(given: tuple[Deployment, tuple[str, ...]]) -> None:
    deployment, flags = given
    (deployment.module / "broken.tf").write_text(FAILING)
    deployment.run("plan", "-out=tf.plan", *flags)
    failed = deployment.run("apply", "tf.plan")
    assert b"battery" in failed.stderr
    deployment.run("plan", "-destroy", "-out=tf.plan", *flags)
    destroyed = deployment.run("apply", "tf.plan")
    assert destroyed.returncode == 0
    assert deployment.leaks() == []
    assert len(deployment.outputs()) == 4


@pytest.mark.parametrize("given", ["by variables", "by defaults"], indirect=True)
def test_no_secret_that_a_terminal_showed_is_kept(
    given: tuple[Deployment, tuple[str, ...]],
) -> None:
    deployment, flags = given
    (deployment.module / "broken.tf").write_text(FAILING)
    with Terminal(
        deployment.arguments("apply", "-auto-approve", *flags),
        cwd=deployment.module,
        env=deployment.environ,
    ) as terminal:
        terminal.resize(rows=24, columns=60)
        terminal.expect(rb"recorded as entry")
        assert terminal.wait() == 1
    assert deployment.leaks() == []
    assert len(deployment.outputs()) == 1


def test_output_whose_secrets_are_not_known_is_not_kept(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, environ={}, has_defaults=True)
    (deployment.module / "terraform.tfstate").write_text("not a state")
    failed = deployment.run("apply", "-auto-approve")
    assert failed.returncode == 1
    assert (
        b"deploytrail: the output is not kept: what is secret in it could not be" in failed.stderr
    )
    assert deployment.outputs() == []


def test_values_that_terraform_is_asked_for_are_not_kept(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, environ={}, has_defaults=True)
    deployment.run("apply", "-auto-approve")
    shown = deployment.run("state", "pull")
    assert b"battery" in shown.stdout
    assert b"deploytrail: the output is not kept: this subcommand prints values" in shown.stderr
    assert deployment.leaks() == []


def test_a_secret_that_changed_leaves_fingerprints(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, environ={}, has_defaults=True)
    for word in ("one-of-eight", "two-of-eight", "one-of-eight"):
        deployment.run("plan", "-out=tf.plan", "-var", json.dumps(f"long={word}")[1:-1])
        assert deployment.run("apply", "tf.plan").returncode == 0
    trail = open_directory(deployment.home, environment=deployment.environ)
    changes = [
        change
        for shown in list(trail.entries())
        if str(shown.event["action"]) in ("resource.created", "resource.updated")
        for change in held(shown.event, "changes")
        if change["path"].endswith("input.long")
    ]
    trail.close()
    first, second, third = changes
    assert first["new_fingerprint"] == second["old_fingerprint"] == third["new_fingerprint"]
    assert second["new_fingerprint"] == third["old_fingerprint"] != first["new_fingerprint"]
