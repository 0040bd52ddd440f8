"""The values that a call of terraform was given, so that they can be found in what it prints.

Values of `-var` and `TF_VAR_*` count unless the variable's name is one that is shown among the
arguments; of the files, only values of variables that the root module declares as sensitive.
Values are kept in memory only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploytrail.wrapper import regular_file
from deploytrail.wrapper.masked_command import is_shown_name
from deploytrail.wrapper.terraform import Invocation

FILE_BYTES_MAX: Final = 1024 * 1024
FILES_MAX: Final = 200
_FILES: Final = ("terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json")
_MODULES: Final = ("*.tf", "*.tofu")
_VARIABLE: Final = re.compile(
    r"^variable[ \t]+\"?([\w-]+)\"?[ \t]*\{(.*?)^\}", re.MULTILINE | re.DOTALL
)
_IS_SENSITIVE: Final = re.compile(r"^\s*(?:sensitive|ephemeral)\s*=\s*true\b", re.MULTILINE)
_DEFAULT: Final = re.compile(
    r"^\s*default\s*=\s*(.*?)(?=^\s*(?:[a-z_]+\s*=(?![=>])|validation\b)|\Z)",
    re.MULTILINE | re.DOTALL,
)
# A heredoc first: within it, a line may look like the next assignment.
_ASSIGNED: Final = re.compile(
    r"^([A-Za-z_][\w-]*)[ \t]*=(?!=)([ \t]*<<-?(\w+)[ \t]*\r?\n.*?^[ \t]*\3\b"
    r"|.*?(?=^[A-Za-z_][\w-]*[ \t]*=(?!=)|\Z))",
    re.MULTILINE | re.DOTALL,
)
# A quoted text, and what makes it a key and no value.
_QUOTED: Final = re.compile(r"\"((?:[^\"\\]|\\.)*+)\"([ \t]*(?:=(?!=)|:))?", re.DOTALL)
_HEREDOC: Final = re.compile(r"<<-?(\w+)[ \t]*\r?\n(.*?)^[ \t]*\1\b", re.MULTILINE | re.DOTALL)


def given_values(call: Invocation, environ: Mapping[str, str]) -> Iterator[str]:
    """Each value that may be secret, and each text within it."""
    hidden = dict(_sensitive_variables(call.directory))
    for name, value in _assigned(call, environ):
        if name in hidden or not is_shown_name(name):
            yield value
            yield from _texts(value)
    for expression in hidden.values():
        yield from _texts(expression)
    for path in _value_files(call):
        content = _content(path)
        values = _members(content) if path.suffix == ".json" else _assignments(content)
        for name, value in values:
            if name in hidden:
                yield from _texts(value)


def _assigned(call: Invocation, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for assignment in call.assignments:
        name, _, value = assignment.partition("=")
        yield name.strip(), value
    for name, value in environ.items():
        if name.startswith("TF_VAR_"):
            yield name.removeprefix("TF_VAR_"), value


def _sensitive_variables(directory: Path) -> Iterator[tuple[str, str]]:
    """The sensitive variables of a root module, with the expressions of their defaults."""
    for path in _named(directory, _MODULES):
        for name, body in _VARIABLE.findall(_content(path)):
            if _IS_SENSITIVE.search(body):
                default = _DEFAULT.search(body)
                yield name, default[1] if default else ""


def _value_files(call: Invocation) -> Iterator[Path]:
    for name in call.var_files:
        yield call.directory / name
    yield from _named(call.directory, _FILES)


def _named(directory: Path, patterns: Iterable[str]) -> list[Path]:
    try:
        return [path for pattern in patterns for path in directory.glob(pattern)][:FILES_MAX]
    except OSError:
        return []


def _content(path: Path) -> str:
    """The text of a file, or nothing: what terraform can't read either it will tell itself."""
    return regular_file.text(path, bytes_max=FILE_BYTES_MAX) or ""


def _assignments(content: str) -> Iterator[tuple[str, str]]:
    for found in _ASSIGNED.finditer(content):
        yield found[1], found[2]


def _members(content: str) -> Iterator[tuple[str, str]]:
    try:
        read: Any = json.loads(content)
    except (ValueError, RecursionError):
        return
    for name, value in read.items() if isinstance(read, dict) else ():
        yield name, json.dumps(value, ensure_ascii=False)


def _texts(expression: str) -> Iterator[str]:
    """The texts of an expression: quoted, as a heredoc, or else the whole as it stands."""
    quoted = [text for text, key in _QUOTED.findall(expression) if not key]
    documents = _HEREDOC.findall(expression)
    for text in quoted:
        yield text
        try:
            yield json.loads(f'"{text}"')
        except ValueError:
            # An escape that only HCL knows; it was given as it stands.
            continue
    for _, text in documents:
        yield from (text, *(line.strip() for line in text.split("\n")))
    if not quoted and not documents:
        yield expression.strip()
