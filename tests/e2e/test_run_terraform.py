"""Real terraform under the wrapper, from plan to destroy."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploytrail.actions import check
from deploytrail.app import open_directory
from deploytrail.clock import SystemClock
from deploytrail.event import Event
from tests.conftest import ROOT, tool
from tests.wrapper.terminal import Terminal
from tests.wrapper.test_run import Wrapped

SECRET = "hunter2-correct-horse-battery"
CONFIGURATION = """
variable "size" { default = "small" }
variable "password" {
  sensitive = true
  default   = "%(secret)s"
}
resource "terraform_data" "network" { input = "10.0.0.0/16" }
resource "terraform_data" "server" {
  input            = { size = var.size, password = var.password }
  triggers_replace = terraform_data.network.output
}
output "size" { value = var.size }
"""
FAILING = """
resource "terraform_data" "broken" {
  provisioner "local-exec" { command = "echo password=%(secret)s; exit 9" }
}
"""


class Terraform:
    """A root module of Alice's, deployed under the wrapper into a trail in a folder beside it."""

    def __init__(self, folder: Path) -> None:
        tool("terraform")
        self.module = folder / "live"
        self.module.mkdir()
        (folder / "trail").mkdir()
        self.wrapped = Wrapped(folder / "trail")
        self.wrapped.request = {"environment": "prod"}
        self.environ = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
        }
        self.write(CONFIGURATION)
        init = ["terraform", "init", "-input=false", "-no-color"]
        subprocess.run(init, cwd=self.module, env=self.environ, check=True, capture_output=True)

    def write(self, configuration: str, name: str = "main.tf") -> None:
        (self.module / name).write_text(configuration % {"secret": SECRET})

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.wrapped.arguments("terraform", *arguments),
            cwd=self.module,
            env=self.environ,
            check=False,
            capture_output=True,
            timeout=60,
            **options,
        )

    def told(self, *arguments: str) -> list[Event]:
        """The events of a run that succeeds."""
        before = len(self.wrapped.events)
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert b"deploytrail" not in done.stderr
        return self.wrapped.events[before:]

    def apply(self, *arguments: str) -> list[Event]:
        return self.told("apply", "-auto-approve", *arguments)


@pytest.fixture
def terraform(tmp_path: Path) -> Terraform:
    return Terraform(tmp_path)


def actions(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.action, event.targets[0].id if event.targets else None) for event in events]


def resources(events: list[Event]) -> set[tuple[str, str | None]]:
    return {pair for pair in actions(events) if pair[0].startswith("resource.")}


@pytest.mark.parametrize("flags", [(), ("-json",)], ids=["plain", "json"])
def test_a_life_of_resources_is_told(terraform: Terraform, flags: tuple[str, ...]) -> None:
    network, server = "terraform_data.network", "terraform_data.server"
    created = terraform.apply(*flags)
    assert created[0].action == "deployment.started"
    assert created[-1].action == "deployment.succeeded"
    assert resources(created) == {("resource.created", network), ("resource.created", server)}
    updated = terraform.apply(*flags, "-var", "size=large")
    assert resources(updated) == {("resource.updated", server)}
    terraform.write(CONFIGURATION.replace("10.0.0.0", "10.1.0.0"))
    replaced = terraform.apply(*flags)
    assert ("resource.replaced", server) in resources(replaced)
    destroyed = terraform.told("destroy", "-auto-approve", *flags)
    assert resources(destroyed) == {("resource.deleted", network), ("resource.deleted", server)}


def test_events_of_a_run_form_one_delivery_and_pass_the_catalogue(terraform: Terraform) -> None:
    events = terraform.apply()
    now = SystemClock().now()
    assert [event.source.sequence for event in events] == list(range(1, len(events) + 1))
    assert len({str(event.source.delivery).rpartition(":")[0] for event in events}) == 1
    assert len({event.source.tool for event in events}) == 1
    for event in events:
        check(event, now)
        assert event.where is not None
        assert event.where.environment == "prod"
        assert event.links is not None
        assert event.links.caused_by == (() if event is events[0] else (events[0].id,))


def test_a_saved_plan_and_its_apply_have_the_same_digest(terraform: Terraform) -> None:
    planned = terraform.told("plan", "-out=tf.plan", "-input=false")
    (created,) = [event for event in planned if event.action == "plan.created"]
    applied = terraform.told("apply", "-input=false", "tf.plan")
    start, end = applied[0], applied[-1]
    assert created.plan is not None
    assert start.links is not None
    assert end.links is not None
    assert created.plan.content_digest is not None
    assert start.links.plan == end.links.plan == created.plan.content_digest
    digest = hashlib.sha256((terraform.module / "tf.plan").read_bytes()).hexdigest()
    assert created.plan.file_digest == f"sha256:{digest}"
    assert start.plan == created.plan
    assert created.plan.add == 2
    assert {event.links.plan for event in applied if event.links} == {start.links.plan}


def test_a_plan_is_no_deployment(terraform: Terraform) -> None:
    names = [event.action for event in terraform.told("plan", "-out=tf.plan")]
    assert names == ["runtime.command.started", "plan.created", "runtime.command.finished"]


def test_a_plan_with_changes_and_a_detailed_exit_code_succeeds(terraform: Terraform) -> None:
    done = terraform.run("plan", "-detailed-exitcode", "-out=tf.plan")
    assert done.returncode == 2
    assert terraform.wrapped.events[-1].outcome == "success"
    assert "plan.created" in [event.action for event in terraform.wrapped.events]


