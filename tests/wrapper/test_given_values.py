"""Values that terraform was given, so that they are known as secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploytrail.wrapper.given_values import given_values
from deploytrail.wrapper.terraform import invocation

MODULE = """
variable "password" {
  sensitive = true
  default   = "by-default"
  validation {
    condition = var.password != "never"
  }
}
variable "nested" {
  type = object({ users = map(string) })
  ephemeral = true
}
variable "size" { default = "small" }
"""
TFVARS = """size = "large"
password = <<EOT
first line
  second line
size = third
EOT
nested = {
  users = { "alice" = "by-map", bob: "with \\"quotes\\"" }
}
"""


def values(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> set[str]:
    call = invocation(["terraform", "apply", *arguments], environ or {}, folder)
    assert call is not None
    return set(given_values(call, environ or {}))


@pytest.mark.parametrize("flags", [("-var", "password=by-flag"), ("--var=password=by-flag",)])
def test_values_of_arguments_are_known(tmp_path: Path, flags: Sequence[str]) -> None:
    assert "by-flag" in values(tmp_path, *flags)
    assert "by-flag" in values(tmp_path, environ={"TF_CLI_ARGS_apply": " ".join(flags)})


def test_values_of_variables_are_known_with_the_texts_in_them(tmp_path: Path) -> None:
    found = values(tmp_path, environ={"TF_VAR_users": '{"alice":"by-map", bob = "other"}'})
    assert {"by-map", "other"} <= found
    assert "alice" not in found


def test_a_name_that_is_shown_among_the_arguments_hides_nothing(tmp_path: Path) -> None:
    assert values(tmp_path, "-var=region=eu-west-1") == set()
    (tmp_path / "main.tf").write_text(MODULE.replace("password", "region"))
    assert "eu-west-1" in values(tmp_path, "-var=region=eu-west-1")


def test_only_sensitive_values_of_files_are_known(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / "terraform.tfvars").write_text(TFVARS)
    found = values(tmp_path)
    assert {"by-default", "second line", "size = third", "by-map", 'with "quotes"'} <= found
    assert not found & {"small", "large", "never", "alice"}


def test_values_of_named_and_automatic_files_are_known(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / "x.auto.tfvars.json").write_text(json.dumps({"nested": {"users": {"a": "b c"}}}))
    (tmp_path / "other.tfvars").write_text('password = "by-file"')
    assert {"b c", "by-file"} <= values(tmp_path, "-var-file", "other.tfvars")


def test_a_pipe_is_left_to_terraform(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "values.tfvars")
    assert values(tmp_path, "-var-file=values.tfvars") == set()


def test_files_that_cannot_be_read_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / "terraform.tfvars.json").write_text("{")
    (tmp_path / "terraform.tfvars").mkdir()
    assert values(tmp_path, "-var-file=nowhere") == {"by-default", ""}
