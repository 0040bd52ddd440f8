"""How terraform was called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploytrail.clock import Uptime
from deploytrail.errors import Incomplete, NotFound
from deploytrail.wrapper.child import Ending, Mask
from deploytrail.wrapper.terraform import PLAN_SECONDS_MAX, Invocation, invocation, shown, workspace
from tests.fakes import FakeClock

HERE = Path("/srv/live")
NOT_READ = {
    "another program": "kubectl apply -f x",
    "another subcommand": "terraform init",
    "no subcommand": "terraform -version",
    "help": "terraform apply -help",
    "state": "tofu state rm x",
    "a name that only starts so": "terraform-docs apply",
}
PLANS = {
    "a plan": ("terraform apply tf.plan", "tf.plan"),
    "a plan behind flags": ("terraform apply -input=false -auto-approve tf.plan", "tf.plan"),
    "a value of its own": ("terraform apply -parallelism 3 tf.plan", "tf.plan"),
    "two dashes": ("terraform apply --lock-timeout 3s -- tf.plan", "tf.plan"),
    "no plan": ("terraform apply -auto-approve", None),
    "only a variable": ("terraform apply -var name=x -target a.b", None),
    "a variable with its value": ("terraform apply -var=name=x", None),
    "an action to invoke": ("terraform apply -invoke action.a.b", None),
    "a file for the stream": ("tofu apply -json-into out.json", None),
}


def called(command: str, **environ: str) -> Invocation:
    found = invocation(command.split(), environ, HERE)
    assert found is not None
    return found


@pytest.mark.parametrize("case", NOT_READ)
def test_what_is_no_deployment_is_not_read(case: str) -> None:
    assert invocation(NOT_READ[case].split(), {}, HERE) is None


@pytest.mark.parametrize("case", PLANS)
def test_the_saved_plan_is_found(case: str) -> None:
    command, plan = PLANS[case]
    assert called(command).plan_in == plan


@pytest.mark.parametrize("name", ["terraform", "/opt/bin/terraform", "./terraform_1.5.7", "tofu"])
def test_the_tool_is_known_by_its_file_name(name: str) -> None:
    assert called(f"{name} plan").tool == ("opentofu" if name == "tofu" else "terraform")


def test_the_directory_is_that_of_chdir() -> None:
    found = called("terraform -chdir=../prod plan -out tf.plan")
    assert found.directory == HERE / "../prod"
    assert found.global_flags == ("-chdir=../prod",)
    assert found.plan_out == "tf.plan"


def test_an_output_file_may_come_from_the_environment() -> None:
    assert called("terraform plan", TF_CLI_ARGS_plan="-out='my plan'").plan_out == "my plan"
    assert called("terraform plan -out=a", TF_CLI_ARGS="-out=b").plan_out == "a"


def test_an_unclosed_quote_in_the_environment_is_terraforms_to_refuse() -> None:
    assert called("terraform plan", TF_CLI_ARGS="'").plan_out is None


def test_a_destroy_is_a_deployment_and_a_plan_is_none() -> None:
    assert called("terraform destroy").is_deployment
    assert not called("terraform plan").is_deployment


def test_a_plan_with_changes_may_end_with_two() -> None:
    two = Ending(exit_code=2)
    assert called("terraform plan -detailed-exitcode").is_success(two)
    assert not called("terraform plan").is_success(two)
    assert not called("terraform apply").is_success(two)


def test_the_workspace_is_that_of_terraform(tmp_path: Path) -> None:
    assert workspace({}, tmp_path) == "default"
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "environment").write_text("staging")
    assert workspace({}, tmp_path) == "staging"
    assert workspace({"TF_WORKSPACE": "prod"}, tmp_path) == "prod"
    assert workspace({"TF_DATA_DIR": "elsewhere"}, tmp_path) == "default"


class Late(FakeClock):
    """A clock that is late as soon as the program says, in a pipe, that it is there."""

    def __init__(self, pipe: Path) -> None:
        super().__init__()
        self._pipe = pipe
        self._is_asked = False

    def uptime(self) -> Uptime:
        if self._is_asked:
            self._pipe.read_text()
            self.advance(seconds=PLAN_SECONDS_MAX + 1)
        self._is_asked = True
        return super().uptime()


def program(folder: Path, script: str) -> Invocation:
    """A call of a program of that name that does something else."""
    path = folder / "terraform"
    path.write_text(f"#!/bin/sh\ncd {folder}\n{script}\n")
    path.chmod(0o755)
    return called(f"{path} -chdir=live apply tf.plan")


def test_a_plan_is_shown_by_the_same_program_without_the_users_arguments(tmp_path: Path) -> None:
    call = program(tmp_path, 'echo "$@"; env | grep -E "^(TF_|AWS_)" | sort')
    environ = {
        "PATH": os.environ["PATH"],
        "TF_CLI_ARGS": "-no-such-flag",
        "TF_CLI_ARGS_show": "-no-such-flag",
        "TF_LOG": "TRACE",
        "TF_LOG_PATH": "/nowhere/trace",
        "TF_DATA_DIR": "data",
        "AWS_PROFILE": "prod",
    }
    told = shown(call, "tf.plan", environ, mask=Mask(frozenset()), clock=FakeClock())
    assert told.decode().splitlines() == [
        "-chdir=live show -json -no-color tf.plan",
        "AWS_PROFILE=prod",
        "TF_DATA_DIR=data",
    ]


def test_a_program_that_is_slow_to_show_a_plan_is_ended(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    call = program(tmp_path, "trap '' TERM\necho here > pipe\nsleep 2\ntouch survived")
    with pytest.raises(Incomplete, match="within 60 seconds"):
        shown(call, "tf.plan", os.environ, mask=Mask(frozenset()), clock=Late(pipe))
    # It was waited for: from now on it does nothing more.
    assert not (tmp_path / "survived").exists()


def test_a_plan_that_can_not_be_shown_is_told(tmp_path: Path) -> None:
    mask, clock = Mask(frozenset()), FakeClock()
    with pytest.raises(Incomplete, match=r"expected tf\.plan as JSON, found exit code 3"):
        shown(program(tmp_path, "exit 3"), "tf.plan", os.environ, mask=mask, clock=clock)
    with pytest.raises(NotFound, match="command not found"):
        shown(called("/nowhere/terraform apply"), None, os.environ, mask=mask, clock=clock)