def test_a_failing_provisioner_fails_the_deployment_in_part(terraform: Terraform) -> None:
    terraform.write(FAILING, "broken.tf")
    done = terraform.run("apply", "-auto-approve")
    assert done.returncode == 1
    end = terraform.wrapped.events[-1]
    assert (end.action, end.outcome) == ("deployment.failed", "partial")
    assert end.error is not None
    failed = [event for event in terraform.wrapped.events if event.outcome == "failure"]
    assert "terraform_data.broken" in {event.targets[0].id for event in failed if event.targets}


def test_a_configuration_that_is_wrong_fails_the_deployment(terraform: Terraform) -> None:
    terraform.write('resource "terraform_data" {}', "broken.tf")
    done = terraform.run("apply", "-auto-approve")
    assert done.returncode == 1
    end = terraform.wrapped.events[-1]
    assert (end.action, end.outcome) == ("deployment.failed", "failure")
    assert end.error is not None


def test_a_deployment_that_somebody_said_no_to_is_cancelled(terraform: Terraform) -> None:
    done = terraform.run("apply", input=b"no\n")
    assert done.returncode == 1
    end = terraform.wrapped.events[-1]
    assert (end.action, end.outcome, end.error) == ("deployment.cancelled", "denied", None)
    assert end.command is not None
    assert end.command.exit_code == 1


@pytest.mark.parametrize("flags", [(), ("-json",)], ids=["plain", "json"])
def test_no_secret_reaches_any_file_of_the_trail(
    terraform: Terraform, flags: tuple[str, ...]
) -> None:
    terraform.wrapped.request["is_output_kept"] = True
    terraform.write(FAILING, "broken.tf")
    terraform.told("plan", "-out=tf.plan", "-target=terraform_data.server", *flags)
    terraform.told("apply", *flags, "tf.plan")
    terraform.run("apply", "-auto-approve", "-var", f"password=new-{SECRET}", *flags)
    files = [path for path in terraform.wrapped.folder.rglob("*") if path.is_file()]
    assert (terraform.wrapped.folder / "events.jsonl") in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_real_trail_holds_the_run_and_no_secret(terraform: Terraform) -> None:
    home = terraform.wrapped.folder / "home"
    main = "import sys; from deploytrail.cli.run import main; sys.exit(main(sys.argv[1:]))"
    state = {"XDG_STATE_HOME": str(terraform.wrapped.folder / "state")}
    options = ["--home", str(home), "--environment", "prod", "--keep-output", "--verbose"]
    done = subprocess.run(
        [sys.executable, "-c", main, *options, "--", "terraform", "apply", "-auto-approve"],
        cwd=terraform.module,
        env=terraform.environ | state,
        capture_output=True,
    )
    assert done.returncode == 0
    assert b"deploytrail: recorded as entry " in done.stderr
    trail = open_directory(home, environment=terraform.environ | state)
    shown = [str(entry.event["action"]) for entry in trail.entries()]
    trail.close()
    assert (shown[0], shown[-1]) == ("deployment.started", "deployment.succeeded")
    assert shown.count("resource.created") == 2
    files = [path for path in terraform.wrapped.folder.rglob("*") if path.is_file()]
    assert home / "log.db" in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_output_is_the_same_as_without_us(terraform: Terraform) -> None:
    terraform.apply()
    command = ["plan", "-no-color", "-input=false"]
    bare = subprocess.run(
        ["terraform", *command], cwd=terraform.module, env=terraform.environ, capture_output=True
    )
    done = terraform.run(*command)
    assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, bare.stderr)


def test_a_prompt_on_a_terminal_is_answered(terraform: Terraform) -> None:
    with Terminal(
        terraform.wrapped.arguments("terraform", "apply"),
        cwd=terraform.module,
        env=terraform.environ,
    ) as terminal:
        terminal.expect(rb"Enter a value:")
        terminal.type(b"yes\n")
        terminal.expect(rb"Apply complete!")
        assert terminal.wait() == 0
    names = [event.action for event in terraform.wrapped.events]
    assert names.count("resource.created") == 2
    assert names[-1] == "deployment.succeeded"


SLOW = """
resource "terraform_data" "slow" {
  depends_on = [terraform_data.network]
  provisioner "local-exec" { command = "echo has begun; exec sleep 60" }
}
"""


def test_control_c_stops_terraform_once_and_the_end_says_so(terraform: Terraform) -> None:
    terraform.write(SLOW, "slow.tf")
    with Terminal(
        terraform.wrapped.arguments("terraform", "apply", "-auto-approve"),
        cwd=terraform.module,
        env=terraform.environ,
    ) as terminal:
        terminal.expect(rb"\(local-exec\):\S* \S*has begun")
        terminal.type(b"\x03")
        shown = terminal.expect(rb"Gracefully shutting down")
        assert terminal.wait() == 1
    assert b"Two interrupts" not in shown + terminal.seen
    end = terraform.wrapped.events[-1]
    assert (end.action, end.outcome) == ("deployment.cancelled", "partial")
    assert end.error is not None
    assert end.error.code == "interrupted"
    assert end.command is not None
    assert (end.command.exit_code, end.command.signal) == (1, 2)


def test_a_plan_that_is_no_plan_is_told_and_terraform_refuses_it(terraform: Terraform) -> None:
    (terraform.module / "tf.plan").write_text("not a plan")
    done = terraform.run("apply", "tf.plan")
    assert done.returncode == 1
    assert b"deploytrail: the plan tf.plan can't be read" in done.stderr
    start = terraform.wrapped.events[0]
    assert (start.action, start.plan) == ("deployment.started", None)
    assert json.loads(json.dumps(start.source.sequence)) == 1
