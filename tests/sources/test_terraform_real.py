"""The real tool, run here: what it does is told, in each of its languages, without its secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from deploytrail.formats.terraform_plan import PlanDocument
from deploytrail.sources.terraform import plan_block
from tests.conftest import tool
from tests.sources.terraform_runs import SECRET, names, plan_of, run

FIRST = """
variable "password" {
  default   = "hunter2-clear-text"
  sensitive = true
}
resource "terraform_data" "kept" { input = { n = 1.0, password = var.password } }
resource "terraform_data" "replaced" { triggers_replace = "one" }
resource "terraform_data" "old" { input = "same" }
resource "terraform_data" "left" {}
output "shown" { value = terraform_data.kept.input.n }
output "hidden" {
  value     = var.password
  sensitive = true
}
check "answer" {
  assert {
    condition     = terraform_data.kept.input.n < 10
    error_message = "never"
  }
}
"""
SECOND = (
    FIRST.replace("n = 1.0", "n = 2")
    .replace('"one"', '"two"')
    .replace('"old"', '"new"')
    .replace('resource "terraform_data" "left" {}', "")
    .replace("< 10", "> 10")
    + """
moved {
  from = terraform_data.old
  to   = terraform_data.new
}
removed {
  from = terraform_data.left
  lifecycle { destroy = false }
}
import {
  to = terraform_data.imported
  id = "imported-1"
}
resource "terraform_data" "imported" {}
"""
)
FAILING = (
    SECOND
    + """
resource "terraform_data" "failing" {
  provisioner "local-exec" { command = "echo ${var.password}; exit 3" }
}
"""
)


class Module:
    """A root module in a directory of its own, and the real tool to run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = tool("terraform")
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CHECKPOINT_DISABLE": "1",
        }

    def write(self, text: str) -> None:
        (self.directory / "main.tf").write_text(text, encoding="utf-8")

    def call(self, *arguments: str, status: int = 0) -> bytes:
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout.decode()
        return done.stdout

    def planned(self) -> PlanDocument:
        self.call("plan", "-out=plan.bin")
        return plan_of(self.call("show", "-json", "plan.bin"))


@pytest.fixture
def module(tmp_path: Path) -> Module:
    found = Module(tmp_path)
    found.write(FIRST)
    found.call("init")
    return found


CHANGED = {
    ("resource.updated", "success", "terraform_data.kept"),
    ("resource.replaced", "success", "terraform_data.replaced"),
    ("resource.moved", "success", "terraform_data.new"),
    ("resource.forgotten", "success", "terraform_data.left"),
    ("resource.imported", "success", "terraform_data.imported"),
    ("state.output.changed", "success", "output.shown"),
    ("policy.check.warned", "failure", "check.answer"),
}


@pytest.mark.parametrize("flags", [("-json",), ("-no-color",), ()], ids=["json", "plain", "colour"])
def test_a_real_apply_is_told_the_same_in_each_of_its_languages(
    module: Module, flags: tuple[str, ...]
) -> None:
    module.call("apply", "-auto-approve")
    module.write(SECOND)
    document = module.planned()
    raw = module.call("apply", *flags, "plan.bin")
    facts, events = run(raw, document)
    assert set(names(events)) == CHANGED
    assert (facts.operation, facts.is_complete, facts.errors) == ("apply", True, 0)
    assert (facts.added, facts.changed, facts.destroyed) == (1, 1, 1)
    assert (facts.imported, facts.forgotten, facts.not_started) == (1, 1, 0)
    (kept,) = [e for e in events if e.targets[0].id == "terraform_data.kept"]
    shown = {change.path: (change.old, change.new) for change in kept.changes}
    assert shown["input.n"] == ("1", "2")
    assert SECRET.encode() not in msgspec.json.encode(events)


@pytest.mark.parametrize("flags", [("-json",), ("-no-color",), ()], ids=["json", "plain", "colour"])
def test_a_real_apply_without_a_saved_plan_is_told_from_its_output(
    module: Module, flags: tuple[str, ...]
) -> None:
    module.call("apply", "-auto-approve")
    module.write(SECOND)
    _, events = run(module.call("apply", "-auto-approve", *flags))
    assert set(names(events)) == CHANGED


@pytest.mark.parametrize("flags", [("-json",), ("-no-color",), ()], ids=["json", "plain", "colour"])
def test_a_real_failure_is_told_without_what_was_run(
    module: Module, flags: tuple[str, ...]
) -> None:
    module.write(FAILING)
    module.environ["TF_VAR_password"] = SECRET
    raw = module.call("apply", "-auto-approve", *flags, status=1)
    assert SECRET.encode() in raw
    facts, events = run(raw)
    found = names(events)
    assert ("resource.created", "failure", "terraform_data.failing") in found
    assert ("resource.created", "success", "terraform_data.kept") in found
    assert facts.error is not None
    assert facts.error.text == "local-exec provisioner error\n\nexit status 3"
    assert not facts.is_complete
    assert SECRET.encode() not in msgspec.json.encode((facts, events))


@pytest.mark.parametrize("flags", [("-json",), ()], ids=["json", "colour"])
def test_a_real_destroy_is_told(module: Module, flags: tuple[str, ...]) -> None:
    module.call("apply", "-auto-approve")
    facts, events = run(module.call("destroy", "-auto-approve", *flags))
    deleted = {name for name in names(events) if name[0] == "resource.deleted"}
    assert {address.partition(".")[2] for _, _, address in deleted} == {
        "kept", "left", "old", "replaced"
    }  # fmt: skip
    assert (facts.operation, facts.destroyed) == ("destroy", 4)


def test_a_real_plan_has_one_digest_however_often_it_is_made(
    module: Module, tmp_path: Path
) -> None:
    first = plan_block(module.planned(), tool="terraform").content_digest
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(module.directory / "main.tf", other)
    elsewhere = Module(other)
    elsewhere.call("init")
    elsewhere.environ["TF_VAR_password"] = "another secret"
    assert plan_block(elsewhere.planned(), tool="terraform").content_digest == first


def test_a_real_plan_of_something_else_has_another_digest(module: Module) -> None:
    first = plan_block(module.planned(), tool="terraform").content_digest
    module.write(FIRST.replace("n = 1.0", "n = 1.5"))
    assert plan_block(module.planned(), tool="terraform").content_digest != first


def test_a_real_plan_that_fails_is_told(module: Module) -> None:
    module.write('resource "terraform_data" "x" { input = nonsense }')
    for flags in ((), ("-json",)):
        facts, events = run(module.call("plan", *flags, status=1))
        assert facts.errors == 1
        assert facts.error is not None
        assert facts.error.location == "main.tf:1"
        assert [event.action for event in events] in ([], ["plan.failed"])
