"""How terraform was called."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploytrail.wrapper.child import Ending
from deploytrail.wrapper.terraform import Invocation, invocation, workspace

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
