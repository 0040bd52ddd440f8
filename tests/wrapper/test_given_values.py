"""Values that terraform was given, so that they are known as secrets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploytrail.errors import Incomplete
from deploytrail.wrapper.given_values import FILES_BYTES_MAX, given_values
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


def test_files_that_cannot_be_read_give_what_is_shown_of_them(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / "terraform.tfvars.json").write_text("{")
    (tmp_path / "terraform.tfvars").mkdir()
    assert values(tmp_path, "-var-file=nowhere") == {"by-default", "", "{"}


DECLARATIONS = {
    "in one line": 'variable "pw" { sensitive = true }',
    "with its brace behind": 'variable "pw" {\n  sensitive = true }\n',
    "indented": '  variable "pw" {\n    sensitive = true\n  }\n',
    "without quotes": "variable pw {\n  sensitive = true\n}\n",
    "with a comment": 'variable "pw" {\n  sensitive = true # } {\n}\n',
    "in brackets": 'variable "pw" {\n  sensitive = (true)\n}\n',
    "behind another": 'variable "a" { default = "}" }\nvariable "pw" { ephemeral = true }',
    "behind a heredoc": 'locals {\n a = <<-X\n } "${"\n  X\n}\nvariable "pw" { sensitive = true }',
    "behind a template": 'locals { a = "${f("}")} $${ %{ if x }{%{ endif }" }\n'
    'variable "pw" { sensitive = true }',
    "behind a comment": '/* { */ // {\nvariable "pw" { sensitive = true }',
    "behind a mark of its encoding": '\ufeffvariable "pw" { sensitive = true }',
    "behind deep brackets": "a = " + "[" * 200 + "]" * 200 + '\nvariable "pw" { sensitive = true }',
    "in a file that is broken": 'locals {\nvariable "pw" { sensitive = true }',
    "in a comment that never ends": 'variable "pw" { sensitive = true }\n/*',
}


@pytest.mark.parametrize("module", DECLARATIONS.values(), ids=DECLARATIONS.keys())
def test_a_sensitive_variable_is_found(tmp_path: Path, module: str) -> None:
    (tmp_path / "main.tf").write_text(module)
    (tmp_path / "terraform.tfvars").write_text('pw = "by-file"')
    assert "by-file" in values(tmp_path)


@pytest.mark.parametrize(
    "module",
    [
        {"variable": {"pw": {"sensitive": True}}},
        {"variable": {"pw": [{"sensitive": "true"}]}},
        [{"variable": [{"pw": {"ephemeral": True, "default": "by-default"}}]}],
        {"variable": 1},
    ],
    ids=str,
)
def test_a_sensitive_variable_is_found_in_json(tmp_path: Path, module: object) -> None:
    (tmp_path / "main.tf.json").write_text(json.dumps(module))
    (tmp_path / "terraform.tfvars").write_text('pw = "by-file"')
    assert "by-file" in values(tmp_path)


NAMES = {
    "indented": '  pw = "by-file"\n',
    "quoted": '"pw" = "by-file"\n',
    "behind a heredoc": 'a = <<X\npw = 1\nX\npw = "by-file"',
    "in a file that is broken": 'a = [\npw = "by-file"\n',
    "without an end": 'pw = "by-file',
    "in a heredoc without an end": "pw = <<X\nby-file\n",
    "without quotes": "pw = by-file ]",
}


@pytest.mark.parametrize("content", NAMES.values(), ids=NAMES.keys())
def test_a_value_is_found(tmp_path: Path, content: str) -> None:
    (tmp_path / "main.tf").write_text('variable "pw" { sensitive = true }')
    (tmp_path / "terraform.tfvars").write_text(content)
    assert {"by-file", "by-file ]"} & values(tmp_path)


def test_where_the_module_is_not_understood_all_values_are_known(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("# a sensitive variable\nlocals {")
    (tmp_path / "terraform.tfvars").write_text('size = "large"\npin = { a = 123456, b = "x" }')
    assert {"large", "123456", "eu-west-1"} <= values(tmp_path, "-var=region=eu-west-1")


@pytest.mark.parametrize(
    "line",
    [
        "a = <<X\n",
        'variable "v" { type = string }\n',
        "{",
        '"\\"',
        "/*",
        "a = [\n",
        '"${',
        "<<a",
        "\\",
    ],
)
@pytest.mark.parametrize("name", ["main.tf", "terraform.tfvars", "x.auto.tfvars.json"])
def test_the_time_is_linear_in_what_is_read(tmp_path: Path, line: str, name: str) -> None:
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / name).write_text(line * (128 * 1024 // len(line)))
    started = time.process_time()
    values(tmp_path, environ={"TF_VAR_x": line * 5_000})
    assert time.process_time() - started < 3


def test_files_without_end_are_told(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(f'a = "{"x" * FILES_BYTES_MAX}"')
    with pytest.raises(Incomplete, match="too large"):
        values(tmp_path)
    (tmp_path / "terraform.tfvars").write_text('a = "by-file"')
    (tmp_path / "main.tf").write_text("#" * (FILES_BYTES_MAX + 1))
    assert "by-file" in values(tmp_path)
